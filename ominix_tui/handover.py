"""Handing the models over to a server in the background, so that they outlive the program on the screen."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from ominix_core.errors import OminixError
from ominix_core.states import Loaded, Loading

if TYPE_CHECKING:
    from ominix_core.facade import HubFacade
    from ominix_core.paths import Home
    from ominix_core.registry.entry import RegistryEntry
    from ominix_core.remote.hub import RemoteHub

START_SECONDS = 30.0
LOOK_SECONDS = 0.1


@dataclass
class Handover:
    """A server that is to have what a hub of this program has now.

    Attributes:
        process: The server's; it stays when this program ends.
        models: Ids of the models in memory.
        downloads: Ids of the models that are on their way to this machine.
    """

    process: subprocess.Popen[bytes]
    server: RemoteHub
    models: tuple[str, ...]
    downloads: tuple[str, ...]

    def finish(self) -> None:
        """Give everything to the server, once the hub that had it is closed; shows the loads. Raises LoadError."""
        from ominix_tui.commands.progress import follow

        with self.server as hub:
            for model_id in self.downloads:
                hub.download(model_id)
            typer.echo(f"Serving at {hub.address.url}/v1. `ominix stop` ends it.", err=True)
            for model_id in self.models:
                follow(hub, model_id, hub.load(model_id))


def models_in_memory(hub: HubFacade) -> list[RegistryEntry]:
    """The models that are loaded, or are being loaded."""
    return [entry for entry in hub.registry.entries if isinstance(hub.state(entry.id), Loaded | Loading)]


def prepare(hub: HubFacade) -> Handover:
    """Start a server that takes over from `hub`, and wait until it answers. Raises OminixError if it does not start."""
    models = tuple(entry.id for entry in models_in_memory(hub))
    downloads = tuple(item.model_id for item in hub.download_queue() if item.stage != "paused")
    return Handover(*_start_server(hub.home), models, downloads)


def _start_server(home: Home) -> tuple[subprocess.Popen[bytes], RemoteHub]:
    from ominix_core.remote.address import server_here
    from ominix_core.remote.connection import NobodyListensError
    from ominix_core.remote.hub import RemoteHub
    from ominix_core.server.discovery import ServerNotRunningError

    log = home.logs / "serve.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "ominix_tui", "serve"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=output,
            start_new_session=True,  # it stays when the terminal goes
        )
    deadline = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(ServerNotRunningError, NobodyListensError):
            return server, RemoteHub(lambda: server_here(home), home)
        time.sleep(LOOK_SECONDS)
    server.terminate()
    server.wait()
    reason = log.read_text("utf-8", "replace").strip().removeprefix("ominix: ")
    raise OminixError(
        f"The server could not be started. {reason or f'It did not answer within {START_SECONDS:.0f} s.'}"
    )
