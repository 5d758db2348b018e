"""`ominix serve`: the app on a socket, until a signal or `stop` ends it."""

from __future__ import annotations

import contextlib
import errno
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType

import uvicorn

from ominix_core.errors import OminixError
from ominix_core.hub import Hub
from ominix_core.server.app import create_app
from ominix_core.server.live import LiveRequests

LAST_WORDS_SECONDS = 1
"""How long streams have to tell their clients that the server stops."""


class ServerError(OminixError):
    """The server cannot listen on the address that it was given."""

    code = "server_error"


class ApiServer:
    """The API on its own socket, which is bound when this is created.

    Args:
        hub: Stays the caller's: close it when `run` has returned.
        port: 0 picks a free one; `url` tells which.

    Raises:
        ServerError: The address is taken, or is none of this machine's.
    """

    def __init__(self, hub: Hub, host: str = "127.0.0.1", port: int = 8080) -> None:
        self._socket = _bind(host, port)
        app = create_app(hub)
        config = uvicorn.Config(
            app,
            loop="asyncio",
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=LAST_WORDS_SECONDS,
        )
        self._server = _Server(config, app.state.live)

    @property
    def url(self) -> str:
        host, port = self._socket.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def run(self, on_ready: Callable[[], None] | None = None) -> None:
        """Serve until SIGINT, SIGTERM or `stop`, which end it within two seconds."""
        self._server.on_ready = on_ready
        with _signals_that_only_stop_the_server():
            self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """End `run`, from any thread."""
        self._server.should_exit = True


def serve(hub: Hub, host: str, port: int, on_ready: Callable[[str], None] | None = None) -> None:
    """Serve the hub's API until a signal ends it; `on_ready` gets the URL. Raises ServerError."""
    server = ApiServer(hub, host, port)
    server.run(lambda: on_ready(server.url) if on_ready else None)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, live_requests: LiveRequests) -> None:
        super().__init__(config)
        self._live_requests = live_requests
        self.on_ready: Callable[[], None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.on_ready is not None:
            self.on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._live_requests.stop()
        await super().shutdown(sockets)


@contextlib.contextmanager
def _signals_that_only_stop_the_server() -> Iterator[None]:
    """uvicorn repeats the signal that stopped it, for the handlers from before: these let the caller close its Hub."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def nothing_more(number: int, frame: FrameType | None) -> None:
        pass

    before = {number: signal.signal(number, nothing_more) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ServerError(
            f"Cannot listen on {host}: {error.strerror}. Give this machine's address with --host."
        ) from error
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise ServerError(_why_not(error, host, port)) from error
    return bound


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is in use. Stop the program that has it, or choose another port with --port."
    if error.errno == errno.EACCES:
        return f"Port {port} needs administrator rights. Choose one from 1024 on with --port."
    return f"Cannot listen on {host}:{port}: {error.strerror}. Give one of this machine's addresses with --host."
