"""Whether the server is alive, and whether it takes work."""

from __future__ import annotations

from fastapi import APIRouter

from ominix_core.server.dependencies import TheHub, TheLiveRequests
from ominix_core.server.error_codes import ErrorCode
from ominix_core.server.errors import ApiError

router = APIRouter(prefix="/health", tags=["health"])


@router.get("/live")
async def live() -> dict[str, str]:
    """Answers while the process runs, however busy it is."""
    return {"status": "ok"}


@router.get("/ready")
async def ready(hub: TheHub, live_requests: TheLiveRequests) -> dict[str, str]:
    """Whether requests are taken, and every model that is loaded can answer them."""
    live_requests.check_open()
    if hub.stalled():
        raise ApiError(ErrorCode.MODEL_STALLED, "A model's worker hangs or has died.")
    return {"status": "ready"}
