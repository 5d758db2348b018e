"""The machine that the models run on."""

from __future__ import annotations

import asyncio
import platform
import time

from fastapi import APIRouter, Request

import ominix_core
from ominix_core.memory import Machine, read_machine
from ominix_core.server.dependencies import TheHub, TheLiveRequests
from ominix_core.server.schemas.base import ApiObject
from ominix_core.states import Loaded

router = APIRouter(tags=["operations"])


class MachineMemory(ApiObject):
    """Bytes; `gpu_limit` is the most that the GPU may use, null where there is no such limit."""

    total: int
    available: int
    gpu_limit: int | None


class LoadedModel(ApiObject):
    """A model in memory; `memory_bytes` is what it held after its load."""

    id: str
    memory_bytes: int
    requests: int


class System(ApiObject):
    """The server and its machine, now."""

    version: str
    platform: str
    processor: str
    uptime_seconds: int
    memory: MachineMemory
    models: list[LoadedModel]


@router.get("/v1/system")
async def get_system(request: Request, hub: TheHub, live_requests: TheLiveRequests) -> System:
    """Memory, and what is in it."""
    machine, name, processor = await asyncio.to_thread(_machine)
    states = ((entry.id, hub.state(entry.id)) for entry in hub.registry.entries)
    return System(
        version=ominix_core.__version__,
        platform=name,
        processor=processor,
        uptime_seconds=int(time.monotonic() - request.app.state.started),
        memory=MachineMemory(total=machine.total, available=machine.available, gpu_limit=machine.gpu_limit),
        models=[
            LoadedModel(id=model_id, memory_bytes=state.memory_bytes, requests=live_requests.count(model_id))
            for model_id, state in states
            if isinstance(state, Loaded)
        ],
    )


def _machine() -> tuple[Machine, str, str]:
    """Its memory, system and processor; where the last is asked first, Python starts a program for it."""
    return read_machine(), platform.platform(), platform.processor() or platform.machine()
