"""What routes are given."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from ominix_core.hub import Hub
from ominix_core.server.live import LiveRequests


async def _hub(request: Request) -> Hub:
    hub: Hub = request.app.state.hub
    return hub


async def _live_requests(request: Request) -> LiveRequests:
    live: LiveRequests = request.app.state.live
    return live


TheHub = Annotated[Hub, Depends(_hub)]
TheLiveRequests = Annotated[LiveRequests, Depends(_live_requests)]
