"""Whether the server is alive, and whether it takes work."""

from __future__ import annotations

from fastapi import APIRouter

from ominix_core.server.dependencies import TheLiveRequests

router = APIRouter(prefix="/health", tags=["health"])


@router.get("/live")
async def live() -> dict[str, str]:
    """Answers while the process runs, however busy it is."""
    return {"status": "ok"}


@router.get("/ready")
async def ready(live_requests: TheLiveRequests) -> dict[str, str]:
    """Whether requests are taken."""
    live_requests.check_open()
    return {"status": "ready"}
