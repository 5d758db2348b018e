"""The requests that models are answering: list, and cancel."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request

from ominix_core.server.auth import key_of, manages
from ominix_core.server.dependencies import TheLiveRequests
from ominix_core.server.error_codes import ErrorCode
from ominix_core.server.errors import ApiError
from ominix_core.server.live import LiveRequest
from ominix_core.server.schemas.base import ApiObject

router = APIRouter(tags=["operations"])


class RunningRequest(ApiObject):
    """A request in work; its id is that of its answer."""

    id: str
    object: Literal["request"] = "request"
    created: int
    model: str


class RunningRequestList(ApiObject):
    """The requests that this key may see: its own, or every one if it may manage."""

    object: Literal["list"] = "list"
    data: list[RunningRequest]


class CancelledRequest(ApiObject):
    """A request was cancelled; whoever waited for it is told so."""

    id: str
    object: Literal["request"] = "request"
    cancelled: Literal[True] = True


@router.get("/v1/requests")
async def list_requests(request: Request, live_requests: TheLiveRequests) -> RunningRequestList:
    """What is being answered now, the oldest first."""
    visible = [live for live in live_requests.all() if _may_see(request, live)]
    return RunningRequestList(
        data=[RunningRequest(id=live.id, created=live.created, model=live.entry.id) for live in visible]
    )


@router.delete("/v1/requests/{request_id}")
async def cancel_request(request_id: str, request: Request, live_requests: TheLiveRequests) -> CancelledRequest:
    """Stop an answer that is in work."""
    live = live_requests.get(request_id)
    if live is None or not _may_see(request, live):
        raise ApiError(ErrorCode.REQUEST_NOT_FOUND, f"There is no request '{request_id}' in work.")
    live.cancel()
    return CancelledRequest(id=request_id)


def _may_see(request: Request, live: LiveRequest) -> bool:
    return manages(request) or live.owner == key_of(request)
