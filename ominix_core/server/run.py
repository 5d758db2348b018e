"""`ominix serve`: the app on a socket, until a signal or `stop` ends it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import errno
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

import uvicorn

from ominix_core.addresses import is_loopback
from ominix_core.errors import OminixError
from ominix_core.hub import Hub
from ominix_core.server.access import access_log_in
from ominix_core.server.app import create_app
from ominix_core.server.discovery import announced_in
from ominix_core.server.http1 import GuardedH11Protocol
from ominix_core.server.keys import KeyStore, new_secret
from ominix_core.server.live_requests import LiveRequests
from ominix_core.settings import Settings

LAST_WORDS_SECONDS = 1
"""How long streams that were cut short have to tell their clients that the server stops."""
DRAIN_LOOK_SECONDS = 0.05


class ServerError(OminixError):
    """The server cannot listen on the address that it was given."""

    code = "server_error"


class ApiServer:
    """The API on its own socket, which is bound when this is created.

    Args:
        hub: Stays the caller's: close it when `run` has returned.
        settings: The hub's own, if not given. Port 0 picks a free one; `url` tells which.

    Raises:
        ServerError: The address is taken or is none of this machine's, it is open to others and there is no API key,
            or the certificate cannot be used.
    """

    def __init__(self, hub: Hub, settings: Settings | None = None) -> None:
        self._settings = settings or hub.settings
        host, certfile = self._settings.host, self._settings.certfile
        if not is_loopback(host) and not KeyStore(hub.home.api_keys).all():
            raise ServerError(
                f"On {host} other machines could use these models, so it takes an API key. "
                "Make one: ominix keys create NAME"
            )
        self._home = hub.home
        self._local_secret = new_secret()
        app = create_app(hub, self._settings, self._local_secret)
        config = uvicorn.Config(
            app,
            loop="asyncio",
            http=GuardedH11Protocol,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=LAST_WORDS_SECONDS,
            ssl_certfile=certfile or None,
            ssl_keyfile=self._settings.keyfile or None,
        )
        try:
            config.load()
        except OSError as error:
            raise ServerError(f"The certificate {certfile} cannot be used: {error}") from error
        self._socket = _bind(host, self._settings.port)
        self._server = _Server(config, app.state.live, self._settings.drain_seconds)

    @property
    def url(self) -> str:
        """Where the server listens."""
        return self._url(self._socket.getsockname()[0])

    @property
    def _local_url(self) -> str:
        every_address = {"0.0.0.0": "127.0.0.1", "::": "::1"}
        host: str = self._socket.getsockname()[0]
        return self._url(every_address.get(host, host))

    def _url(self, host: str) -> str:
        scheme = "https" if self._settings.certfile else "http"
        port = self._socket.getsockname()[1]
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    def run(self, on_ready: Callable[[], None] | None = None) -> None:
        """Serve until SIGINT, SIGTERM or `stop`.

        Answers that are in work then have `drain_seconds` to end, and new requests are refused; a second signal cuts
        them short. Without any it ends at once.
        """
        self._server.on_ready = on_ready
        with (
            _signals_that_only_stop_the_server(),
            access_log_in(self._home.server_log),
            announced_in(self._home.server_file, self._local_url, self._local_secret),
        ):
            self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """End `run`, from any thread."""
        self._server.should_exit = True


def serve(
    hub: Hub, host: str | None = None, port: int | None = None, on_ready: Callable[[str], None] | None = None
) -> None:
    """Serve the hub's API until a signal ends it; `on_ready` gets the URL. Raises ServerError.

    Args:
        host: Overrides the setting, like `port`.
    """
    settings = hub.settings
    settings = dataclasses.replace(settings, host=host or settings.host, port=settings.port if port is None else port)
    server = ApiServer(hub, settings)
    server.run(lambda: on_ready(server.url) if on_ready else None)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, live_requests: LiveRequests, drain_seconds: float) -> None:
        super().__init__(config)
        self._live_requests = live_requests
        self._drain_seconds = drain_seconds
        self._hurried = False
        self.on_ready: Callable[[], None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.on_ready is not None:
            self.on_ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit:
            self._hurried = True  # uvicorn's own way would cut streams before they can say why
        else:
            super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._live_requests.refuse()
        deadline = time.monotonic() + self._drain_seconds
        while self._live_requests.all() and not self._hurried and time.monotonic() < deadline:
            await asyncio.sleep(DRAIN_LOOK_SECONDS)  # a signal handler could not wake a longer wait
        self._live_requests.cancel()
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
