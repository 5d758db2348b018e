"""What a chat model is asked and what it answers: the types that cross from UI and server to a worker and back.

They are msgspec structs because they travel between processes as MessagePack, validated on arrival.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Role = Literal["system", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "cancelled"]


class ChatMessage(msgspec.Struct, frozen=True):
    """One turn of a conversation."""

    role: Role
    content: str


class Sampling(msgspec.Struct, frozen=True):
    """How the next token is chosen.

    Attributes:
        temperature: 0 is greedy.
        top_p: Nucleus mass in (0, 1]; 1 keeps every token.
        seed: Makes a sampled answer repeatable; None draws a fresh one.
    """

    temperature: float = 0.7
    top_p: float = 1.0
    seed: int | None = None


class ChatRequest(msgspec.Struct, frozen=True, tag="chat"):
    """A conversation to continue."""

    messages: list[ChatMessage]
    max_tokens: int = 512
    sampling: Sampling = Sampling()


class TextDelta(msgspec.Struct, frozen=True, tag="text"):
    """More text of the answer; never half a character."""

    text: str


class Usage(msgspec.Struct, frozen=True):
    """Token counts and timings of one finished request.

    Attributes:
        ttft: Seconds from the worker's receipt of the request to its first token.
        decode_tps: Tokens per second after the first.
    """

    prompt_tokens: int
    completion_tokens: int
    ttft: float
    decode_tps: float


class Finished(msgspec.Struct, frozen=True, tag="finished"):
    """The last event of a request that ended well or was cancelled."""

    reason: FinishReason
    usage: Usage


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The last event of a request that went wrong; `message` is written for people."""

    message: str
    code: str = "request_failed"


GenerationEvent = TextDelta | Finished | Failed
