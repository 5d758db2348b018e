"""Server-sent events: how they are written, and a response that ends well whatever happens on the way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from fastapi import Request
from pydantic import BaseModel
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from ominix_core.server.errors import public_error, speaks_anthropic

DONE = b"data: [DONE]\n\n"
KEEP_ALIVE_SECONDS = 10.0


MAY_STREAM: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {}}}}
"""For the documentation of routes that answer whole or streamed."""


def event(data: BaseModel | dict[str, Any], name: str | None = None) -> bytes:
    """One event. Of a pydantic model only the fields that were set are sent."""
    text = data.model_dump_json(exclude_unset=True) if isinstance(data, BaseModel) else json.dumps(data)
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {text}\n\n".encode()


def comment(text: str) -> bytes:
    """What clients pass over, but connections are kept open by."""
    return f": {text}\n\n".encode()


def json_response(body: BaseModel) -> Response:
    """A whole answer; like in an event, only the fields that were set are sent."""
    return Response(body.model_dump_json(exclude_unset=True), media_type="application/json")


class ClosingStream(StreamingResponse):
    """Sends `parts` as they come.

    `close` is called once when the response is over: complete, failed, or left by the client, even before its start.
    """

    def __init__(self, parts: AsyncIterator[bytes], close: Callable[[], None], media_type: str) -> None:
        self._close = close
        headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
        super().__init__(parts, media_type=media_type, headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._close()


class EventStream(ClosingStream):
    """Sends `events` as they come; a failure on the way becomes a last event with the error."""

    def __init__(self, request: Request, events: AsyncIterator[bytes], close: Callable[[], None]) -> None:
        super().__init__(_telling_failures(request, events), close, "text/event-stream")


async def _telling_failures(request: Request, events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    try:
        async for item in events:
            yield item
            # A write does not wait: without this a backlog would hold up everybody, and go on after its client left.
            await asyncio.sleep(0)
    except Exception as error:
        failure = public_error(error, request.app)
        # Anthropic's client passes over what has no name, and an answer would seem complete.
        yield event(failure.anthropic_body(), "error") if speaks_anthropic(request.url.path) else event(failure.body())
