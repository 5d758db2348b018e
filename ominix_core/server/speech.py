"""`POST /v1/audio/speech`: audio as it is made, as bytes or as server-sent events."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from ominix_core.audio_files import MEDIA_TYPES, AudioStream
from ominix_core.generation import Finished
from ominix_core.media import AudioChunk
from ominix_core.server.bodies import BodyRoute
from ominix_core.server.choice import SPEECH, choose
from ominix_core.server.dependencies import TheHub, TheLiveRequests
from ominix_core.server.live import LiveRequest
from ominix_core.server.schemas.speech import SpeechDelta, SpeechDone, SpeechRequest, SpeechUsage
from ominix_core.server.sse import KEEP_ALIVE_SECONDS, ClosingStream, EventStream, comment, event

router = APIRouter(tags=["audio"], route_class=BodyRoute)

_CONTENT: dict[str, dict[str, str]] = {media_type: {} for media_type in (*MEDIA_TYPES.values(), "text/event-stream")}


@router.post("/v1/audio/speech", response_class=Response, responses={200: {"content": _CONTENT}})
async def create_speech(body: SpeechRequest, request: Request, hub: TheHub, live_requests: TheLiveRequests) -> Response:
    """Speak a text. The audio comes sentence by sentence; a connection that breaks off means that it is incomplete."""
    entry = await choose(hub, body.model, SPEECH)
    live = await live_requests.start(request, "speech_", entry, body.to_hub())
    first = await live.started(request, patience=None)
    if not isinstance(first, AudioChunk):  # it was cancelled before there was any
        await live.whole(request)
    assert isinstance(first, AudioChunk)
    try:
        stream = AudioStream(body.response_format, first.sample_rate)
    except BaseException:
        live.close()
        raise
    if body.stream_format == "sse":
        return EventStream(request, _events(live, stream), live.close)
    return ClosingStream(_audio(live, stream), live.close, MEDIA_TYPES[body.response_format])


async def _audio(live: LiveRequest, stream: AudioStream) -> AsyncIterator[bytes]:
    async for part in live.events():
        # Other requests go on while it is encoded.
        if isinstance(part, AudioChunk) and (encoded := await asyncio.to_thread(stream.add, part.samples)):
            yield encoded
    yield stream.end()


async def _events(live: LiveRequest, stream: AudioStream) -> AsyncIterator[bytes]:
    async for part in live.events(silence=KEEP_ALIVE_SECONDS):
        match part:
            case None:
                yield comment("keep-alive")
            case AudioChunk():
                for delta in _deltas(await asyncio.to_thread(stream.add, part.samples)):
                    yield event(delta)
            case Finished():
                for delta in _deltas(stream.end()):
                    yield event(delta)
                yield event(SpeechDone(type="speech.audio.done", usage=SpeechUsage.of(part.usage)))


def _deltas(encoded: bytes) -> Iterator[BaseModel]:
    if encoded:
        yield SpeechDelta(type="speech.audio.delta", audio=base64.b64encode(encoded).decode())
