"""The chat engine: language models of mlx-lm, with continuous batching and prefix reuse."""

from __future__ import annotations

import gc
import logging
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ominix_core.engines.answer import Answer
from ominix_core.engines.base import LoadOptions, LoadReport
from ominix_core.engines.batch import AT_ONCE, Batch, can_batch
from ominix_core.engines.constraint import ConstraintFactory
from ominix_core.engines.decoding import Decoded
from ominix_core.engines.loading import load_language_model
from ominix_core.engines.pace import PrefillPace
from ominix_core.engines.prefix_cache import CachedPrefix, PrefixCache
from ominix_core.engines.prompt import Prompt, chat_template, check_template_options, encode, encode_text
from ominix_core.engines.sampling import NO_NUMBERS, check_bias, has_number, make_logits_processors, make_sampler
from ominix_core.engines.single import SingleStream
from ominix_core.engines.template_abilities import ChatTemplate
from ominix_core.engines.thinking import thinking_budget
from ominix_core.engines.tokens import TokenTexts
from ominix_core.errors import RequestError
from ominix_core.generation import (
    CompletionRequest,
    Failed,
    Finished,
    GenerationEvent,
    PrefillProgress,
    Request,
    TextRequest,
    Usage,
)
from ominix_core.media import Abilities
from ominix_core.memory import KVCache, gigabytes

# How often an answer is asked whether there are still numbers behind it, in tokens; the first one always is.
NUMBERS_EVERY = 32
# What an answer without a limit may reach on a model whose context has none, in tokens.
LONGEST_ANSWER = 1 << 20

logger = logging.getLogger(__name__)

Events = Iterator[tuple[str, GenerationEvent]]


@dataclass
class _Running:
    """A request in the batch."""

    request_id: str
    request: TextRequest
    answer: Answer
    prompt_tokens: int
    images: tuple[str, ...]
    cached_tokens: int
    reserved: int
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


