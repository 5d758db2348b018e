"""The ASGI app over one Hub."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

import ominix_core
from ominix_core.hub import Hub
from ominix_core.server import chat, completions, embeddings, health, messages, models, responses
from ominix_core.server.auth import KeyGate
from ominix_core.server.errors import install_error_handlers
from ominix_core.server.keys import KeyStore
from ominix_core.server.limits import BodyLimit, RateLimit
from ominix_core.server.live import LiveRequests
from ominix_core.server.options import ServerOptions
from ominix_core.server.origin import OriginGate
from ominix_core.server.response_store import ResponseStore


def create_app(hub: Hub, options: ServerOptions | None = None) -> FastAPI:
    """Every route of the API. The caller keeps the Hub, and closes it after the app has served its last request."""
    options = options or ServerOptions()
    app = FastAPI(
        title="Ominix",
        version=ominix_core.__version__,
        redirect_slashes=False,
        middleware=_gates(hub, options),
    )
    app.state.hub = hub
    app.state.live = LiveRequests(app, hub)
    app.state.responses = ResponseStore()
    install_error_handlers(app)
    for resource in (chat, completions, responses, messages, embeddings, models, health):
        app.include_router(resource.router)
    return app


def _gates(hub: Hub, options: ServerOptions) -> list[Middleware]:
    """What a request passes on its way in, outermost first."""
    gates = [Middleware(OriginGate, hosts=(options.host, *options.allowed_hosts), origins=options.cors_origins)]
    if options.cors_origins:
        gates.append(
            Middleware(CORSMiddleware, allow_origins=options.cors_origins, allow_methods=["*"], allow_headers=["*"])
        )
    gates.append(Middleware(KeyGate, keys=KeyStore(hub.home.api_keys), required=not options.is_loopback))
    if options.requests_per_minute:
        gates.append(Middleware(RateLimit, per_minute=options.requests_per_minute))
    gates.append(Middleware(BodyLimit, max_bytes=options.max_body_bytes))
    return gates
