"""One answer at a time, for what a batch cannot do yet: quantized KV caches, draft models, caches read in chunks.

It is used as a `Batch` is, so the chat engine treats both alike.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ominix_core.engines.decoding import Decoded, Prefilled, StepStats
from ominix_core.generation import FinishReason


@dataclass(eq=False)
class _Sequence:
    uid: int
    unread: list[int]
    total: int
    cache: list[Any]
    tokens: list[int]
    max_tokens: int
    sampler: Any
    processors: list[Any]
    made: int = 0
    steps: Iterator[tuple[Any, ...]] | None = None


@dataclass
class SingleStream:
    """Requests in the order of their arrival, each decoded alone.

    Args:
        stop_tokens: Ids that end an answer.
        draft: A small model with the same vocabulary that proposes tokens, or None.
        kv_bits: Quantize KV caches to this many bits; 0 does not.
        kv_group: The quantization group; it must divide the model's head dimension.
    """

    model: Any
    stop_tokens: frozenset[int]
    draft: Any = None
    kv_bits: int = 0
    kv_group: int = 64
    prefill_step_size: int = 512
    _queue: deque[_Sequence] = field(default_factory=deque)
    _uids: Iterator[int] = field(default_factory=itertools.count)
    _stats: StepStats = field(default_factory=StepStats)

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
        uid = next(self._uids)
        own = cache if cache is not None else self._new_cache()
        self._queue.append(
            _Sequence(uid, list(prompt), len(prompt), own, list(all_tokens), max_tokens, sampler, logits_processors)
        )
        return uid

    def _new_cache(self) -> list[Any]:
        from mlx_lm.models.cache import make_prompt_cache

        cache: list[Any] = make_prompt_cache(self.model)
        return cache + (make_prompt_cache(self.draft) if self.draft is not None else [])

    def remove(self, uid: int) -> tuple[list[Any], list[int]] | None:
        """Take a request out; returns its KV cache and the tokens in it, if it holds any."""
        sequence = next(sequence for sequence in self._queue if sequence.uid == uid)
        self._queue.remove(sequence)
        cache, tokens = self._settle(sequence)
        return (cache, tokens) if tokens else None

    @contextmanager
    def stats(self) -> Iterator[StepStats]:
        """Tells, once the block has run, what it read of prompts."""
        self._stats = StepStats()
        yield self._stats

    def next(self) -> tuple[list[Prefilled], list[Decoded]]:
        """A chunk of the first request's prompt, or its next token."""
        sequence = self._queue[0]
        if len(sequence.unread) > 1:
            return [self._prefill(sequence)], []
        return [], [self._decode(sequence)]

    def _prefill(self, sequence: _Sequence) -> Prefilled:
        import mlx.core as mx

        started = time.perf_counter()
        size = min(self.prefill_step_size, len(sequence.unread) - 1)
        chunk = mx.array(sequence.unread[:size])[None]
        layers = len(self.model.layers)
        self.model(chunk, cache=sequence.cache[:layers])
        if self.draft is not None:
            self.draft(chunk, cache=sequence.cache[layers:])
        self._quantize(sequence.cache)
        mx.eval([part.state for part in sequence.cache])
        mx.clear_cache()
        sequence.tokens += sequence.unread[:size]
        del sequence.unread[:size]
        self._stats.prompt_tokens += size
        self._stats.prompt_time += time.perf_counter() - started
        return Prefilled(sequence.uid, (sequence.total - len(sequence.unread), sequence.total))

    def _quantize(self, cache: list[Any]) -> None:
        from mlx_lm.generate import maybe_quantize_kv_cache

        maybe_quantize_kv_cache(cache, 0, self.kv_group, self.kv_bits or None)

    def _decode(self, sequence: _Sequence) -> Decoded:
        if sequence.steps is None:
            sequence.steps = self._start(sequence)
            sequence.tokens += sequence.unread
            sequence.unread.clear()
        token, logprobs, *_ = next(sequence.steps)
        token = int(token)
        sequence.made += 1
        sequence.tokens.append(token)
        finish: FinishReason | None = None
        if token in self.stop_tokens:
            finish = "stop"
        elif sequence.made >= sequence.max_tokens:
            finish = "length"
        if finish is None:
            return Decoded(sequence.uid, token, logprobs)
        self._queue.popleft()
        cache, tokens = self._settle(sequence)
        return Decoded(sequence.uid, token, logprobs, finish, cache, tokens)

    def _start(self, sequence: _Sequence) -> Iterator[tuple[Any, ...]]:
        import mlx.core as mx
        from mlx_lm.generate import generate_step, speculative_generate_step

        last = mx.array(sequence.unread)
        common = {
            "max_tokens": sequence.max_tokens,
            "sampler": sequence.sampler,
            "kv_bits": self.kv_bits or None,
            "kv_group_size": self.kv_group,
            "quantized_kv_start": 0,
        }
        # A grammar or penalty follows the tokens one by one; it cannot look at a draft that may be taken back.
        if self.draft is not None and not sequence.processors:
            drafted: Iterator[tuple[Any, ...]] = speculative_generate_step(
                last, self.model, self.draft, prompt_cache=sequence.cache, **common
            )
            return drafted
        own = sequence.cache[: len(self.model.layers)]
        plain: Iterator[tuple[Any, ...]] = generate_step(
            last, self.model, prompt_cache=own, logits_processors=sequence.processors, **common
        )
        return plain

    def _settle(self, sequence: _Sequence) -> tuple[list[Any], list[int]]:
        """End the decoding and bring cache and tokens to the same length; nothing is kept beside a draft model."""
        from mlx_lm.models.cache import can_trim_prompt_cache, trim_prompt_cache

        if sequence.steps is not None:
            sequence.steps.close()  # type: ignore[attr-defined]
        cache = sequence.cache
        if self.draft is not None or not can_trim_prompt_cache(cache):
            return cache, []
        held = cache[0].offset
        # The next token is computed ahead, so the cache may be longer than the answer.
        trim_prompt_cache(cache, max(0, held - len(sequence.tokens)))
        return cache, sequence.tokens[:held]

    def close(self) -> None:
        self._queue.clear()
