"""How much, how slowly and how often a client may send."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ominix_core.server.error_codes import ErrorCode
from ominix_core.server.errors import ApiError, error_response

BODY_SECONDS = 20.0
SLOWEST_BYTES_PER_SECOND = 16 * 1024
"""A body may take BODY_SECONDS and as long as it needs at this rate."""
BRINGING_FILES = "multipart/form-data"


class BodyLimit:
    """ASGI middleware: a body that is too large (413) or comes too slowly (408) is not read to its end.

    Args:
        max_bytes: Of a body that is read in one go.
        max_upload_bytes: Of a body that brings files.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, max_upload_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._max_upload_bytes = max_upload_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        headers = Headers(scope=scope)
        brings_files = headers.get("content-type", "").startswith(BRINGING_FILES)
        most = self._max_upload_bytes if brings_files else self._max_bytes
        declared = headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > most:
            return await error_response(_too_large(most), scope["path"])(scope, receive, send)
        return await self._app(scope, self._measured(receive, most), send)

    def _measured(self, receive: Receive, most: int) -> Receive:
        started = time.monotonic()
        received = 0
        complete = False

        async def measured() -> Message:
            nonlocal received, complete
            if complete:
                return await receive()
            left = started + BODY_SECONDS + received / SLOWEST_BYTES_PER_SECOND - time.monotonic()
            try:
                async with asyncio.timeout(left):
                    message = await receive()
            except TimeoutError as error:
                raise ApiError(ErrorCode.BODY_TIMEOUT, "The request's body came too slowly.") from error
            received += len(message.get("body", b""))
            if received > most:
                raise _too_large(most)
            complete = not message.get("more_body", False)
            return message

        return measured


def _too_large(most: int) -> ApiError:
    return ApiError(ErrorCode.BODY_TOO_LARGE, f"The request's body is larger than {most:,} bytes.")


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled: float


class RateLimit:
    """ASGI middleware: a bucket of one minute's requests for each API key, refilled steadily."""

    def __init__(self, app: ASGIApp, per_minute: int) -> None:
        self._app = app
        self._per_minute = per_minute
        self._buckets: dict[str, _Bucket] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = scope.get("state", {}).get("key")
        if key is not None:
            wait = math.ceil(self._take(key.id))
            if wait > 0:
                headers = {"retry-after": str(wait)}
                message = f"This API key may make {self._per_minute} requests a minute. Try again in {wait} s."
                refusal = ApiError(ErrorCode.RATE_LIMIT_EXCEEDED, message, headers=headers)
                return await error_response(refusal, scope["path"])(scope, receive, send)
        return await self._app(scope, receive, send)

    def _take(self, key_id: str) -> float:
        """Take one request out of the bucket; returns the seconds until there is one."""
        now = time.monotonic()
        bucket = self._buckets.setdefault(key_id, _Bucket(self._per_minute, now))
        per_second = self._per_minute / 60
        bucket.tokens = min(self._per_minute, bucket.tokens + (now - bucket.filled) * per_second)
        bucket.filled = now
        if bucket.tokens < 1:
            return (1 - bucket.tokens) / per_second
        bucket.tokens -= 1
        return 0.0
