"""What models are asked and what they answer: the types that cross from UI and server to a worker and back.

They are msgspec structs because they travel between processes as MessagePack, validated on arrival.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from ominix_core.media import MediaEvent, MediaRequest

Role = Literal["system", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "tool_calls", "cancelled"]


class ToolCall(msgspec.Struct, frozen=True):
    """A function that the model wants called; `arguments` is JSON text."""

    id: str
    name: str
    arguments: str


class ChatMessage(msgspec.Struct, frozen=True, omit_defaults=True):
    """One turn of a conversation.

    Attributes:
        tool_calls: What an assistant turn called.
        tool_call_id: Which call a tool turn answers.
        images: Encoded images that belong to a user turn.
        image_places: Where in `content` each of them stands, in characters; without it all stand before the text.
        name: Who of several speaks in this role, or of which function a tool turn is the result.
        reasoning: What the assistant thought before it said or called this.
    """

    role: Role
    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    images: tuple[bytes, ...] = ()
    image_places: tuple[int, ...] = ()
    name: str | None = None
    reasoning: str = ""


class Sampling(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the next token is chosen.

    Attributes:
        temperature: 0 is greedy.
        top_p: Nucleus mass in (0, 1]; 1 keeps every token.
        top_k: How many of the likeliest tokens stay; 0 keeps every one.
        min_p: Tokens below this share of the likeliest one's probability go; 0 keeps every one.
        repetition_penalty: Divides the logits of recent tokens; 1 changes nothing.
        presence_penalty: Taken once from the logits of recent tokens.
        frequency_penalty: Taken from the logits of recent tokens for each time they occurred.
        logit_bias: Added to the logits of these token ids.
        seed: Makes a sampled answer repeatable; None draws a fresh one.
    """

    temperature: float = 0.7
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: dict[int, float] = {}
    seed: int | None = None


class Grammar(msgspec.Struct, frozen=True):
    """A form that the answer must have: a JSON schema (as JSON text), any JSON object, or a regular expression.

    Attributes:
        strict: Whether a schema is refused if an answer cannot be held to all of it; else it is held to the rest.
    """

    kind: Literal["json_schema", "json_object", "regex"]
    definition: str = ""
    strict: bool = True


class GenerationRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What every request for text can ask for.

    Attributes:
        max_tokens: The longest answer; None is as long as the context allows, 0 only counts the prompt's tokens.
        stop: The answer ends before any of these strings.
        logprobs: How many likeliest alternatives to report for each token; None reports nothing.
    """

    max_tokens: int | None = 512
    sampling: Sampling = Sampling()
    stop: tuple[str, ...] = ()
    logprobs: int | None = None
    grammar: Grammar | None = None


class ChatRequest(GenerationRequest, frozen=True, tag="chat", omit_defaults=True):
    """A conversation to continue.

    Attributes:
        tools: Functions that the model may call, as OpenAI describes them; `strict` holds arguments to their schema.
        must_call: Names of those of which the answer must be a call of one; with none the model decides.
        parallel_calls: Whether an answer may call more than once; else it ends with its first call.
        thinking_budget: How many tokens the model may think; None lets it decide.
        template_options: Extra arguments of the chat template, such as `enable_thinking`.
        prefill: Whether the answer continues the last turn, which is the assistant's, rather than begin one.
    """

    messages: list[ChatMessage]
    tools: list[dict[str, Any]] = []
    must_call: tuple[str, ...] = ()
    parallel_calls: bool = True
    thinking_budget: int | None = None
    template_options: dict[str, Any] = {}
    prefill: bool = False


class CompletionRequest(GenerationRequest, frozen=True, tag="completion", omit_defaults=True):
    """Plain text to continue, without a chat template."""

    prompt: str


class EmbeddingRequest(msgspec.Struct, frozen=True, tag="embedding"):
    """Texts, or their tokens, to turn into vectors; `dimensions` shortens them."""

    texts: list[str | list[int]]
    dimensions: int | None = None


TextRequest = ChatRequest | CompletionRequest
Request = TextRequest | EmbeddingRequest | MediaRequest


class TokenLogprob(msgspec.Struct, frozen=True):
    """A token, its natural-log probability, and the likeliest tokens at its place.

    `raw` is the token's UTF-8, which may be part of a character.
    """

    token: str
    raw: bytes
    logprob: float
    top: tuple[TokenLogprob, ...] = ()


class PrefillProgress(msgspec.Struct, frozen=True, tag="prefill"):
    """How many tokens of the prompt have been read."""

    done: int
    total: int


class TextDelta(msgspec.Struct, frozen=True, tag="text", omit_defaults=True):
    """More text of the answer; never half a character."""

    text: str
    logprobs: tuple[TokenLogprob, ...] = ()


class ReasoningDelta(msgspec.Struct, frozen=True, tag="reasoning"):
    """More of what the model thinks before it answers."""

    text: str


class ToolCallStarted(msgspec.Struct, frozen=True, tag="tool_started"):
    """The model calls a function, whose arguments follow; `index` counts the calls of this answer."""

    index: int
    id: str
    name: str


class ToolCallDelta(msgspec.Struct, frozen=True, tag="tool_delta"):
    """More of a call's arguments, which are JSON text."""

    index: int
    arguments: str


class ToolCalled(msgspec.Struct, frozen=True, tag="tool"):
    """The call is complete. Models may write arguments that are no JSON, or be cut short in them."""

    index: int
    call: ToolCall


class Embeddings(msgspec.Struct, frozen=True, tag="embeddings"):
    """A unit vector for each text, in their order, as little-endian float32."""

    vectors: tuple[bytes, ...]


class Usage(msgspec.Struct, frozen=True):
    """Token counts and timings of one finished request; all 0 where a model does not count tokens.

    Attributes:
        cached_tokens: Prompt tokens whose KV cache was there already.
        reasoning_tokens: Completion tokens that went into reasoning.
        ttft: Seconds from the worker's receipt of the request to its first token.
        decode_tps: Tokens per second after the first.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    ttft: float = 0.0
    decode_tps: float = 0.0
    cached_tokens: int = 0
    reasoning_tokens: int = 0


class Finished(msgspec.Struct, frozen=True, tag="finished", omit_defaults=True):
    """The last event of a request that ended well or was cancelled; `stop` is the stop string that ended it, if any."""

    reason: FinishReason
    usage: Usage = Usage()
    stop: str | None = None


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The last event of a request that went wrong; `message` is written for people."""

    message: str
    code: str = "request_failed"


TextEvent = PrefillProgress | TextDelta | ReasoningDelta | ToolCallStarted | ToolCallDelta | ToolCalled
GenerationEvent = TextEvent | Embeddings | MediaEvent | Finished | Failed
