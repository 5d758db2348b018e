"""`POST /v1/chat/completions`, whole and streamed."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Literal

from fastapi import APIRouter, Request
from starlette.responses import Response

import ominix_core
from ominix_core.generation import ChatMessage, ChatRequest, Finished, Sampling
from ominix_core.registry.entry import Category, RegistryEntry
from ominix_core.server.choice import choose_loaded
from ominix_core.server.dependencies import TheHub, TheLiveRequests
from ominix_core.server.live import LiveRequest, while_connected
from ominix_core.server.schemas import chat as schema
from ominix_core.server.sse import DONE, KEEP_ALIVE, KEEP_ALIVE_SECONDS, EventStream, event

router = APIRouter(tags=["chat"])

CATEGORIES = (Category.LLM, Category.VLM)
LONGEST_ANSWER = 32_768
"""Tokens, for a request that sets no limit to a model of unknown context; the engine stops at the context's end."""


@router.post("/v1/chat/completions", response_model=schema.ChatCompletion)
async def chat_completions(
    body: schema.ChatCompletionRequest, request: Request, hub: TheHub, live_requests: TheLiveRequests
) -> Response:
    """Continue a conversation. With `stream` the answer comes as server-sent events."""
    entry = choose_loaded(hub, body.model, CATEGORIES)
    live = await live_requests.start("chatcmpl", hub, entry, _to_hub(body, entry))
    try:
        if body.stream:
            await while_connected(request.receive, live.started())
            chunks = _chunks(live, body.stream_options.include_usage)
            return EventStream(request, chunks, lambda: live_requests.close(live))
        text, finished = await while_connected(request.receive, live.whole())
    except BaseException:
        live_requests.close(live)
        raise
    live_requests.close(live)
    return Response(_completion(live, text, finished).model_dump_json(), media_type="application/json")


def _to_hub(body: schema.ChatCompletionRequest, entry: RegistryEntry) -> ChatRequest:
    defaults = Sampling()
    temperature = (
        entry.defaults.get("temperature", defaults.temperature) if body.temperature is None else body.temperature
    )
    top_p = entry.defaults.get("top_p", defaults.top_p) if body.top_p is None else body.top_p
    return ChatRequest(
        messages=[ChatMessage(turn.hub_role, turn.text) for turn in body.messages],
        max_tokens=body.max_completion_tokens or body.max_tokens or entry.runtime.context or LONGEST_ANSWER,
        sampling=Sampling(
            temperature=float(temperature),
            top_p=max(float(top_p), 1e-6),  # 0 means "only the likeliest token", but samplers read it as "off"
            seed=None if body.seed is None else body.seed % schema.INT64,  # MLX takes no negative seeds
        ),
    )


def _completion(live: LiveRequest, text: str, finished: Finished) -> schema.ChatCompletion:
    message = schema.AnswerMessage(role="assistant", content=text, refusal=None, annotations=[])
    choice = schema.Choice(index=0, message=message, logprobs=None, finish_reason=_reason(finished))
    return schema.ChatCompletion(
        id=live.id,
        object="chat.completion",
        created=live.created,
        model=live.entry.id,
        choices=[choice],
        usage=_usage(finished),
        system_fingerprint=fingerprint(live.entry),
    )


async def _chunks(live: LiveRequest, with_usage: bool) -> AsyncIterator[bytes]:
    """The answer as OpenAI streams it: the role, the text, the reason of its end, the usage if wanted, `[DONE]`."""
    yield _chunk(live, schema.Delta(role="assistant", content="", refusal=None), with_usage)
    async for part in live.parts(silence=KEEP_ALIVE_SECONDS):
        match part:
            case None:
                yield KEEP_ALIVE
            case str():
                yield _chunk(live, schema.Delta(content=part), with_usage)
            case Finished():
                yield _chunk(live, schema.Delta(), with_usage, part)
                if with_usage:
                    yield event(_frame(live, [], usage=_usage(part)))
    yield DONE


def _chunk(live: LiveRequest, delta: schema.Delta, with_usage: bool, finished: Finished | None = None) -> bytes:
    reason = _reason(finished) if finished else None
    choice = schema.ChunkChoice(index=0, delta=delta, logprobs=None, finish_reason=reason)
    return event(_frame(live, [choice], **({"usage": None} if with_usage else {})))


def _frame(
    live: LiveRequest, choices: list[schema.ChunkChoice], **usage: schema.Usage | None
) -> schema.ChatCompletionChunk:
    return schema.ChatCompletionChunk(
        id=live.id,
        object="chat.completion.chunk",
        created=live.created,
        model=live.entry.id,
        choices=choices,
        system_fingerprint=fingerprint(live.entry),
        **usage,
    )


def _reason(finished: Finished) -> Literal["stop", "length"]:
    return "length" if finished.reason == "length" else "stop"


def _usage(finished: Finished) -> schema.Usage:
    usage = finished.usage
    return schema.Usage(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        total_tokens=usage.prompt_tokens + usage.completion_tokens,
        prompt_tokens_details=schema.TokenDetails(cached_tokens=0),
    )


def fingerprint(entry: RegistryEntry) -> str:
    """Changes when an equal request with an equal seed may get another answer."""
    identity = f"{ominix_core.__version__} {entry.id} {entry.source.model_dump_json()}"
    return "fp_" + hashlib.sha256(identity.encode()).hexdigest()[:12]
