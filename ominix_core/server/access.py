"""An id for every request, and a line about it in the server's log."""

from __future__ import annotations

import contextlib
import json
import logging
import logging.handlers
import queue
import time
import uuid
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ominix_core.server.metrics import Metrics

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
"""Those that are counted by their names: a client can send any word, and each would be kept for ever."""

LOG_BYTES = 10_000_000
LOG_FILES = 5

request_id: ContextVar[str] = ContextVar("request_id", default="-")
"""The id of the HTTP request that the current task answers; clients get it as `x-request-id`."""

# Not one of `logging.getLogger`: whoever configures logging in this process would switch that one off.
_access = logging.Logger(f"{__name__}.lines", logging.INFO)


class AccessLog:
    """ASGI middleware, the outermost: names, measures and logs each request."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        identity = f"req_{uuid.uuid4().hex}"
        request_id.set(identity)
        started = time.monotonic()
        status = 499  # the client left before there was an answer

        async def named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["x-request-id"] = identity
            await send(message)

        try:
            await self._app(scope, receive, named)
        except Exception:
            status = 500  # an answer that had begun breaks off
            raise
        finally:
            seconds = time.monotonic() - started
            route = getattr(scope.get("route"), "path", "none")
            method = scope["method"] if scope["method"] in METHODS else "other"
            self._metrics.http(method, route, status, seconds)
            _access.info("", extra={"fields": _line(scope, identity, status, seconds)})


def _line(scope: Scope, identity: str, status: int, seconds: float) -> dict[str, Any]:
    key = scope.get("state", {}).get("key")
    return {
        "request_id": identity,
        "client": scope["client"][0] if scope.get("client") else None,
        "key": None if key is None else key.id,
        "method": scope["method"],
        "path": scope["path"],
        "status": status,
        "seconds": round(seconds, 4),
    }


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = record.fields  # type: ignore[attr-defined]
        return json.dumps({"time": round(record.created, 3), **fields})


@contextlib.contextmanager
def access_log_in(path: Path) -> Iterator[None]:
    """Write a JSON line for each request to `path`, in the background, while the block runs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = logging.handlers.RotatingFileHandler(path, maxBytes=LOG_BYTES, backupCount=LOG_FILES, encoding="utf-8")
    file.setFormatter(_JsonLines())
    lines: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    handler = _Handover(lines)
    listener = logging.handlers.QueueListener(lines, file)
    listener.start()
    _access.addHandler(handler)
    try:
        yield
    finally:
        _access.removeHandler(handler)
        listener.stop()
        file.close()


class _Handover(logging.handlers.QueueHandler):
    """Hands records over as they are, because the file's formatter reads their fields."""

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return record
