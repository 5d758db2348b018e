"""`GET /v1/events`: everything that happens in the hub, for programs that show it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from ominix_core import wire
from ominix_core.event_buffer import EventBuffer
from ominix_core.events import HubEvent, ModelActivity, ModelStateChanged, RegistryChanged
from ominix_core.hub import Hub
from ominix_core.server.auth import check_key
from ominix_core.server.dependencies import TheHub, TheLiveRequests
from ominix_core.server.errors import without_paths
from ominix_core.server.live_requests import LiveRequests
from ominix_core.server.sse import EventStream
from ominix_core.states import Error, Loaded, ModelState, Unsupported

router = APIRouter(tags=["operations"])

FRAME_SECONDS = 0.1
"""A model is told of this often at most; what comes between is passed over but for the newest."""

_FRAMES: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"text/event-stream": {}},
        "description": "Frames: first a `snapshot`, then `model`, `activity`, `registry`, `queue` and `system`",
    }
}


@router.get("/v1/events", response_class=Response, responses=_FRAMES)
async def follow_events(request: Request, hub: TheHub, live_requests: TheLiveRequests) -> EventStream:
    """Server-sent events about every model, the queue of downloads and the machine, without end."""
    live_requests.check_open()
    feed = _Feed(hub, live_requests, request)
    return EventStream(request, feed.frames(), feed.close)


class _Feed:
    """What one program has not been told yet; bounded, because the newest event takes the place of an older one."""

    def __init__(self, hub: Hub, live_requests: LiveRequests, request: Request) -> None:
        self._hub = hub
        self._live_requests = live_requests
        self._request = request
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._buffer = EventBuffer(self._wake)
        self._queue: tuple[wire.Place, ...] = ()
        self._told_system = 0.0
        self.close = hub.subscribe(self._buffer.put)

    def _wake(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop may be closed before the hub is
            self._loop.call_soon_threadsafe(self._changed.set)

    async def frames(self) -> AsyncIterator[bytes]:
        """Frames as they are due, without end. Raises ApiError when the server stops, or the key is revoked."""
        yield await asyncio.to_thread(self._snapshot)
        while True:
            self._live_requests.check_open()
            check_key(self._request)
            await self._wait()
            if frames := await asyncio.to_thread(self._due):
                yield frames
            await asyncio.sleep(FRAME_SECONDS)

    async def _wait(self) -> None:
        """Until there is an event, or half a second for what nobody tells."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await self._changed.wait()
        self._changed.clear()

    def _snapshot(self) -> bytes:
        self._hub.look()  # what was written just before this program began to follow belongs to it
        self._buffer.take()
        models = {entry.id: self._report(entry.id, self._hub.state(entry.id)) for entry in self._hub.registry.entries}
        self._queue, self._told_system = self._places(), time.monotonic()
        return _data(wire.Snapshot(models, self._queue, self._hub.system()))

    def _due(self) -> bytes:
        frames = [self._frame(event) for event in self._buffer.take()]
        if (queue := self._places()) != self._queue:
            self._queue = queue
            frames.append(wire.QueueFrame(queue))
        if time.monotonic() - self._told_system >= wire.SYSTEM_SECONDS:
            self._told_system = time.monotonic()
            frames.append(wire.SystemFrame(self._hub.system()))
        return b"".join(_data(frame) for frame in frames if frame is not None)

    def _frame(self, event: HubEvent) -> wire.Frame | None:
        match event:
            case ModelStateChanged():
                return wire.ModelFrame(event.model_id, self._report(event.model_id, event.state))
            case ModelActivity():
                return wire.ActivityFrame(event)
            case RegistryChanged():
                told = tuple(without_paths(problem, self._request.app) for problem in event.problems)
                return wire.RegistryFrame(replace(event, problems=told))
        return None

    def _report(self, model_id: str, state: ModelState) -> wire.ModelReport:
        hub, downloaded, abilities = self._hub, isinstance(state, wire.ON_DISK), None
        if isinstance(state, Error):
            state = Error(without_paths(state.message, self._request.app))
        if hub.registry.get(model_id) is not None:  # it may just have left the registry
            if isinstance(state, Error | Unsupported):
                downloaded = hub.downloaded(model_id)
            elif isinstance(state, Loaded):
                abilities = hub.abilities(model_id)
        return wire.ModelReport.of(state, downloaded, abilities)

    def _places(self) -> tuple[wire.Place, ...]:
        return tuple(wire.Place(item.model_id, item.stage) for item in self._hub.download_queue())


def _data(frame: wire.Frame) -> bytes:
    return b"data: " + wire.encode(frame) + b"\n\n"
