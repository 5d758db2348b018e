"""`POST /v1/completions`, whole and streamed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal

from fastapi import APIRouter, Request
from starlette.responses import Response

from ominix_core.generation import Finished, GenerationEvent, PrefillProgress, TextDelta
from ominix_core.generation import Usage as HubUsage
from ominix_core.server.answer import Answer, usage_of_all
from ominix_core.server.bodies import BodyRoute
from ominix_core.server.choice import CHAT, choose
from ominix_core.server.dependencies import TheHub, TheLiveRequests
from ominix_core.server.live import LiveRequest
from ominix_core.server.schemas import completions as schema
from ominix_core.server.schemas.chat_answers import Usage
from ominix_core.server.sse import DONE, KEEP_ALIVE_SECONDS, MAY_STREAM, EventStream, comment, event, json_response

router = APIRouter(tags=["text"], route_class=BodyRoute)


@router.post("/v1/completions", response_model=schema.Completion, responses=MAY_STREAM)
async def completions(
    body: schema.CompletionRequest, request: Request, hub: TheHub, live_requests: TheLiveRequests
) -> Response:
    """Continue texts. With `stream` the continuations come as server-sent events."""
    entry = await choose(hub, body.model, CHAT)
    live = await live_requests.start(request, "cmpl-", entry, *body.to_hub(entry))
    if body.stream:
        await live.started(request)
        return EventStream(request, _Pieces(live, body).stream(), live.close)
    answers = [Answer.of(events) for events in await live.every_whole(request)]
    usage = Usage.of(usage_of_all([answer.finished.usage for answer in answers], body.n))
    choices = [_choice(index, answer, body) for index, answer in enumerate(answers)]
    return json_response(_completion(live, choices, usage=usage))


def _choice(index: int, answer: Answer, body: schema.CompletionRequest) -> schema.Choice:
    return schema.Choice(
        text=answer.text,
        index=index,
        logprobs=None if body.logprobs is None else schema.Logprobs.of(answer.logprobs),
        finish_reason=_reason(answer.finished),
    )


class _Pieces:
    """Writes continuations as OpenAI streams them."""

    def __init__(self, live: LiveRequest, body: schema.CompletionRequest) -> None:
        self._live = live
        self._choices_per_prompt = body.n
        self._usage: dict[str, None] = {"usage": None} if body.stream_options.include_usage else {}
        self._written = [0] * len(live.works)  # characters of each text
        self._usages = [HubUsage()] * len(live.works)

    async def stream(self) -> AsyncIterator[bytes]:
        async for item in self._live.indexed_events(silence=KEEP_ALIVE_SECONDS):
            yield comment("keep-alive") if item is None else self._piece(*item)
        if self._usage:
            usage = Usage.of(usage_of_all(self._usages, self._choices_per_prompt))
            yield event(_completion(self._live, [], usage=usage))
        yield DONE

    def _piece(self, index: int, part: GenerationEvent) -> bytes:
        match part:
            case PrefillProgress():
                return comment(f"prompt {part.done}/{part.total}")
            case TextDelta():
                logprobs = schema.Logprobs.of(part.logprobs, self._written[index]) if part.logprobs else None
                self._written[index] += len(part.text)
                choice = schema.Choice(text=part.text, index=index, logprobs=logprobs, finish_reason=None)
            case Finished():
                self._usages[index] = part.usage
                choice = schema.Choice(text="", index=index, logprobs=None, finish_reason=_reason(part))
            case _:
                return b""
        return event(_completion(self._live, [choice], **self._usage))


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
