"""The chat engine: language models of mlx-lm, with continuous batching."""

from __future__ import annotations

import gc
import itertools
import logging
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ominix_core.engines.base import LoadReport
from ominix_core.engines.sampling import make_sampler
from ominix_core.errors import LoadError, RequestError
from ominix_core.generation import ChatRequest, Failed, Finished, FinishReason, GenerationEvent, TextDelta, Usage
from ominix_core.mlx_setup import open_file_limit_kept, prepare

logger = logging.getLogger(__name__)

# Small enough that a running stream waits little for another request's prefill.
PREFILL_STEP_TOKENS = 512


@dataclass
class _Running:
    """A request in the batch."""

    request_id: str
    prompt_tokens: int
    detokenizer: Any
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
        )


@dataclass
class ChatEngine:
    """One language model and the batch of requests that it is answering."""

    memory_bytes: int = 0
    _model: Any = None
    _tokenizer: Any = None
    _context: int | None = None
    _batch: Any = None
    _running: dict[int, _Running] = field(default_factory=dict)
    _cancelled: list[_Running] = field(default_factory=list)

    def load(self, folder: Path, report: LoadReport) -> None:
        """Load weights layer by layer, in float32 on a CPU. Raises LoadError that names the folder."""
        prepare()
        import mlx.core as mx

        with open_file_limit_kept():
            from mlx_lm.utils import load_model, load_tokenizer

        report("reading")
        try:
            self._model, config = load_model(folder, lazy=True)
            self._tokenizer = load_tokenizer(folder)
        except Exception as error:
            logger.exception("reading %s failed", folder)
            raise LoadError(f"The files of {folder.name} cannot be read: {error}. Get the model again.") from error
        self._context = config.get("max_position_embeddings")
        if not mx.metal.is_available():
            self._model.set_dtype(mx.float32)  # half precision is 40 to 100 times slower on a CPU
        total_bytes = self._evaluate(report)
        report("warming up", total_bytes, total_bytes)
        mx.eval(self._model(mx.array([[0]])))
        self.memory_bytes = mx.get_active_memory()
        self._reset_batch()

    def _evaluate(self, report: LoadReport) -> int:
        """Read the weights from disk layer by layer; returns their bytes."""
        import mlx.core as mx
        from mlx.utils import tree_flatten

        parameters = tree_flatten(self._model.parameters())
        total: int = sum(array.nbytes for _, array in parameters)
        done = 0
        report("loading weights", done, total)
        for _, layer in itertools.groupby(parameters, key=lambda item: _layer_of(item[0])):
            arrays = [array for _, array in layer]
            mx.eval(arrays)
            done += sum(array.nbytes for array in arrays)
            report("loading weights", done, total)
        return total

    def _reset_batch(self) -> None:
        from mlx_lm.generate import BatchGenerator

        self._running.clear()
        self._batch = BatchGenerator(
            self._model,
            stop_tokens=[(token,) for token in self._tokenizer.eos_token_ids],
            prefill_step_size=PREFILL_STEP_TOKENS,
        )

    @property
    def busy(self) -> bool:
        return bool(self._running or self._cancelled)

    def submit(self, request_id: str, request: ChatRequest) -> None:
        """Queue a conversation. Raises RequestError if its template refuses it or the context cannot hold it."""
        prompt = self._prompt(request)
        room = request.max_tokens
        if self._context is not None:
            room = min(room, self._context - len(prompt))
        if room < 1:
            raise RequestError(
                f"This conversation is {len(prompt)} tokens long, but the model's context holds {self._context}. "
                "Shorten it, or start a new one.",
                "context_length_exceeded",
            )
        (uid,) = self._batch.insert([prompt], max_tokens=[room], samplers=[make_sampler(request.sampling)])
        self._running[uid] = _Running(request_id, len(prompt), self._tokenizer.detokenizer, time.perf_counter())

    def _prompt(self, request: ChatRequest) -> list[int]:
        import jinja2

        if self._tokenizer.chat_template is None:
            raise RequestError("This model has no chat template: it is a base model, not made for conversations.")
        messages = [{"role": message.role, "content": message.content} for message in request.messages]
        try:
            tokens: list[int] = self._tokenizer.apply_chat_template(messages, add_generation_prompt=True)
        except jinja2.TemplateError as error:
            raise RequestError(f"The model's chat template refuses this conversation: {error}") from error
        return tokens

    def cancel(self, request_id: str) -> None:
        for uid, running in list(self._running.items()):
            if running.request_id == request_id:
                self._batch.remove([uid])
                self._cancelled.append(self._running.pop(uid))

    def step(self) -> Iterable[tuple[str, GenerationEvent]]:
        events: list[tuple[str, GenerationEvent]] = []
        for running in self._cancelled:
            events.append((running.request_id, Finished("cancelled", running.usage())))
        self._cancelled.clear()
        if not self._running:
            return events
        try:
            _, responses = self._batch.next()
        except Exception as error:  # the batch is lost, the model is not: fail its requests and start a new one
            logger.exception("a decoding step failed")
            failed = Failed(f"The model failed while answering: {error}. Try again.")
            events += [(running.request_id, failed) for running in self._running.values()]
            self._reset_batch()
            return events
        for response in responses:
            events += self._token(response.uid, response.token, response.finish_reason)
        return events

    def _token(self, uid: int, token: int, finish: FinishReason | None) -> Iterable[tuple[str, GenerationEvent]]:
        running = self._running[uid]
        running.completion_tokens += 1
        running.first_token = running.first_token or time.perf_counter()
        if finish != "stop":
            running.detokenizer.add_token(token)
        if finish is not None:
            running.detokenizer.finalize()
            del self._running[uid]
        if text := running.detokenizer.last_segment:
            yield running.request_id, TextDelta(text)
        if finish is not None:
            yield running.request_id, Finished(finish, running.usage())

    def close(self) -> None:
        self._running.clear()
        if self._batch is not None:
            self._batch.close()
        self._batch = self._model = self._tokenizer = None
        gc.collect()
        import mlx.core as mx

        mx.clear_cache()


def _layer_of(parameter: str) -> str:
    """The layer that a parameter belongs to: "model.layers.3" of "model.layers.3.mlp.up_proj.weight"."""
    match = re.match(r".*?\.\d+(?=\.)", parameter)
    return match.group() if match else parameter
