"""The embedding engine: text models of mlx-lm whose last hidden states are pooled into one vector per text."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ominix_core.engines.base import LoadOptions, LoadReport
from ominix_core.engines.loading import LanguageModel, load_language_model, refuse_settings
from ominix_core.engines.queued import QueuedEngine
from ominix_core.engines.sampling import NO_NUMBERS
from ominix_core.errors import RequestError
from ominix_core.generation import EmbeddingRequest, Embeddings, Failed, Finished, GenerationEvent, Request, Usage
from ominix_core.media import Abilities

if TYPE_CHECKING:
    import mlx.core as mx

logger = logging.getLogger(__name__)

# How many tokens one step reads, padding included, so that a cancel is noticed soon.
TOKENS_PER_STEP = 2048


@dataclass
class _Running:
    request_id: str
    texts: list[list[int]]
    dimensions: int | None
    started: float
    unread: list[int] = field(default_factory=list)
    vectors: dict[int, bytes] = field(default_factory=dict)

    @property
    def usage(self) -> Usage:
        tokens = sum(len(text) for text in self.texts)
        return Usage(tokens, 0, ttft=time.perf_counter() - self.started, decode_tps=0.0)


class EmbeddingEngine(QueuedEngine[_Running]):
    """One embedding model; texts of about the same length are read together."""

    abilities = Abilities()
    _loaded: LanguageModel

    def __init__(self) -> None:
        super().__init__()
        self._mean_pooling = False

    def load(self, folder: Path, options: LoadOptions, report: LoadReport) -> None:
        """Load the model in `folder`. Raises LoadError that names it."""
        refuse_settings(folder, options, "draft_folder")
        without_cache = msgspec.structs.replace(options, kv_bits=0)  # it reads a text once
        self._loaded = load_language_model(folder, without_cache, report)
        self._mean_pooling = _pools_by_mean(folder)

    def submit(self, request_id: str, request: Request) -> None:
        """Queue texts. Raises RequestError if one is empty or longer than the model's context."""
        if not isinstance(request, EmbeddingRequest):
            raise RequestError("This model makes embeddings; it does not write text.", "wrong_kind_of_model")
        texts = [self._tokens(text) for text in request.texts]
        by_length = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        self._queue.append(_Running(request_id, texts, request.dimensions, time.perf_counter(), by_length))

    def _tokens(self, text: str | list[int]) -> list[int]:
        tokenizer, context = self._loaded.tokenizer, self._loaded.context
        tokens: list[int] = tokenizer.encode(text) if isinstance(text, str) else text
        if not tokens:
            raise RequestError("A text to embed is empty.", "invalid_input")
        if any(not 0 <= token < len(tokenizer) for token in tokens):
            raise RequestError("A text to embed holds token ids that this model does not have.", "invalid_input")
        if context is not None and len(tokens) > context:
            raise RequestError(
                f"A text to embed is {len(tokens):,} tokens long, but the model's context holds {context:,}.",
                "context_length_exceeded",
            )
        return tokens

    def step(self) -> Iterator[tuple[str, GenerationEvent]]:
        """Read the next texts of the oldest request."""
        for running in self._cancelled:
            yield running.request_id, Finished("cancelled", running.usage)
        self._cancelled.clear()
        if not self._queue:
            return
        running = self._queue[0]
        try:
            chunk = self._next_chunk(running)
            for index, vector in zip(chunk, self._embed([running.texts[index] for index in chunk]), strict=True):
                running.vectors[index] = _as_bytes(vector, running.dimensions)
        except RequestError as error:
            self._queue.popleft()
            yield running.request_id, Failed(str(error), error.code)
            return
        except Exception as error:  # this request is lost, the model is not
            logger.exception("an embedding step failed")
            self._queue.popleft()
            yield running.request_id, Failed(f"The model failed on these texts: {error}.")
            return
        if not running.unread:
            self._queue.popleft()
            yield running.request_id, Embeddings(tuple(running.vectors[index] for index in range(len(running.texts))))
            yield running.request_id, Finished("stop", running.usage)

    def _next_chunk(self, running: _Running) -> list[int]:
        """The shortest unread texts that fit into a step; they are sorted, so the last one sets the width."""
        count = 1
        while count < len(running.unread):
            width = len(running.texts[running.unread[count]])
            if width * (count + 1) > TOKENS_PER_STEP:
                break
            count += 1
        chunk, running.unread = running.unread[:count], running.unread[count:]
        return chunk

    def _embed(self, texts: list[list[int]]) -> mx.array:
        """Unit vectors (texts, hidden). Padding follows the text, which causal attention does not see."""
        import mlx.core as mx

        width = max(len(text) for text in texts)
        lengths = mx.array([len(text) for text in texts])
        hidden = self._loaded.model.model(mx.array([text + [0] * (width - len(text)) for text in texts]))
        if self._mean_pooling:
            inside = mx.arange(width)[None] < lengths[:, None]
            pooled = (hidden * inside[..., None]).sum(axis=1) / lengths[:, None]
        else:
            pooled = hidden[mx.arange(len(texts)), lengths - 1]
        vectors: mx.array = pooled.astype(mx.float32)
        mx.eval(vectors)
        return vectors


def _as_bytes(vector: mx.array, dimensions: int | None) -> bytes:
    """The first `dimensions` as a unit vector, little-endian float32. Raises RequestError if they are no numbers."""
    import mlx.core as mx
    import numpy as np

    shortened = vector[:dimensions]
    unit = np.array(shortened / mx.maximum(mx.linalg.norm(shortened), 1e-12), dtype="<f4")
    if not np.isfinite(unit).all():
        raise RequestError(NO_NUMBERS)
    return unit.tobytes()


def _pools_by_mean(folder: Path) -> bool:
    """What the checkpoint says of its pooling (sentence-transformers layout); causal models use their last token."""
    try:
        pooling = json.loads((folder / "1_Pooling" / "config.json").read_bytes())
    except (OSError, ValueError):
        return False
    return bool(pooling.get("pooling_mode_mean_tokens"))
