"""The files of the models on this machine: what they take, whether they are sound, and their removal."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import Future
from dataclasses import asdict
from typing import Any, Literal

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from ominix_core.errors import OminixError
from ominix_core.hub import Hub
from ominix_core.server.auth import may_manage
from ominix_core.server.dependencies import TheHub, named
from ominix_core.server.pump import Pump
from ominix_core.server.schemas.base import ApiObject
from ominix_core.server.schemas.downloads import Download
from ominix_core.server.sse import EventStream
from ominix_core.states import Downloading

router = APIRouter(tags=["models"])

_MANAGE = [Depends(may_manage)]


class ModelUsage(ApiObject):
    """What one model takes on disk."""

    id: str
    bytes: int
    is_complete: bool


class UsageList(ApiObject):
    """The largest first."""

    object: Literal["list"] = "list"
    data: list[ModelUsage]


class DeletedModel(ApiObject):
    """A model's files are gone."""

    id: str
    object: Literal["model"] = "model"
    deleted: Literal[True] = True
    freed_bytes: int


class FileFault(ApiObject):
    """A file that is not as it should be."""

    path: str
    reason: str


class Checked(ApiObject):
    """The result of a check; the files that are `unverified` have no checksum, so that only their size was compared."""

    checked: int
    unverified: int
    faults: list[FileFault]


_CHECK: dict[int | str, dict[str, Any]] = {
    200: {"model": Checked, "content": {"text/event-stream": {}}, "description": "Progress, then the result"}
}


@router.get("/v1/disk")
async def disk_usage(hub: TheHub) -> UsageList:
    """What each model that Ominix downloaded takes on disk."""
    usage = await asyncio.to_thread(hub.disk_usage)
    return UsageList(
        data=[ModelUsage(id=each.model_id, bytes=each.bytes, is_complete=each.is_complete) for each in usage]
    )


@router.delete("/v1/models/{model:path}", dependencies=_MANAGE)
async def delete_model(model: str, hub: TheHub) -> DeletedModel:
    """Free a model's memory and delete its files."""
    entry = await named(hub, model)
    return DeletedModel(id=entry.id, freed_bytes=await asyncio.to_thread(hub.remove, entry.id))


@router.post("/v1/models/{model:path}/verify", dependencies=_MANAGE, response_class=Response, responses=_CHECK)
async def verify_model(model: str, request: Request, hub: TheHub) -> EventStream:
    """Compare every file of a model with its checksum. Progress comes as events like a download's, then the result."""
    check = _Check(hub, (await named(hub, model)).id)
    return EventStream(request, check.events(), check.stop)


class _Check:
    """A check on a thread of its own: it takes as long as reading the files does."""

    def __init__(self, hub: Hub, model_id: str) -> None:
        self._hub = hub
        self._model_id = model_id
        self._pump: Pump[Downloading, Checked] = Pump()
        self._stopped = threading.Event()
        threading.Thread(target=self._run, name=f"verify {model_id}", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()

    def events(self) -> AsyncIterator[bytes]:
        return self._pump.events(lambda progress: Download.of(self._model_id, progress, None), lambda found: found)

    def _run(self) -> None:
        outcome: Future[Checked] = Future()
        outcome.add_done_callback(self._pump.put)
        try:
            outcome.set_result(Checked(**asdict(self._hub.verify(self._model_id, self._report))))
        except Exception as error:
            outcome.set_exception(error)

    def _report(self, progress: Downloading) -> None:
        if self._stopped.is_set():
            raise OminixError("The client went away.")
        self._pump.put(progress)
