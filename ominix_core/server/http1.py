"""HTTP/1.1 as uvicorn speaks it, with a time limit on a request's head and our error shape for what is no HTTP."""

from __future__ import annotations

import asyncio
import contextlib

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from ominix_core.server.error_codes import ErrorCode
from ominix_core.server.errors import ApiError, error_response

LINGER_SECONDS = 1.0
HEAD_SECONDS = 10.0
"""How long a client may take from its connection, or the first byte of a further request, to the head's end."""


class GuardedH11Protocol(H11Protocol):
    """uvicorn itself waits for a request's head without end, so that idle senders could use up all connections."""

    _head_timer: asyncio.TimerHandle | None = None
    _refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_timer()
        elif self._head_timer is None:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        self._refuse(ApiError(ErrorCode.INVALID_HTTP, "This is not a valid HTTP request."))

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._head_is_late)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        self._refuse(ApiError(ErrorCode.HEAD_TIMEOUT, "The request's head came too slowly."))

    def _refuse(self, error: ApiError) -> None:
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        response = error_response(error)
        headers = [*response.raw_headers, (b"connection", b"close")]
        head = h11.Response(status_code=response.status_code, headers=headers)
        with contextlib.suppress(h11.LocalProtocolError):  # an answer is already under way
            for event in (head, h11.Data(data=bytes(response.body)), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        # Closing at once, with what the client still sends unread, would reset the connection under the answer.
        self.loop.call_later(LINGER_SECONDS, self.transport.close)
        if self.transport.can_write_eof():
            self.transport.write_eof()
