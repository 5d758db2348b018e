"""`POST /v1/chat/completions`, whole and streamed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from fastapi import APIRouter, Request
from starlette.responses import Response

from ominix_core.generation import (
    Finished,
    PrefillProgress,
    ReasoningDelta,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
    ToolCallStarted,
    Usage,
)
from ominix_core.server.answer import Answer, usage_of_all
from ominix_core.server.bodies import BodyRoute
from ominix_core.server.choice import CHAT, choose
from ominix_core.server.dependencies import TheHub, TheLiveRequests
from ominix_core.server.live import LiveRequest
from ominix_core.server.message_images import receive_images
from ominix_core.server.schemas import chat_answers as schema
from ominix_core.server.schemas.chat import ChatCompletionRequest
from ominix_core.server.sse import DONE, KEEP_ALIVE_SECONDS, MAY_STREAM, EventStream, comment, event, json_response

router = APIRouter(tags=["text"], route_class=BodyRoute)


@router.post("/v1/chat/completions", response_model=schema.ChatCompletion, responses=MAY_STREAM)
async def chat_completions(
    body: ChatCompletionRequest, request: Request, hub: TheHub, live_requests: TheLiveRequests
) -> Response:
    """Continue a conversation. With `stream` the answer comes as server-sent events."""
    entry = await choose(hub, body.model, CHAT)
    await receive_images(request, hub, entry, body.images())
    live = await live_requests.start(request, "chatcmpl-", entry, *body.to_hub(entry))
    if body.stream:
        await live.started(request)
        return EventStream(request, _Chunks(live, body).stream(), live.close)
    answers = [Answer.of(events) for events in await live.every_whole(request)]
    return json_response(_completion(live, answers, with_logprobs=body.logprobs))


def _completion(live: LiveRequest, answers: list[Answer], *, with_logprobs: bool) -> schema.ChatCompletion:
    usages = [answer.finished.usage for answer in answers]
    return schema.ChatCompletion(
        id=live.id,
        object="chat.completion",
        created=live.created,
        model=live.entry.id,
        choices=[_choice(index, answer, with_logprobs=with_logprobs) for index, answer in enumerate(answers)],
        usage=schema.Usage.of(usage_of_all(usages, len(usages))),
        system_fingerprint=live.fingerprint,
    )


def _choice(index: int, answer: Answer, *, with_logprobs: bool) -> schema.Choice:
    content = None if answer.tool_calls and not answer.text else answer.text
    message = schema.AnswerMessage(role="assistant", content=content, refusal=None, annotations=[])
    if answer.reasoning:
        message.reasoning_content = answer.reasoning
    if answer.tool_calls:
        message.tool_calls = [schema.ToolCall.of(call) for call in answer.tool_calls]
    return schema.Choice(
        index=index,
        message=message,
        logprobs=schema.Logprobs.of(answer.logprobs) if with_logprobs else None,
        finish_reason=schema.finish_reason(answer.finished),
    )


class _Chunks:
    """Writes answers as OpenAI streams them: the role, their parts, the reason of their end, the usage if wanted."""

    def __init__(self, live: LiveRequest, body: ChatCompletionRequest) -> None:
        self._live = live
        self._with_usage = body.stream_options.include_usage

    async def stream(self) -> AsyncIterator[bytes]:
        for work in self._live.works:
            yield self._chunk(work.index, schema.Delta(role="assistant", content="", refusal=None))
        usages: list[Usage] = []
        async for item in self._live.indexed_events(silence=KEEP_ALIVE_SECONDS):
            if item is None:
                yield comment("keep-alive")
                continue
            index, part = item
            match part:
                case PrefillProgress():
                    yield comment(f"prompt {part.done}/{part.total}")
                case ReasoningDelta():
                    yield self._chunk(index, schema.Delta(reasoning_content=part.text))
                case TextDelta():
                    yield self._chunk(index, schema.Delta(content=part.text), part.logprobs)
                case ToolCallStarted() | ToolCallDelta():
                    yield self._chunk(index, schema.Delta(tool_calls=[schema.ToolCallPart.of(part)]))
                case Finished():
                    yield self._chunk(index, schema.Delta(), finished=part)
                    usages.append(part.usage)
        if self._with_usage:
            yield event(self._frame([], usage=schema.Usage.of(usage_of_all(usages, len(usages)))))
        yield DONE

    def _chunk(
        self, index: int, delta: schema.Delta, logprobs: Sequence[TokenLogprob] = (), finished: Finished | None = None
    ) -> bytes:
        choice = schema.ChunkChoice(
            index=index,
            delta=delta,
            logprobs=schema.Logprobs.of(logprobs) if logprobs else None,
            finish_reason=schema.finish_reason(finished) if finished else None,
        )
        return event(self._frame([choice], **({"usage": None} if self._with_usage else {})))

    def _frame(self, choices: list[schema.ChunkChoice], **usage: schema.Usage | None) -> schema.ChatCompletionChunk:
        return schema.ChatCompletionChunk(
            id=self._live.id,
            object="chat.completion.chunk",
            created=self._live.created,
            model=self._live.entry.id,
            choices=choices,
            system_fingerprint=self._live.fingerprint,
            **usage,
        )
