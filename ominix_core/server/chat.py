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
    ToolCalled,
)
from ominix_core.server.choice import CHAT, choose
from ominix_core.server.dependencies import TheHub, TheLiveRequests
from ominix_core.server.live import Answer, LiveRequest
from ominix_core.server.schemas import chat_answers as schema
from ominix_core.server.schemas.chat import ChatCompletionRequest
from ominix_core.server.sse import DONE, KEEP_ALIVE_SECONDS, MAY_STREAM, EventStream, comment, event, json_response

router = APIRouter(tags=["text"])


@router.post("/v1/chat/completions", response_model=schema.ChatCompletion, responses=MAY_STREAM)
async def chat_completions(
    body: ChatCompletionRequest, request: Request, hub: TheHub, live_requests: TheLiveRequests
) -> Response:
    """Continue a conversation. With `stream` the answer comes as server-sent events."""
    entry = await choose(hub, body.model, CHAT)
    live = await live_requests.start(request, "chatcmpl-", entry, body.to_hub(entry))
    if body.stream:
        await live.started(request)
        return EventStream(request, _Chunks(live, body).stream(), live.close)
    answer = Answer.of(await live.whole(request))
    return json_response(_completion(live, answer, with_logprobs=body.logprobs))


def _completion(live: LiveRequest, answer: Answer, *, with_logprobs: bool) -> schema.ChatCompletion:
    content = None if answer.tool_calls and not answer.text else answer.text
    message = schema.AnswerMessage(role="assistant", content=content, refusal=None, annotations=[])
    if answer.reasoning:
        message.reasoning_content = answer.reasoning
    if answer.tool_calls:
        message.tool_calls = [schema.ToolCall.of(call) for call in answer.tool_calls]
    choice = schema.Choice(
        index=0,
        message=message,
        logprobs=schema.Logprobs.of(answer.logprobs) if with_logprobs else None,
        finish_reason=schema.finish_reason(answer.finished),
    )
    return schema.ChatCompletion(
        id=live.id,
        object="chat.completion",
        created=live.created,
        model=live.entry.id,
        choices=[choice],
        usage=schema.Usage.of(answer.finished.usage),
        system_fingerprint=live.fingerprint,
    )


class _Chunks:
    """Writes the answer as OpenAI streams it: the role, its parts, the reason of its end, the usage if wanted."""

    def __init__(self, live: LiveRequest, body: ChatCompletionRequest) -> None:
        self._live = live
        self._with_usage = body.stream_options.include_usage

    async def stream(self) -> AsyncIterator[bytes]:
        yield self._chunk(schema.Delta(role="assistant", content="", refusal=None))
        async for part in self._live.events(silence=KEEP_ALIVE_SECONDS):
            match part:
                case None:
                    yield comment("keep-alive")
                case PrefillProgress():
                    yield comment(f"prompt {part.done}/{part.total}")
                case ReasoningDelta():
                    yield self._chunk(schema.Delta(reasoning_content=part.text))
                case TextDelta():
                    yield self._chunk(schema.Delta(content=part.text), part.logprobs)
                case ToolCalled():
                    yield self._chunk(schema.Delta(tool_calls=[schema.ToolCall.of(part.call, index=part.index)]))
                case Finished():
                    yield self._chunk(schema.Delta(), finished=part)
                    if self._with_usage:
                        yield event(self._frame([], usage=schema.Usage.of(part.usage)))
        yield DONE

    def _chunk(
        self, delta: schema.Delta, logprobs: Sequence[TokenLogprob] = (), finished: Finished | None = None
    ) -> bytes:
        choice = schema.ChunkChoice(
            index=0,
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
