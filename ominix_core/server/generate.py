"""`POST /v1/models/{model}/generate`: Ominix's own types, for what OpenAI's shapes cannot carry."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from ominix_core import wire
from ominix_core.generation import Finished, GenerationEvent
from ominix_core.server.dependencies import TheHub, TheLiveRequests, named
from ominix_core.server.error_codes import ErrorCode
from ominix_core.server.errors import ApiError
from ominix_core.server.forms import is_form, only_file, received_form
from ominix_core.server.live import LiveRequest
from ominix_core.server.sse import KEEP_ALIVE_SECONDS, EventStream, comment
from ominix_core.server.struct_schema import schema_of
from ominix_core.server.uploads import Uploads

router = APIRouter(tags=["models"])

T = TypeVar("T")

_decode_json = msgspec.json.Decoder(wire.Asked).decode
_decode_messagepack = msgspec.msgpack.Decoder(wire.Asked).decode

_FORM: dict[str, Any] = {
    "type": "object",
    "properties": {
        "request": {"type": "string", "description": "As JSON; in place of a path the file's name"},
        "file": {"type": "string", "format": "binary"},
    },
    "required": ["request", "file"],
}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": schema_of(wire.Asked)},
            wire.MESSAGEPACK: {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {"schema": _FORM},
        },
    }
}
_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"text/event-stream": {}},
        "description": "The answer's events, each an object with a `type`; the last one is `finished`, or an error",
        "headers": {wire.REQUEST_ID: {"description": "Its id, to cancel it by", "schema": {"type": "string"}}},
    }
}


@router.post("/v1/models/{model:path}/generate", response_class=Response, responses=_ANSWER, openapi_extra=_BODY)
async def generate(model: str, request: Request, hub: TheHub, live_requests: TheLiveRequests) -> EventStream:
    """Ask a loaded model in Ominix's own terms: text, embeddings, speech and images alike, with every option."""
    entry = await named(hub, model)
    uploads = await _received(request)
    try:
        live = await live_requests.start(request, "gen-", entry, uploads.request)
    except BaseException:
        uploads.delete()
        raise

    def close() -> None:
        live.close()
        uploads.delete()

    stream = EventStream(request, _events(live), close)
    stream.headers[wire.REQUEST_ID] = live.id
    return stream


async def _received(request: Request) -> Uploads:
    """What was asked for, its file on disk; nothing keeps the body, which may be large, longer than that takes."""
    if not is_form(request):
        content_type = request.headers.get("content-type", "")
        decode = _decode_messagepack if content_type.startswith(wire.MESSAGEPACK) else _decode_json
        body = bytearray()
        async for part in request.stream():
            body += part
        return Uploads((await asyncio.to_thread(_decoded, decode, body)).request, None)
    form = await received_form(request)
    try:
        asked = form.get("request")
        if not isinstance(asked, str):
            raise ApiError(ErrorCode.MISSING_REQUIRED_PARAMETER, "'request' is required, as JSON.", param="request")
        decoded = _decoded(wire.decode_request, asked.encode(), "request")
        return await asyncio.to_thread(Uploads, decoded, only_file(form, "file"))
    finally:
        await form.close()


def _decoded(decode: Callable[[bytes | bytearray], T], body: bytes | bytearray, root: str = "") -> T:
    try:
        return decode(body)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `$")
        param = (root + place).strip(".`") or None
        subject = f"'{param}': " if param else ""
        raise ApiError(ErrorCode.INVALID_VALUE, f"{subject}{reason}.", param=param) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ApiError(ErrorCode.INVALID_BODY, f"The body cannot be read: {error}.") from error


async def _events(live: LiveRequest) -> AsyncIterator[bytes]:
    try:
        async for item in live.events(silence=KEEP_ALIVE_SECONDS):
            yield comment("keep-alive") if item is None else _data(item)
    except ApiError as error:
        if error.code != "cancelled" or not isinstance(live.last, Finished):
            raise
        yield _data(live.last)


def _data(item: GenerationEvent) -> bytes:
    return b"data: " + wire.encode(item) + b"\n\n"
