"""`POST /v1/audio/transcriptions` and `/v1/audio/translations`: speech to text, whole and streamed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request
from starlette.datastructures import UploadFile
from starlette.responses import PlainTextResponse, Response

from ominix_core.generation import Finished, GenerationEvent
from ominix_core.media import AudioProgress, TranscriptPartial, TranscriptSegment
from ominix_core.server.choice import TRANSCRIPTION, choose
from ominix_core.server.dependencies import TheHub, TheLiveRequests
from ominix_core.server.forms import Upload, form_description, read_form
from ominix_core.server.live import LiveRequest
from ominix_core.server.schemas import transcriptions as schema
from ominix_core.server.sse import DONE, KEEP_ALIVE_SECONDS, EventStream, comment, event, json_response
from ominix_core.transcript import Transcript, following, render

router = APIRouter(tags=["audio"])


_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "model": schema.PlainTranscription | schema.VerboseTranscription,
        "content": {"text/plain": {}, "text/event-stream": {}},
    }
}


@router.post(
    "/v1/audio/transcriptions",
    response_class=Response,
    responses=_ANSWERS,
    openapi_extra=form_description(schema.TranscriptionForm),
)
async def transcriptions(request: Request, hub: TheHub, live_requests: TheLiveRequests) -> Response:
    """Write down speech. With `stream` the text comes as server-sent events."""
    body, (file,) = await read_form(request, schema.TranscriptionForm)
    upload, live = await _start(body, file, request, hub, live_requests)
    if not body.stream:
        return await _whole(body, upload, live, request)

    def close() -> None:
        live.close()
        upload.delete()

    try:
        await live.started(request)
    except BaseException:
        upload.delete()
        raise
    return EventStream(request, _pieces(live), close)


@router.post(
    "/v1/audio/translations",
    response_class=Response,
    responses=_ANSWERS,
    openapi_extra=form_description(schema.TranslationForm),
)
async def translations(request: Request, hub: TheHub, live_requests: TheLiveRequests) -> Response:
    """Write down speech of any language in English."""
    body, (file,) = await read_form(request, schema.TranslationForm)
    upload, live = await _start(body, file, request, hub, live_requests)
    return await _whole(body, upload, live, request)


async def _start(
    body: schema.TranslationForm, file: UploadFile, request: Request, hub: TheHub, live_requests: TheLiveRequests
) -> tuple[Upload, LiveRequest]:
    try:
        entry = await choose(hub, body.model, TRANSCRIPTION)
        upload = await asyncio.to_thread(Upload, file)
    finally:
        await file.close()
    try:
        return upload, await live_requests.start(request, "transcription-", entry, body.to_hub(upload.path))
    except BaseException:
        upload.delete()
        raise


async def _whole(body: schema.TranslationForm, upload: Upload, live: LiveRequest, request: Request) -> Response:
    try:
        transcript = Transcript.of(await live.whole(request))
    finally:
        upload.delete()
    match body.response_format:
        case "json":
            return json_response(schema.PlainTranscription.of(transcript))
        case "verbose_json":
            return json_response(schema.VerboseTranscription.of(transcript, body))
        case "text":
            return PlainTextResponse(f"{transcript.text}\n")
        case form:
            return PlainTextResponse(render(transcript, form))


async def _pieces(live: LiveRequest) -> AsyncIterator[bytes]:
    text = _GrowingText()
    async for part in live.events(silence=KEEP_ALIVE_SECONDS):
        match part:
            case None:
                yield comment("keep-alive")
            case AudioProgress():
                yield comment(f"audio {part.done:.1f}/{part.total:.1f} s")
            case Finished():
                yield event(schema.TextDone(type="transcript.text.done", text=text.whole))
        if part is not None and (delta := text.grow(part)):
            yield event(schema.TextDelta(type="transcript.text.delta", delta=delta))
    yield DONE


class _GrowingText:
    """Tells what is new in a text whose last segment is still in work."""

    def __init__(self) -> None:
        self.whole = ""
        self._told = ""

    def grow(self, part: GenerationEvent) -> str:
        """What `part` adds; a segment that was told otherwise before cannot be taken back, and adds nothing."""
        if not isinstance(part, TranscriptPartial | TranscriptSegment):
            return ""
        now = self.whole + following(self.whole, part.text)
        delta = now.removeprefix(self._told) if now.startswith(self._told) else ""
        if isinstance(part, TranscriptSegment):
            self.whole = self._told = now
        elif delta:
            self._told = now
        return delta
