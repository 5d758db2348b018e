"""Anthropic's Messages API: answers, whole and streamed, and token counts."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from starlette.responses import Response

from ominix_core.server.answer import Answer
from ominix_core.server.bodies import BodyRoute
from ominix_core.server.choice import CHAT, choose
from ominix_core.server.dependencies import TheHub, TheLiveRequests
from ominix_core.server.live import LiveRequest
from ominix_core.server.message_images import receive_images
from ominix_core.server.message_writer import MessageWriter
from ominix_core.server.schemas import message_objects as schema
from ominix_core.server.schemas.messages import CountTokensRequest, MessageRequest
from ominix_core.server.sse import KEEP_ALIVE_SECONDS, MAY_STREAM, EventStream, event

router = APIRouter(tags=["anthropic"], route_class=BodyRoute)


@router.post("/v1/messages", response_model=schema.MessageObject, responses=MAY_STREAM)
async def create_message(
    body: MessageRequest, request: Request, hub: TheHub, live_requests: TheLiveRequests
) -> Response:
    """Continue a conversation. With `stream` the message grows in server-sent events."""
    entry = await choose(hub, body.model, CHAT)
    await receive_images(request, hub, entry, body.images())
    asked = body.to_hub(entry, body.max_tokens, body.stop_sequences)
    live = await live_requests.start(request, "msg_", entry, asked)
    usage = schema.MessageUsage(input_tokens=0, output_tokens=0)
    writer = MessageWriter(schema.MessageObject(id=live.id, model=entry.id, usage=usage))
    if body.stream:
        await live.started(request)
        return EventStream(request, _stream(live, writer), live.close)
    for part in await live.whole(request):
        for _ in writer.add(part):
            pass
    return Response(writer.message.model_dump_json(), media_type="application/json")


@router.post("/v1/messages/count_tokens")
async def count_tokens(
    body: CountTokensRequest, request: Request, hub: TheHub, live_requests: TheLiveRequests
) -> schema.TokenCount:
    """How many tokens the model would read."""
    entry = await choose(hub, body.model, CHAT)
    await receive_images(request, hub, entry, body.images())
    live = await live_requests.start(request, "count_", entry, body.to_hub(entry))
    answer = Answer.of(await live.whole(request))
    return schema.TokenCount(input_tokens=answer.finished.usage.prompt_tokens)


async def _stream(live: LiveRequest, writer: MessageWriter) -> AsyncIterator[bytes]:
    async for part in live.events(silence=KEEP_ALIVE_SECONDS):
        items = [{"type": "ping"}] if part is None else list(writer.add(part))
        yield b"".join(event(item, item["type"]) for item in items)
