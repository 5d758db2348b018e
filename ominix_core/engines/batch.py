"""Many answers at once with mlx-lm's BatchGenerator, which short prompts join with their first token.

BatchGenerator reads new prompts together after a decoding step, takes their last token in a second one, and answers in
a third. That suits prompts that come in a burst, and long ones. A short one is read here, its first token is out before
the others' next one, and BatchGenerator goes on from there.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ominix_core.engines.decoding import Decoded, Prefilled, StepStats
from ominix_core.generation import FinishReason

AT_ONCE = 32
"""How many answers are decoded together; further ones wait for one of them to end."""

MOST_LOGITS = 256
"""For so many tokens of a prompt logits may be computed beside those of the last: a row of them is a vocabulary."""


def can_batch(model: Any) -> bool:
    """Whether the KV caches of this model can be put side by side; those that read in chunks (llama4) cannot."""
    from mlx_lm.models.cache import make_prompt_cache

    return all(hasattr(part, "merge") for part in make_prompt_cache(model))


@dataclass(eq=False)
class _Newcomer:
    uid: int
    prompt: list[int]
    max_tokens: int
    cache: list[Any] | None
    tokens: list[int]
    sampler: Any
    logits_processors: list[Any]


class Batch:
    """Requests of which each `next` reads a part of the prompts, and decodes one token of every answer.

    Args:
        stop_tokens: Ids that end an answer.

    Attributes:
        prefill_step_size: How many tokens of a prompt a step may read.
    """

    def __init__(self, model: Any, stop_tokens: frozenset[int]) -> None:
        from mlx_lm.generate import BatchGenerator

        from ominix_core.engines.generation_batch import LogitsBatch

        self._model = model
        self._stop_tokens = stop_tokens
        stops = [(token,) for token in stop_tokens]
        self._generator = BatchGenerator(model, stop_tokens=stops, completion_batch_size=AT_ONCE)
        self._generator._generation_batch = LogitsBatch.empty(model, self._generator.sampler)
        self.prefill_step_size = 512
        self._newcomers: list[_Newcomer] = []
        self._uids: dict[int, int] = {}  # BatchGenerator's ids, to ours
        self._answering: set[int] = set()
        self._inserted = 0
        self._stats = StepStats()

    def insert(
        self,
        prompt: list[int],
        *,
        max_tokens: int,
        cache: list[Any] | None,
        all_tokens: list[int],
        sampler: Any,
        logits_processors: list[Any],
    ) -> int:
        """Queue a request and return its id. `all_tokens` are those that `cache` holds already."""
        self._inserted += 1
        self._newcomers.append(
            _Newcomer(
                self._inserted, list(prompt), max_tokens, cache, list(all_tokens), sampler, list(logits_processors)
            )
        )
        return self._inserted

    def remove(self, uid: int) -> tuple[list[Any], list[int]] | None:
        """Take a request out; returns its KV cache and the tokens in it, if it holds any."""
        for newcomer in self._newcomers:
            if newcomer.uid == uid:
                self._newcomers.remove(newcomer)
                return (newcomer.cache, newcomer.tokens) if newcomer.cache and newcomer.tokens else None
        inner = next(inner for inner, outer in self._uids.items() if outer == uid)
        self._forget(inner)
        kept = self._generator.remove([inner], return_prompt_caches=True).get(inner)
        return kept if kept and kept[1] else None

    def _forget(self, inner: int) -> None:
        self._answering.discard(self._uids.pop(inner))

    @contextmanager
    def stats(self) -> Iterator[StepStats]:
        """Tells, once the block has run, what it read of prompts."""
        self._stats = StepStats()
        with self._generator.stats() as generator:
            yield self._stats
        self._stats.prompt_tokens += generator.prompt_tokens
        self._stats.prompt_time += generator.prompt_time

    def next(self) -> tuple[list[Prefilled], list[Decoded]]:
        """Read of the prompts, and decode a token of every answer that has begun."""
        prefilled: list[Prefilled] = []
        decoded: list[Decoded] = []
        left = self.prefill_step_size if self._answering or len(self._newcomers) == 1 else 0
        for newcomer in self._newcomers:
            size = len(newcomer.prompt)
            if size <= left:
                left -= size
                prefilled.append(Prefilled(newcomer.uid, (size, size)))
                decoded.append(self._first_token(newcomer))
            else:
                self._join(newcomer)
        self._newcomers.clear()
        if decoded or not self._uids:
            return prefilled, decoded
        self._generator.prefill_step_size = self.prefill_step_size
        prompts, answers = self._generator.next()
        known = [prompt for prompt in prompts if self._uids[prompt.uid] not in self._answering]
        prefilled += [Prefilled(self._uids[prompt.uid], prompt.progress) for prompt in known]
        return prefilled, [self._decoded(answer) for answer in answers]

    def _join(self, newcomer: _Newcomer) -> None:
        (inner,) = self._generator.insert(
            [newcomer.prompt],
            max_tokens=[newcomer.max_tokens],
            caches=[newcomer.cache],
            all_tokens=[newcomer.tokens],
            samplers=[newcomer.sampler],
            logits_processors=[newcomer.logits_processors],
        )
        self._uids[inner] = newcomer.uid

    def _first_token(self, newcomer: _Newcomer) -> Decoded:
        """Read the prompt and choose the first token as BatchGenerator would; it goes on if there are more to come."""
        import mlx.core as mx
        from mlx_lm.models.cache import make_prompt_cache

        started, size = time.perf_counter(), len(newcomer.prompt)
        with mx.stream(self._generator.stream):
            newcomer.cache = newcomer.cache or make_prompt_cache(self._model)
            newcomer.tokens += newcomer.prompt
            unread = newcomer.prompt
            if size > MOST_LOGITS:
                self._model(mx.array(unread[:-1])[None], cache=newcomer.cache)
                mx.eval([part.state for part in newcomer.cache])
                unread = unread[-1:]
            logits = self._model(mx.array(unread)[None], cache=newcomer.cache)[:, -1, :]
            for processor in newcomer.logits_processors:
                logits = processor(mx.array(newcomer.tokens), logits)
            token = int(newcomer.sampler(logits).item())
        self._stats.prompt_tokens += size
        self._stats.prompt_time += time.perf_counter() - started
        finish: FinishReason | None = None
        if token in self._stop_tokens:
            finish = "stop"
        elif newcomer.max_tokens == 1:
            finish = "length"
        if finish is not None:
            return Decoded(newcomer.uid, token, logits[0], finish, newcomer.cache, newcomer.tokens)
        newcomer.prompt = [token]
        newcomer.max_tokens -= 1
        self._join(newcomer)
        self._answering.add(newcomer.uid)
        return Decoded(newcomer.uid, token, logits[0])

    def _decoded(self, answer: Any) -> Decoded:
        uid = self._uids[answer.uid]
        self._answering.add(uid)
        if answer.finish_reason is not None:
            self._forget(answer.uid)
        return Decoded(uid, answer.token, answer.logprobs, answer.finish_reason, answer.prompt_cache, answer.all_tokens)

    def close(self) -> None:
        self._generator.close()
