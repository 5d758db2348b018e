"""What a step of decoding says of its requests; `Batch` and `SingleStream` speak these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ominix_core.generation import FinishReason


@dataclass
class StepStats:
    """What one step read of prompts, and how long that took in seconds."""

    prompt_tokens: int = 0
    prompt_time: float = 0.0


@dataclass(frozen=True)
class Prefilled:
    """A request's prompt has been read so far: `progress` is (done, total) in tokens."""

    uid: int
    progress: tuple[int, int]


@dataclass(frozen=True)
class Decoded:
    """A request's next token; with its last one come the tokens that its KV cache holds, and the cache.

    `logits`, shape (vocabulary,), are what it was chosen from; they may be normalized.
    """

    uid: int
    token: int
    logits: Any
    finish_reason: FinishReason | None = None
    prompt_cache: list[Any] | None = None
    all_tokens: list[int] | None = None
