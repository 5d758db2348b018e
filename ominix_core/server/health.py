"""Whether the server is alive, and whether it takes work."""

from __future__ import annotations

from fastapi import APIRouter

from ominix_core.server.dependencies import TheHub, TheLiveRequests
from ominix_core.server.errors import ApiError
from ominix_core.states import Loaded

router = APIRouter(prefix="/health", tags=["health"])


@router.get("/live")
async def live() -> dict[str, str]:
    """Answers while the process runs, however busy it is."""
    return {"status": "ok"}


@router.get("/ready")
async def ready(hub: TheHub, live_requests: TheLiveRequests) -> dict[str, str | list[str]]:
    """Whether requests are taken, and which models would answer them."""
    if live_requests.stopping:
        raise ApiError(503, "The server is stopping.", code="server_stopping")
    loaded = [entry.id for entry in hub.registry.entries if isinstance(hub.state(entry.id), Loaded)]
    return {"status": "ready", "loaded": loaded}
