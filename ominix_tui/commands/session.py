"""What every command that works with models begins with: the log file and a Hub, in this program or behind a server."""

from __future__ import annotations

import dataclasses
import logging
import logging.handlers
from typing import TYPE_CHECKING, Any

from ominix_core.errors import OminixError
from ominix_core.paths import Home

if TYPE_CHECKING:
    import typer

    from ominix_core.facade import HubFacade
    from ominix_core.hub import Hub
    from ominix_core.remote.address import ServerAddress
    from ominix_core.remote.hub import RemoteHub

LOG_BYTES = 2_000_000


def open_log(home: Home) -> None:
    """Send this program's log to `logs/ominix.log`. Raises OminixError if the home cannot be written."""
    try:
        home.logs.mkdir(parents=True, exist_ok=True)
        handler = logging.handlers.RotatingFileHandler(
            home.log_file, maxBytes=LOG_BYTES, backupCount=2, encoding="utf-8"
        )
    except OSError as error:
        raise OminixError(
            f"Ominix cannot write to {home.root}: {error.strerror}. Set OMINIX_HOME to a folder of yours."
        ) from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def open_hub(**settings: Any) -> Hub:
    """A Hub on the user's home, with the log open; `settings` override what the user's file says."""
    home = Home.from_environment()
    open_log(home)
    from ominix_core.hub import Hub
    from ominix_core.settings import Settings

    return Hub(home, dataclasses.replace(Settings.load(home), **settings))


def chosen_server(context: typer.Context) -> ServerAddress | None:
    """The server that `--connect` names; None without it."""
    address: ServerAddress | None = context.find_root().obj
    return address


def open_chosen_hub(context: typer.Context) -> HubFacade:
    """The hub of `--connect`; without it one in this program, which is enough for what concerns files alone."""
    address = chosen_server(context)
    return open_hub() if address is None else connect(address)


def open_hub_in_use(address: ServerAddress | None) -> HubFacade:
    """The hub that has, or will have, the user's models in memory: the server's at `address`, else that of the server
    that the user runs on this machine, else one in this program.
    """
    if address is not None:
        return connect(address)
    return attach() or open_hub()


def open_server(context: typer.Context) -> RemoteHub:
    """The server of `--connect`, else the user's own on this machine. Raises ServerNotRunningError."""
    from ominix_core.server.discovery import ServerNotRunningError

    address = chosen_server(context)
    hub = attach() if address is None else connect(address)
    if hub is None:
        raise ServerNotRunningError
    return hub


def connect(address: ServerAddress) -> RemoteHub:
    """The hub at this address. Raises HubConnectionError or AccessError."""
    open_log(Home.from_environment())
    from ominix_core.remote.hub import RemoteHub

    return RemoteHub(lambda: address)


def attach() -> RemoteHub | None:
    """The hub of the server that this user runs on this machine, if there is one."""
    home = Home.from_environment()
    if not home.server_file.exists():  # before anything is imported that takes a while
        return None
    from ominix_core.remote.address import server_here
    from ominix_core.remote.connection import NobodyListensError
    from ominix_core.remote.hub import RemoteHub
    from ominix_core.server.discovery import ServerNotRunningError

    try:
        hub = RemoteHub(lambda: server_here(home), home)
    except (ServerNotRunningError, NobodyListensError):
        return None
    open_log(home)
    return hub
