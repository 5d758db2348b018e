"""The ASGI app over one Hub."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

import ominix_core
from ominix_core.addresses import is_loopback
from ominix_core.hub import Hub
from ominix_core.server import (
    chat,
    completions,
    disk,
    docs,
    downloads,
    embeddings,
    events,
    generate,
    health,
    images,
    messages,
    metrics,
    models,
    registry,
    requests,
    responses,
    speech,
    system,
    transcriptions,
    voices,
)
from ominix_core.server.access import AccessLog
from ominix_core.server.auth import KeyGate
from ominix_core.server.errors import UnforeseenErrors, install_error_handlers
from ominix_core.server.introduction import INTRODUCTION
from ominix_core.server.keys import KeyStore, new_secret
from ominix_core.server.limits import BodyLimit, RateLimit
from ominix_core.server.live_requests import LiveRequests
from ominix_core.server.made_images import MadeImages
from ominix_core.server.metrics import Metrics
from ominix_core.server.origin import OriginGate
from ominix_core.server.response_store import ResponseStore
from ominix_core.server.schemas.base import ErrorBody
from ominix_core.settings import Settings

_RESOURCES = (
    *(chat, completions, responses, messages, embeddings),
    *(transcriptions, speech, voices, images),
    *(generate, disk, models, registry, downloads),
    *(events, requests, system, metrics, health, docs),
)


def create_app(hub: Hub, settings: Settings | None = None, local_secret: str | None = None) -> FastAPI:
    """Every route of the API. The caller keeps the Hub, and closes it after the app has served its last request.

    Args:
        settings: The hub's own, if not given.
        local_secret: A key for the user's own programs on this machine.
    """
    settings = settings or hub.settings
    measures = Metrics()

    @contextlib.asynccontextmanager
    async def measuring(app: FastAPI) -> AsyncIterator[None]:
        stop = measures.watch(hub)
        yield
        stop()

    app = FastAPI(
        title="Ominix",
        version=ominix_core.__version__,
        description=INTRODUCTION,
        openapi_url=None,  # this and the page are in `docs`
        redirect_slashes=False,
        lifespan=measuring,
        responses={
            "4XX": {"model": ErrorBody, "description": "What is wrong with the request"},
            "5XX": {"model": ErrorBody, "description": "Why it cannot be answered"},
        },
        middleware=_gates(hub, settings, measures, local_secret or new_secret()),
    )
    app.state.hub = hub
    app.state.started = time.monotonic()
    app.state.metrics = measures
    app.state.live = LiveRequests(app, hub, measures, settings.max_requests_per_model)
    app.state.responses = ResponseStore()
    app.state.made_images = MadeImages(hub.home.served_images)
    install_error_handlers(app)
    for resource in _RESOURCES:
        app.include_router(resource.router)
    return app


def _gates(hub: Hub, settings: Settings, measures: Metrics, local_secret: str) -> list[Middleware]:
    """What a request passes on its way in, outermost first."""
    gates = [
        Middleware(AccessLog, metrics=measures),
        Middleware(UnforeseenErrors),
        Middleware(OriginGate, hosts=(settings.host, *settings.allowed_hosts), origins=settings.cors_origins),
    ]
    if settings.cors_origins:
        gates.append(
            Middleware(CORSMiddleware, allow_origins=settings.cors_origins, allow_methods=["*"], allow_headers=["*"])
        )
    keys = KeyStore(hub.home.api_keys)
    gates.append(Middleware(KeyGate, keys=keys, required=not is_loopback(settings.host), local_secret=local_secret))
    if settings.requests_per_minute:
        gates.append(Middleware(RateLimit, per_minute=settings.requests_per_minute))
    limits = {"max_bytes": int(settings.max_body_mb * 1e6), "max_upload_bytes": int(settings.max_upload_mb * 1e6)}
    gates.append(Middleware(BodyLimit, **limits))
    return gates
