"""The chat engine: language models of mlx-lm, with continuous batching and prefix reuse."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ominix_core.engines.answer import Answer
from ominix_core.engines.base import LoadReport
from ominix_core.engines.constraint import ConstraintFactory
from ominix_core.engines.loading import load_language_model
from ominix_core.engines.pace import LARGEST_CHUNK_TOKENS, PrefillPace
from ominix_core.engines.prefix_cache import PrefixCache
from ominix_core.engines.prompt import encode
from ominix_core.engines.sampling import make_logits_processors, make_sampler
from ominix_core.engines.tokens import TokenTexts
from ominix_core.errors import RequestError
from ominix_core.generation import (
    Failed,
    Finished,
    FinishReason,
    GenerationEvent,
    PrefillProgress,
    TextRequest,
    Usage,
)

logger = logging.getLogger(__name__)

Events = Iterator[tuple[str, GenerationEvent]]


@dataclass
class _Running:
    """A request in the batch."""

    request_id: str
    request: TextRequest
    answer: Answer
    prompt_tokens: int
    cached_tokens: int
    started: float
    first_token: float = 0.0
    completion_tokens: int = 0

    def usage(self) -> Usage:
        now = time.perf_counter()
        first = self.first_token or now
        decoded, seconds = self.completion_tokens - 1, now - first
        return Usage(
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            ttft=first - self.started,
            decode_tps=decoded / seconds if decoded > 0 and seconds > 0 else 0.0,
            cached_tokens=self.cached_tokens,
            reasoning_tokens=self.answer.reasoning_tokens,
        )


@dataclass
class ChatEngine:
    """One language model and the batch of requests that it is answering."""

    memory_bytes: int = 0
    _model: Any = None
    _tokenizer: Any = None
    _context: int | None = None
    _batch: Any = None
    _pace: PrefillPace = field(default_factory=PrefillPace)
    _running: dict[int, _Running] = field(default_factory=dict)
    _cancelled: list[_Running] = field(default_factory=list)

    def load(self, folder: Path, report: LoadReport) -> None:
        """Load the model in `folder`. Raises LoadError that names it."""
        loaded = load_language_model(folder, report)
        import mlx.core as mx

        self._model, self._tokenizer, self._context = loaded.model, loaded.tokenizer, loaded.context
        self._constraints = ConstraintFactory(self._tokenizer)
        self._token_texts = TokenTexts(self._tokenizer)
        self._prefixes = PrefixCache()
        self._reset_batch()
        self.memory_bytes = mx.get_active_memory()

    def _reset_batch(self) -> None:
        from mlx_lm.generate import BatchGenerator

        self._running.clear()
        self._batch = BatchGenerator(
            self._model,
            stop_tokens=[(token,) for token in self._tokenizer.eos_token_ids],
            prefill_step_size=LARGEST_CHUNK_TOKENS,
        )

    @property
    def busy(self) -> bool:
        return bool(self._running or self._cancelled)

    def submit(self, request_id: str, request: TextRequest) -> None:
        """Queue a request. Raises RequestError if the model, its template or its context cannot take it."""
        started = time.perf_counter()
        prompt = encode(self._tokenizer, request)
        max_tokens = self._room_for(prompt.tokens, request.max_tokens)
        processors = make_logits_processors(request.sampling)
        if request.grammar is not None:
            processors.append(self._constraints.make(request.grammar, after_reasoning=prompt.opens_reasoning))
        prefix = self._prefixes.take(prompt.tokens)
        (uid,) = self._batch.insert(
            [prefix.rest],
            max_tokens=[max_tokens],
            caches=[prefix.cache],
            all_tokens=[prefix.tokens],
            samplers=[make_sampler(request.sampling)],
            logits_processors=[processors],
        )
        answer = Answer(self._tokenizer, request, opens_reasoning=prompt.opens_reasoning)
        self._running[uid] = _Running(request_id, request, answer, len(prompt.tokens), len(prefix.tokens), started)

    def _room_for(self, prompt: list[int], wanted: int | None) -> int:
        if self._context is None:
            return wanted or 1 << 20
        room = self._context - len(prompt)
        if room < 1:
            raise RequestError(
                f"This conversation is {len(prompt)} tokens long, but the model's context holds {self._context}. "
                "Shorten it, or start a new one.",
                "context_length_exceeded",
            )
        return room if wanted is None else min(wanted, room)

    def cancel(self, request_id: str) -> None:
        for uid, running in list(self._running.items()):
            if running.request_id == request_id:
                self._leave(uid)
                self._cancelled.append(running)

    def step(self) -> Events:
        """One decoding step for every running answer, and one chunk of prefill for those that wait for it."""
        for running in self._cancelled:
            yield running.request_id, Finished("cancelled", running.usage())
        self._cancelled.clear()
        if not self._running:
            return
        waiting = sum(1 for running in self._running.values() if not running.first_token)
        self._batch.prefill_step_size = self._pace.chunk(waiting, decoding=waiting < len(self._running))
        try:
            with self._batch.stats() as stats:
                prefills, tokens = self._batch.next()
        except Exception as error:  # the batch is lost, the model is not: fail its requests and start a new one
            logger.exception("a decoding step failed")
            failed = Failed(f"The model failed while answering: {error}. Try again.")
            for running in self._running.values():
                yield running.request_id, failed
            self._reset_batch()
            return
        self._pace.measured(stats.prompt_tokens, stats.prompt_time)
        for prefill in prefills:
            running = self._running[prefill.uid]
            done, total = prefill.progress
            yield running.request_id, PrefillProgress(running.cached_tokens + done, running.cached_tokens + total)
        for response in tokens:
            yield from self._take(response)

    def _take(self, response: Any) -> Events:
        running = self._running[response.uid]
        finish: FinishReason | None = response.finish_reason
        running.completion_tokens += 1
        running.first_token = running.first_token or time.perf_counter()
        if finish != "stop":
            wanted = running.request.logprobs
            logprob = None if wanted is None else self._token_texts.logprob(response.token, response.logprobs, wanted)
            for event in running.answer.add(response.token, logprob):
                yield running.request_id, event
        if finish is not None:
            self._prefixes.put(response.all_tokens, response.prompt_cache)
            del self._running[response.uid]
        elif running.answer.stopped:
            finish = "stop"
            self._leave(response.uid)
        if finish is None:
            return
        for event in running.answer.end():
            yield running.request_id, event
        if running.answer.tool_calls and finish == "stop":
            finish = "tool_calls"
        yield running.request_id, Finished(finish, running.usage())

    def _leave(self, uid: int) -> None:
        """Take a request out of the batch before its end, keeping what its KV cache holds."""
        caches = self._batch.remove([uid], return_prompt_caches=True)
        del self._running[uid]
        if (kept := caches.get(uid)) and kept[1]:
            cache, tokens = kept
            self._prefixes.put(tokens, cache)

    def close(self) -> None:
        """Free the model."""
        self._running.clear()
        if self._batch is not None:
            self._batch.close()
        self.__dict__.clear()
        gc.collect()
        import mlx.core as mx

        mx.clear_cache()
