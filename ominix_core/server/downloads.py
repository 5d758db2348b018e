"""Downloads: list, start, pause, cancel, and their progress."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from concurrent.futures import Future
from typing import Any, Literal

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from ominix_core.events import HubEvent, ModelStateChanged
from ominix_core.hub import Hub
from ominix_core.registry.entry import RegistryEntry
from ominix_core.server.auth import may_manage
from ominix_core.server.dependencies import TheHub, named, takes_work
from ominix_core.server.error_codes import ErrorCode
from ominix_core.server.errors import ApiError
from ominix_core.server.schemas.downloads import Download, DownloadList
from ominix_core.server.sse import KEEP_ALIVE_SECONDS, EventStream, comment, event
from ominix_core.states import Downloading, Error, Paused

router = APIRouter(prefix="/v1/downloads", tags=["downloads"])

_MANAGE = [Depends(may_manage)]
_PROGRESS: dict[int | str, dict[str, Any]] = {
    200: {"model": Download, "content": {"text/event-stream": {}}, "description": "Progress"}
}


@router.get("")
async def list_downloads(hub: TheHub) -> DownloadList:
    """What is being downloaded, waits or is paused, in the queue's order; then what other programs download."""
    ids = [item.model_id for item in hub.download_queue()]
    ids += [entry.id for entry in hub.registry.entries if entry.id not in ids and _is_unfinished(hub, entry)]
    return DownloadList(data=[_download(hub, model_id) for model_id in ids])


@router.get("/{model:path}/progress", response_class=Response, responses=_PROGRESS)
async def follow_download(model: str, request: Request, hub: TheHub) -> EventStream:
    """Server-sent events about a download, until it ends or is paused."""
    return _followed(request, hub, await named(hub, model))


@router.post(
    "/{model:path}/start",
    dependencies=[*_MANAGE, Depends(takes_work)],
    response_class=Response,
    responses=_PROGRESS,
)
async def start_download(model: str, request: Request, hub: TheHub, to_the_end: bool = False) -> EventStream:
    """Get a model, or go on with it. Progress comes as events; the download goes on if the client leaves.

    The events end with a pause, unless they are wanted to the end of the download.
    """
    entry = await named(hub, model)
    ended = await asyncio.to_thread(hub.download, entry.id)
    return _followed(request, hub, entry, ended if to_the_end else None)


@router.post(
    "/{model:path}/repair",
    dependencies=[*_MANAGE, Depends(takes_work)],
    response_class=Response,
    responses=_PROGRESS,
)
async def repair_download(model: str, request: Request, hub: TheHub, to_the_end: bool = False) -> EventStream:
    """Check every file of a model and fetch again what is missing or damaged; the rest is as of `start`."""
    entry = await named(hub, model)
    ended = await asyncio.to_thread(hub.repair, entry.id)
    return _followed(request, hub, entry, ended if to_the_end else None)


@router.post("/{model:path}/pause", dependencies=_MANAGE)
async def pause_download(model: str, hub: TheHub) -> Download:
    """Stop a download within moments, keeping its place and its bytes."""
    entry = await _in_queue(hub, model)
    await asyncio.to_thread(hub.pause_download, entry.id)
    return _download(hub, entry.id)


@router.post("/{model:path}/cancel", dependencies=_MANAGE)
async def cancel_download(model: str, hub: TheHub, discard: bool = False) -> Download:
    """Take a download out of the queue within moments. Its bytes are kept unless they are to be discarded."""
    entry = await _in_queue(hub, model)
    await asyncio.to_thread(hub.cancel_download, entry.id, discard)
    return _download(hub, entry.id)


@router.post("/{model:path}/move", dependencies=_MANAGE)
async def move_download(model: str, hub: TheHub, step: Literal[-1, 1]) -> Download:
    """Let a download change places in the queue with the one before it (-1) or after it (1)."""
    entry = await _in_queue(hub, model)
    await asyncio.to_thread(hub.move_download, entry.id, step)
    return _download(hub, entry.id)


def _followed(request: Request, hub: Hub, entry: RegistryEntry, ended: Future[None] | None = None) -> EventStream:
    follower = _Follower(hub, entry, ended)
    return EventStream(request, follower.events(), follower.close)


class _Follower:
    """A download, watched from the event loop: until `ended`, or without it until it pauses."""

    def __init__(self, hub: Hub, entry: RegistryEntry, ended: Future[None] | None) -> None:
        self._hub = hub
        self._entry = entry
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self.close = hub.subscribe(self._on_event)
        if ended is not None:
            ended.add_done_callback(lambda _: self._wake())

    def _on_event(self, change: HubEvent) -> None:
        if isinstance(change, ModelStateChanged) and change.model_id == self._entry.id:
            self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop may be closed before the download ends
            self._loop.call_soon_threadsafe(self._changed.set)

    async def events(self) -> AsyncIterator[bytes]:
        """The state as it is whenever the client is ready for it; those in between are passed over."""
        while True:
            self._changed.clear()
            over = self._is_over()
            yield event(_download(self._hub, self._entry.id).model_dump())
            if over:
                return
            while not await self._change():
                yield comment("keep-alive")

    def _is_over(self) -> bool:
        """Raises what the download failed with."""
        if self._ended is not None:
            if self._ended.done():
                self._ended.result()
            return self._ended.done()
        state = self._hub.state(self._entry.id)
        if isinstance(state, Error):
            raise ApiError(ErrorCode.DOWNLOAD_FAILED, state.message)
        return _download(self._hub, self._entry.id).status not in ("waiting", "running")

    async def _change(self) -> bool:
        try:
            async with asyncio.timeout(KEEP_ALIVE_SECONDS):
                return await self._changed.wait()
        except TimeoutError:
            return False


def _is_unfinished(hub: Hub, entry: RegistryEntry) -> bool:
    return isinstance(hub.state(entry.id), Downloading | Paused)


async def _in_queue(hub: Hub, model: str) -> RegistryEntry:
    entry = await named(hub, model)
    if entry.id not in {item.model_id for item in hub.download_queue()}:
        message = f"{entry.name} is not among this server's downloads. GET /v1/downloads lists them."
        raise ApiError(ErrorCode.DOWNLOAD_NOT_FOUND, message, param="model")
    return entry


def _download(hub: Hub, model_id: str) -> Download:
    stages = {item.model_id: str(item.stage) for item in hub.download_queue()}
    return Download.of(model_id, hub.state(model_id), stages.get(model_id))
