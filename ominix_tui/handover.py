"""Handing the models over to a server in the background, so that they outlive the program on the screen."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from ominix_core.errors import OminixError
from ominix_core.states import Loaded, Loading
from ominix_tui.text import counted

if TYPE_CHECKING:
    from ominix_core.facade import HubFacade
    from ominix_core.paths import Home
    from ominix_core.registry.entry import RegistryEntry
    from ominix_core.remote.hub import RemoteHub
    from ominix_tui.app import OminixApp


@dataclass
class Handover:
    """A server that is to have what a hub of this program has now.

    Attributes:
        server: It stays when this program ends.
        models: Ids of the models in memory.
        downloads: Ids of the models that are on their way to this machine.
    """

    server: RemoteHub
    models: tuple[str, ...]
    downloads: tuple[str, ...]

    def finish(self) -> None:
        """Give everything to the server, once the hub that had it is closed; shows the loads. Raises LoadError."""
        from ominix_tui.commands.progress import follow

        with self.server as hub:
            for model_id in self.downloads:
                hub.download(model_id)
            if self.downloads:
                typer.echo(f"{counted(len(self.downloads), 'download')} going on in the background.", err=True)
            typer.echo(f"Serving at {hub.address.url}/v1. `ominix stop` ends it.", err=True)
            for model_id in self.models:
                follow(hub, model_id, hub.load(model_id))


def models_in_memory(hub: HubFacade) -> list[RegistryEntry]:
    """The models that are loaded, or are being loaded."""
    return [entry for entry in hub.registry.entries if isinstance(hub.state(entry.id), Loaded | Loading)]


def downloads_at_work(hub: HubFacade) -> tuple[str, ...]:
    """The ids of the models whose downloads run or wait for their turn."""
    return tuple(item.model_id for item in hub.download_queue() if item.stage != "paused")


def prepare(hub: HubFacade) -> Handover:
    """Start a server that takes over from `hub`, and wait until it answers. Raises OminixError if it does not start."""
    models = tuple(entry.id for entry in models_in_memory(hub))
    return Handover(_start_server(hub.home), models, downloads_at_work(hub))


def _start_server(home: Home) -> RemoteHub:
    from ominix_core.remote.address import server_here
    from ominix_core.remote.hub import RemoteHub
    from ominix_core.server.discovery import ServerNotRunningError
    from ominix_tui import local_server

    try:
        local_server.find(home)  # one that was started while this program was open
    except ServerNotRunningError:
        local_server.start(home)
    return RemoteHub(lambda: server_here(home), home)


async def ask_before_quitting(app: OminixApp, hub: HubFacade) -> None:
    """Ask what becomes of models in memory and of downloads, and end the program as the user likes it, or not.

    Runs in a worker. Without any there is nothing to ask.
    """
    from ominix_tui.widgets.quit_dialog import QuitDialog

    models = [entry.name for entry in models_in_memory(hub)]
    downloads = [hub.resolve(model_id).name for model_id in downloads_at_work(hub)]
    ending = await app.push_screen_wait(QuitDialog(models, downloads)) if models or downloads else "unload"
    if ending == "serve":
        app.notify("Starting a server in the background …", markup=False)
        try:
            app.handover = await asyncio.to_thread(prepare, hub)
        except OminixError as error:
            app.notify(str(error), severity="error", timeout=20, markup=False)
            return
    if ending != "stay":
        app.exit()
