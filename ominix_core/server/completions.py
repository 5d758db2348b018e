"""`POST /v1/completions`, whole and streamed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal

from fastapi import APIRouter, Request
from starlette.responses import Response

from ominix_core.generation import Finished, PrefillProgress, TextDelta
from ominix_core.server.choice import CHAT, choose
from ominix_core.server.dependencies import TheHub, TheLiveRequests
from ominix_core.server.live import Answer, LiveRequest
from ominix_core.server.schemas import completions as schema
from ominix_core.server.schemas.chat_answers import Usage
from ominix_core.server.sse import DONE, KEEP_ALIVE_SECONDS, MAY_STREAM, EventStream, comment, event, json_response

router = APIRouter(tags=["text"])


@router.post("/v1/completions", response_model=schema.Completion, responses=MAY_STREAM)
async def completions(
    body: schema.CompletionRequest, request: Request, hub: TheHub, live_requests: TheLiveRequests
) -> Response:
    """Continue a text. With `stream` the continuation comes as server-sent events."""
    entry = await choose(hub, body.model, CHAT)
    live = await live_requests.start(request, "cmpl-", entry, body.to_hub(entry))
    if body.stream:
        await live.started(request)
        return EventStream(request, _pieces(live, body), live.close)
    answer = Answer.of(await live.whole(request))
    choice = schema.Choice(
        text=answer.text,
        index=0,
        logprobs=None if body.logprobs is None else schema.Logprobs.of(answer.logprobs),
        finish_reason=_reason(answer.finished),
    )
    return json_response(_completion(live, [choice], usage=Usage.of(answer.finished.usage)))


async def _pieces(live: LiveRequest, body: schema.CompletionRequest) -> AsyncIterator[bytes]:
    usage = {"usage": None} if body.stream_options.include_usage else {}
    offset = 0
    async for part in live.events(silence=KEEP_ALIVE_SECONDS):
        match part:
            case None:
                yield comment("keep-alive")
            case PrefillProgress():
                yield comment(f"prompt {part.done}/{part.total}")
            case TextDelta():
                logprobs = schema.Logprobs.of(part.logprobs, offset) if part.logprobs else None
                choice = schema.Choice(text=part.text, index=0, logprobs=logprobs, finish_reason=None)
                yield event(_completion(live, [choice], **usage))
                offset += len(part.text)
            case Finished():
                choice = schema.Choice(text="", index=0, logprobs=None, finish_reason=_reason(part))
                yield event(_completion(live, [choice], **usage))
                if usage:
                    yield event(_completion(live, [], usage=Usage.of(part.usage)))
    yield DONE


def _completion(live: LiveRequest, choices: list[schema.Choice], **usage: Usage | None) -> schema.Completion:
    return schema.Completion(
        id=live.id,
        object="text_completion",
        created=live.created,
        model=live.entry.id,
        choices=choices,
        system_fingerprint=live.fingerprint,
        **usage,
    )


def _reason(finished: Finished) -> Literal["stop", "length"]:
    return "length" if finished.reason == "length" else "stop"
