"""The models on this machine: list, load with progress, unload."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from ominix_core import wire
from ominix_core.events import HubEvent, ModelStateChanged
from ominix_core.hub import Hub
from ominix_core.memory import Verdict
from ominix_core.registry.entry import RegistryEntry
from ominix_core.server.auth import may_manage
from ominix_core.server.dependencies import TheHub, named, takes_work
from ominix_core.server.pump import Pump
from ominix_core.server.schemas.models import LoadProgress, Model, ModelList
from ominix_core.server.sse import EventStream
from ominix_core.states import Downloaded, Loaded, Loading

router = APIRouter(tags=["models"])


@router.get("/v1/models")
async def list_models(hub: TheHub) -> ModelList:
    """The models that are on this machine, loaded or not."""
    await asyncio.to_thread(hub.look)
    here = [entry for entry in hub.registry.entries if isinstance(hub.state(entry.id), Downloaded | Loading | Loaded)]
    return ModelList(data=[_model(hub, entry) for entry in here])


@router.get("/v1/models/{model:path}/verdict")
async def weigh_model(model: str, hub: TheHub) -> Verdict | None:
    """Whether a model would fit into memory now, with every number; null if the registry does not tell its size."""
    entry = await named(hub, model)
    return await asyncio.to_thread(hub.weigh, entry.id)


@router.get("/v1/models/{model:path}")
async def get_model(model: str, hub: TheHub) -> Model:
    """Any model of the registry, by id, API id or repository."""
    return _model(hub, await named(hub, model))


@router.post(
    "/v1/models/{model:path}/load",
    dependencies=[Depends(may_manage), Depends(takes_work)],
    response_class=Response,
    responses={200: {"model": LoadProgress, "content": {"text/event-stream": {}}, "description": "Progress"}},
)
async def load_model(model: str, request: Request, hub: TheHub, force: bool = False) -> EventStream:
    """Bring a model into memory; with `force` even if it is expected not to fit.

    Progress comes as server-sent events; the load goes on if the client leaves.
    """
    entry = await named(hub, model)
    pump: Pump[Loading, None] = Pump()

    def on_event(change: HubEvent) -> None:
        match change:
            case ModelStateChanged(model_id=entry.id, state=Loading() as state):
                pump.put(state)

    close = hub.subscribe(on_event)
    try:
        load = await asyncio.to_thread(hub.load, entry.id, force=force)
    except BaseException:
        close()
        raise
    load.add_done_callback(pump.put)
    return EventStream(request, pump.events(_step, _loaded), close)


@router.post("/v1/models/{model:path}/unload", dependencies=[Depends(may_manage)])
async def unload_model(model: str, hub: TheHub) -> Model:
    """Free a model's memory, or cancel its load; answers when the memory is free."""
    entry = await named(hub, model)
    await asyncio.to_thread(hub.unload, entry.id)
    return _model(hub, entry)


@router.post("/v1/models/{model:path}/pin", dependencies=[Depends(may_manage)])
async def pin_model(model: str, hub: TheHub, pinned: bool = True) -> Model:
    """Keep a loaded model in memory whatever else is loaded or idle, or no longer."""
    entry = await named(hub, model)
    await asyncio.to_thread(hub.pin, entry.id, pinned)
    return _model(hub, entry)


def _step(loading: Loading) -> LoadProgress:
    return LoadProgress(progress=round(loading.progress, 4), stage=loading.stage)


def _loaded(_: None) -> LoadProgress:
    return LoadProgress(progress=1.0, stage="loaded")


def _model(hub: Hub, entry: RegistryEntry) -> Model:
    state = hub.state(entry.id)
    return Model(
        id=entry.id,
        created=_arrival(hub, entry),
        owned_by=_owner(entry),
        name=entry.name,
        category=entry.category,
        status=wire.STATUS[type(state)],
        memory_gb=round(state.memory_bytes / 1e9, 3) if isinstance(state, Loaded) else None,
    )


def _arrival(hub: Hub, entry: RegistryEntry) -> int:
    try:
        return int(hub.home.model(entry.id).stat().st_mtime)
    except OSError:
        return 0


def _owner(entry: RegistryEntry) -> str:
    repository = getattr(entry.source, "repo", "")
    return repository.partition("/")[0] or "local"
