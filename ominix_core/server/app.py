"""The ASGI app over one Hub."""

from __future__ import annotations

from fastapi import FastAPI

import ominix_core
from ominix_core.hub import Hub
from ominix_core.server import chat, health, models
from ominix_core.server.errors import install_error_handlers
from ominix_core.server.live import LiveRequests


def create_app(hub: Hub) -> FastAPI:
    """Every route of the API. The caller keeps the Hub, and closes it after the app has served its last request."""
    app = FastAPI(title="Ominix", version=ominix_core.__version__, redirect_slashes=False)
    app.state.hub = hub
    app.state.live = LiveRequests(app)
    install_error_handlers(app)
    for resource in (chat, models, health):
        app.include_router(resource.router)
    return app
