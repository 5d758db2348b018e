"""What routes are given."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import Depends, Request

from ominix_core.errors import UnknownModelError
from ominix_core.hub import Hub
from ominix_core.registry.entry import RegistryEntry
from ominix_core.server.error_codes import ErrorCode
from ominix_core.server.errors import ApiError
from ominix_core.server.live_requests import LiveRequests
from ominix_core.server.made_images import MadeImages
from ominix_core.server.response_store import ResponseStore


async def _hub(request: Request) -> Hub:
    hub: Hub = request.app.state.hub
    return hub


async def _live_requests(request: Request) -> LiveRequests:
    live: LiveRequests = request.app.state.live
    return live


async def _response_store(request: Request) -> ResponseStore:
    store: ResponseStore = request.app.state.responses
    return store


async def _made_images(request: Request) -> MadeImages:
    images: MadeImages = request.app.state.made_images
    return images


async def takes_work(live_requests: Annotated[LiveRequests, Depends(_live_requests)]) -> None:
    """Refuse to begin what a server that is going down cannot end."""
    live_requests.check_open()


def refuses(*names: str) -> Any:
    """A route's dependency: these query parameters, which OpenAI has, ask for what is not here."""

    async def refuse(request: Request) -> None:
        for name in names:
            for spelling in (name, f"{name}[]"):
                if request.query_params.get(spelling, "").lower() not in ("", "false"):
                    raise ApiError(ErrorCode.UNSUPPORTED_PARAMETER, f"'{name}' is not supported here.", param=name)

    return Depends(refuse)


async def named(hub: Hub, name: str) -> RegistryEntry:
    """The entry called `name`, also one that has just been added by another program. Raises UnknownModelError."""
    try:
        return hub.resolve(name)
    except UnknownModelError:
        await asyncio.to_thread(hub.look)
        return hub.resolve(name)


TheHub = Annotated[Hub, Depends(_hub)]
TheLiveRequests = Annotated[LiveRequests, Depends(_live_requests)]
TheMadeImages = Annotated[MadeImages, Depends(_made_images)]
TheResponseStore = Annotated[ResponseStore, Depends(_response_store)]
