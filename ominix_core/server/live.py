"""The requests that are being answered, on the event loop: their events, their end, and how they are cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

from fastapi import FastAPI
from starlette.types import Receive

from ominix_core.errors import RequestError
from ominix_core.generation import Failed, Finished, GenerationEvent, TextDelta, TextRequest
from ominix_core.hub import Hub
from ominix_core.registry.entry import RegistryEntry
from ominix_core.server.errors import NO_RETRY, ApiError, public_error
from ominix_core.stream import Generation

T = TypeVar("T")

FIRST_EVENT_SECONDS = 2.0
"""A request that fails within this time is answered with the failure's HTTP status, even if it asked for a stream."""


class LiveRequest:
    """One generation and the client that waits for it. Must be closed, which cancels what still runs."""

    def __init__(self, request_id: str, entry: RegistryEntry, generation: Generation, app: FastAPI) -> None:
        self.id = request_id
        self.entry = entry
        self.created = int(time.time())
        self._generation = generation
        self._app = app
        self._held: list[GenerationEvent] = []
        self._ended = False
        self._cancelled_because = ApiError(409, "This request was cancelled.", code="cancelled", headers=NO_RETRY)
        self._arrived = asyncio.Event()
        loop = asyncio.get_running_loop()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the loop may be closed before the worker's last event
                loop.call_soon_threadsafe(self._arrived.set)

        generation.on_arrival(wake)

    async def started(self) -> None:
        """Wait a short while for the first event. Raises ApiError if it is a failure."""
        self._held = await self._next(FIRST_EVENT_SECONDS)
        if self._held and isinstance(self._held[0], Failed):
            raise self._failure(self._held[0])

    async def parts(self, silence: float | None = None) -> AsyncIterator[str | Finished | None]:
        """The answer's text as it comes, then Finished; None after each `silence` seconds without any.

        Raises ApiError if the request fails or is cancelled.
        """
        while True:
            events = await self._next(silence)
            if not events:
                yield None
            for event in events:
                match event:
                    case TextDelta():
                        yield event.text
                    case Finished(reason="cancelled"):
                        raise self._cancelled_because
                    case Finished():
                        yield event
                        return
                    case Failed():
                        raise self._failure(event)

    async def whole(self) -> tuple[str, Finished]:
        """The complete answer. Raises ApiError if the request fails or is cancelled."""
        text: list[str] = []
        async for part in self.parts():
            if isinstance(part, Finished):
                return "".join(text), part
            text.append(part or "")
        raise AssertionError("an answer ends with Finished or an error")

    def cancel(self, because: ApiError | None = None) -> None:
        """Stop the generation; its client is told why."""
        if because is not None:
            self._cancelled_because = because
        if not self._ended:
            self._generation.cancel()

    async def _next(self, timeout: float | None) -> list[GenerationEvent]:
        """What has arrived; waits for it, at most `timeout` seconds."""
        events, self._held = self._held, []
        try:
            async with asyncio.timeout(timeout):
                while not events:
                    self._arrived.clear()
                    events = self._generation.drain()
                    if not events:
                        await self._arrived.wait()
        except TimeoutError:
            return []
        self._ended = isinstance(events[-1], Finished | Failed)
        return events

    def _failure(self, failed: Failed) -> ApiError:
        return public_error(RequestError(failed.message, failed.code), self._app)


class LiveRequests:
    """Every live request of the server, by id."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._by_id: dict[str, LiveRequest] = {}
        self._stopping: ApiError | None = None

    async def start(self, prefix: str, hub: Hub, entry: RegistryEntry, request: TextRequest) -> LiveRequest:
        """Hand `request` to the model. Raises OminixError or, while the server stops, ApiError."""
        if self._stopping is not None:
            raise self._stopping
        generation = await asyncio.to_thread(hub.generate, entry.id, request)
        live = LiveRequest(f"{prefix}-{uuid.uuid4().hex}", entry, generation, self._app)
        self._by_id[live.id] = live
        return live

    def close(self, live: LiveRequest) -> None:
        """Forget a request, and cancel it if it still runs."""
        del self._by_id[live.id]
        live.cancel()

    def stop(self) -> None:
        """Refuse new requests and cancel the running ones: the server is going down."""
        self._stopping = ApiError(503, "The server is stopping.", code="server_stopping", headers=NO_RETRY)
        for live in list(self._by_id.values()):
            live.cancel(self._stopping)

    @property
    def stopping(self) -> bool:
        return self._stopping is not None


async def while_connected(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is cancelled when the client goes away. Raises ApiError then."""

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    working, watching = asyncio.create_task(work), asyncio.create_task(gone())
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ApiError(499, "The client went away.", code="client_gone")
        return working.result()
    finally:
        working.cancel()
        watching.cancel()
        await asyncio.wait({working, watching})