class ChatEngine:
    """One language model and the batch of requests that it is answering."""

    _model: Any
    _tokenizer: Any
    _context: int | None
    _kv_cache: KVCache
    _kv_group: int
    _draft: Any
    _options: LoadOptions
    _constraints: ConstraintFactory
    _template: ChatTemplate
    _token_texts: TokenTexts
    _prefixes: PrefixCache
    _batch: Batch | SingleStream

    def __init__(self) -> None:
        self.abilities = Abilities()
        self._pace = PrefillPace()
        self._running: dict[int, _Running] = {}
        self._ended: list[tuple[str, Finished]] = []

    def load(self, folder: Path, options: LoadOptions, report: LoadReport) -> None:
        """Load the model in `folder`. Raises LoadError that names it."""
        loaded = load_language_model(folder, options, report)
        self._options = options
        self._model, self._tokenizer, self._context = loaded.model, loaded.tokenizer, loaded.context
        self._kv_cache, self._kv_group = loaded.kv_cache, loaded.kv_group
        self._draft = loaded.draft
        self._get_ready(PrefixCache(sys.maxsize if options.room is None else options.room))

    def _get_ready(self, prefixes: PrefixCache) -> None:
        """Set up what answering takes beside the model and its tokenizer."""
        self._constraints = ConstraintFactory(self._tokenizer)
        self._template = self._make_template()
        self._token_texts = TokenTexts(self._tokenizer)
        self._prefixes = prefixes
        if self._options.cache_folder:
            self._prefixes.restore(Path(self._options.cache_folder))
        self._reset_batch()

    def _make_template(self) -> ChatTemplate:
        return chat_template(self._tokenizer)

    def _reset_batch(self) -> None:
        self._running.clear()
        stops = frozenset(self._tokenizer.eos_token_ids)
        if self._options.kv_bits or self._draft is not None or not can_batch(self._model):
            self._batch = SingleStream(self._model, stops, self._draft, self._options.kv_bits, self._kv_group)
        else:
            self._batch = Batch(self._model, stops)
            self.abilities = Abilities(at_once=AT_ONCE)

    @property
    def busy(self) -> bool:
        return bool(self._running or self._ended)

    @property
    def running(self) -> int:
        return len(self._running)

    def submit(self, request_id: str, request: Request) -> None:
        """Queue a request. Raises RequestError if the model, its template or its context cannot take it."""
        if not isinstance(request, TextRequest):
            raise RequestError("This model writes text; it takes conversations and prompts.", "wrong_kind_of_model")
        started = time.perf_counter()
        check_template_options(request)
        prompt = self._encode(request)
        if request.max_tokens == 0:
            self._ended.append((request_id, Finished("length", Usage(len(prompt.tokens), 0, ttft=0.0, decode_tps=0.0))))
            return
        max_tokens = self._length_of(len(prompt.tokens), request.max_tokens)
        reserved = self._reserve(len(prompt.tokens) + max_tokens)
        check_bias(request.sampling, len(self._tokenizer))
        processors = make_logits_processors(request.sampling)
        constraint = self._constraints.of(request, after_reasoning=prompt.opens_reasoning)
        budget = thinking_budget(self._tokenizer, request, thinking=prompt.opens_reasoning)
        if budget is not None:
            processors.append(budget)
        if constraint is not None:
            processors.append(constraint)
        prefix = self._prefixes.take(prompt.tokens, prompt.images)
        uid = self._join(
            prompt,
            prefix,
            max_tokens=max_tokens,
            sampler=make_sampler(request.sampling),
            logits_processors=processors,
        )
        answer = Answer(self._tokenizer, request, opens_reasoning=prompt.opens_reasoning)
        self._running[uid] = _Running(
            request_id, request, answer, len(prompt.tokens), prompt.images, len(prefix.tokens), reserved, started
        )

    def _encode(self, request: TextRequest) -> Prompt:
        if isinstance(request, CompletionRequest):
            return encode_text(self._tokenizer, request)
        return encode(self._tokenizer, self._template, request)

    def _join(self, prompt: Prompt, prefix: CachedPrefix, **decoding: Any) -> int:
        """Let the request join the batch; returns its id there."""
        return self._batch.insert(prefix.rest, cache=prefix.cache, all_tokens=prefix.tokens, **decoding)

    def _length_of(self, prompt: int, wanted: int | None) -> int:
        """How long the answer may get, in tokens."""
        room = sys.maxsize
        if self._context is not None:
            room = self._context - prompt
            if room < 1:
                raise RequestError(
                    f"This conversation is {prompt:,} tokens long, but the model's context holds {self._context:,}. "
                    "Shorten it, or start a new one.",
                    "context_length_exceeded",
                )
        if wanted is None and self._options.room is not None:
            wanted = max(1, self._kv_cache.tokens_in(self._free_room) - prompt)
        return min(room, wanted or LONGEST_ANSWER)

    @property
    def _free_room(self) -> int:
        """Bytes for KV caches that no running request has reserved."""
        if self._options.room is None:
            return sys.maxsize
        return self._options.room - sum(running.reserved for running in self._running.values())

    def _reserve(self, tokens: int) -> int:
        """The bytes of a KV cache for so many tokens; older prefixes make room for it. Raises RequestError."""
        needed = self._kv_cache.bytes_for(tokens)
        if self._options.room is None:
            return needed
        if needed > self._options.room:
            raise RequestError(
                f"{tokens:,} tokens need {gigabytes(needed)} for their KV cache, but this machine has room for "
                f"{gigabytes(self._options.room)}. Ask for a shorter answer or shorten the conversation.",
                "context_length_exceeded",
            )
        if needed > self._free_room:
            raise RequestError(
                f"The memory for KV caches is in use: this request needs {gigabytes(needed)}, "
                f"{gigabytes(self._free_room)} is free. Try again when a running request has ended.",
                "kv_cache_full",
            )
        self._prefixes.trim(self._free_room - needed)
        return needed

    def cancel(self, request_id: str) -> None:
        for uid, running in list(self._running.items()):
            if running.request_id == request_id:
                self._leave(uid)
                self._ended.append((request_id, Finished("cancelled", running.usage())))

    def step(self) -> Events:
        """One decoding step for every running answer, and one chunk of prefill for those that wait for it."""
        yield from self._ended
        self._ended.clear()
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

    def _take(self, response: Decoded) -> Events:
        running = self._running[response.uid]
        finish = response.finish_reason
        running.completion_tokens += 1
        running.first_token = running.first_token or time.perf_counter()
        if running.completion_tokens % NUMBERS_EVERY == 1 and not has_number(response.logits, response.token):
            if finish is None:
                self._batch.remove(response.uid)
            del self._running[response.uid]
            yield running.request_id, Failed(NO_NUMBERS)
            return
        if finish != "stop":
            wanted = running.request.logprobs
            logprob = None if wanted is None else self._token_texts.logprob(response.token, response.logits, wanted)
            for event in running.answer.add(response.token, logprob):
                yield running.request_id, event
        if finish is not None:
            if response.all_tokens and response.prompt_cache:
                self._prefixes.put(response.all_tokens, response.prompt_cache, running.images)
            del self._running[response.uid]
        elif running.answer.complete:
            finish = "stop"
            self._leave(response.uid)
        if finish is None:
            return
        for event in running.answer.end():
            yield running.request_id, event
        if running.answer.tool_calls and finish == "stop":
            finish = "tool_calls"
        yield running.request_id, Finished(finish, running.usage(), running.answer.stop)

    def _leave(self, uid: int) -> None:
        """Take a request out of the batch before its end, keeping what its KV cache holds."""
        running = self._running.pop(uid)
        if kept := self._batch.remove(uid):
            cache, tokens = kept
            self._prefixes.put(tokens, cache, running.images)

    def trim(self) -> None:
        """Drop every cached prefix."""
        import mlx.core as mx

        self._prefixes.trim()
        mx.clear_cache()

    def close(self) -> None:
        """Save the prompt caches and free the model."""
        if self._options.cache_folder and self._options.cache_bytes:
            self._prefixes.save(Path(self._options.cache_folder), self._options.cache_bytes)
        self._batch.close()
        self.__dict__.clear()
        gc.collect()
        import mlx.core as mx

        mx.clear_cache()
