"""Many answers at once: mlx-lm's BatchGenerator decodes, and prompts are read one by one before they join it.

BatchGenerator by itself reads a new prompt after a decoding step, and begins its answer after another. Read here
first, the prompt joins at the next step, and a long one does not hold up a short one.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ominix_core.engines.decoding import Decoded, Prefilled, StepStats

# How long the first answers wait for prompts that came with theirs, in seconds: a fuller batch decodes faster.
GATHER_SECONDS = 0.5


@dataclass(eq=False)
class _Prompt:
    uid: int
    unread: list[int]
    total: int
    cache: list[Any]
    tokens: list[int]
    decoding: dict[str, list[Any]]


class Batch:
    """Requests of which each `next` reads a part of the prompts, and decodes one token of every answer.

    Args:
        stop_tokens: Ids that end an answer.

    Attributes:
        prefill_step_size: How many tokens of prompts a step may read.
    """

    def __init__(self, model: Any, stop_tokens: frozenset[int]) -> None:
        from mlx_lm.generate import BatchGenerator

        self.prefill_step_size = 512
        self._model = model
        self._generator = BatchGenerator(model, stop_tokens=[(token,) for token in stop_tokens])
        self._reading: deque[_Prompt] = deque()
        self._joined: dict[int, int] = {}
        self._uids: Iterator[int] = itertools.count()
        self._stats = StepStats()
        self._gathering_since: float | None = None

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
        from mlx_lm.models.cache import make_prompt_cache

        uid = next(self._uids)
        decoding = {"max_tokens": [max_tokens], "samplers": [sampler], "logits_processors": [logits_processors]}
        if cache is None:
            cache = make_prompt_cache(self._model)
        self._reading.append(_Prompt(uid, list(prompt), len(prompt), cache, list(all_tokens), decoding))
        return uid

    def remove(self, uid: int) -> tuple[list[Any], list[int]] | None:
        """Take a request out; returns its KV cache and the tokens in it, if it holds any."""
        for prompt in self._reading:
            if prompt.uid == uid:
                self._reading.remove(prompt)
                return (prompt.cache, prompt.tokens) if prompt.tokens else None
        inner = next(inner for inner, outer in self._joined.items() if outer == uid)
        del self._joined[inner]
        kept = self._generator.remove([inner], return_prompt_caches=True).get(inner)
        return kept if kept and kept[1] else None

    @contextmanager
    def stats(self) -> Iterator[StepStats]:
        """Tells, once the block has run, what it read of prompts."""
        self._stats = StepStats()
        yield self._stats

    def next(self) -> tuple[list[Prefilled], list[Decoded]]:
        """Read of the prompts in turn, then decode a token of every answer that has begun."""
        prefilled = self._prefill()
        if not self._joined or self._is_gathering():
            return prefilled, []
        _, responses = self._generator.next()
        return prefilled, [self._decoded(response) for response in responses]

    def _is_gathering(self) -> bool:
        """Whether no answer has begun yet and other prompts are about to be ready."""
        if self._gathering_since is None:
            return False
        if self._reading and time.perf_counter() - self._gathering_since < GATHER_SECONDS:
            return True
        self._gathering_since = None
        return False

    def _prefill(self) -> list[Prefilled]:
        import mlx.core as mx

        prefilled, left, started = [], self.prefill_step_size, time.perf_counter()
        with mx.stream(self._generator.stream):
            while self._reading and left > 0:
                prompt = self._reading.popleft()
                left -= self._read(prompt, left)
                if len(prompt.unread) > 1:
                    self._reading.append(prompt)
                    prefilled.append(Prefilled(prompt.uid, (prompt.total - len(prompt.unread), prompt.total)))
                else:
                    self._join(prompt)
                    prefilled.append(Prefilled(prompt.uid, (prompt.total, prompt.total)))
        self._stats.prompt_tokens += self.prefill_step_size - left
        self._stats.prompt_time += time.perf_counter() - started
        return prefilled

    def _read(self, prompt: _Prompt, most: int) -> int:
        """Read up to `most` tokens, but not the prompt's last one, which decoding begins with."""
        import mlx.core as mx

        size = min(most, len(prompt.unread) - 1)
        if size:
            self._model(mx.array(prompt.unread[:size])[None], cache=prompt.cache)
            mx.eval([part.state for part in prompt.cache])
            mx.clear_cache()
            prompt.tokens += prompt.unread[:size]
            del prompt.unread[:size]
        return size

    def _join(self, prompt: _Prompt) -> None:
        if not self._joined:
            self._gathering_since = time.perf_counter()
        (inner,) = self._generator.insert(
            [prompt.unread], caches=[prompt.cache], all_tokens=[prompt.tokens], **prompt.decoding
        )
        self._joined[inner] = prompt.uid

    def _decoded(self, response: Any) -> Decoded:
        uid = self._joined[response.uid]
        if response.finish_reason is not None:
            del self._joined[response.uid]
        return Decoded(
            uid,
            response.token,
            response.logprobs,
            response.finish_reason,
            response.prompt_cache,
            response.all_tokens,
        )

    def close(self) -> None:
        self._generator.close()
