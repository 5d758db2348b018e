"""Commands to a running server: ps, load, unload, stop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from ominix_core.states import Downloading, Paused
from ominix_tui.commands.models import ModelName

if TYPE_CHECKING:
    from ominix_core.facade import HubFacade


def ps(context: typer.Context) -> None:
    """The models that the running server has in memory, and what they do."""
    from ominix_core.memory import gigabytes
    from ominix_tui.commands.session import open_server
    from ominix_tui.commands.tables import print_table

    with open_server(context) as hub:
        server = hub.server()
        rows = [
            *((model.id, "loaded", gigabytes(model.memory_bytes), str(model.requests)) for model in server.models),
            *((model_id, f"download {stage} {progress:.0%}", "", "") for model_id, stage, progress in _downloads(hub)),
        ]
    minutes = server.uptime_seconds // 60
    typer.echo(f"{hub.address.url}, version {server.version}, up {minutes // 60}:{minutes % 60:02} h", err=True)
    print_table(("MODEL", "STATE", "MEMORY", "REQUESTS"), rows, right=("MEMORY", "REQUESTS"))


def _downloads(hub: HubFacade) -> Iterator[tuple[str, str, float]]:
    """Id, stage and progress: the queue first, then what other programs of its machine download."""
    queue = {item.model_id: str(item.stage) for item in hub.download_queue()}
    for model_id in (*queue, *(entry.id for entry in hub.registry.entries if entry.id not in queue)):
        state = hub.state(model_id)
        if isinstance(state, Downloading | Paused):
            stage = "paused" if isinstance(state, Paused) else "running"
            yield model_id, queue.get(model_id, stage), state.progress


def load(
    context: typer.Context,
    model: ModelName,
    force: Annotated[bool, typer.Option("--force", help="Load it even if it is expected not to fit.")] = False,
) -> None:
    """Bring a model into the running server's memory."""
    from ominix_tui.commands.progress import follow
    from ominix_tui.commands.session import open_server

    with open_server(context) as hub:
        entry = hub.resolve(model)
        follow(hub, entry.id, hub.load(entry.id, force=force))
    typer.echo(f"{entry.name} is loaded.", err=True)


def unload(context: typer.Context, model: ModelName) -> None:
    """Free a model's memory in the running server."""
    from ominix_tui.commands.session import open_server

    with open_server(context) as hub:
        entry = hub.resolve(model)
        hub.unload(entry.id)
    typer.echo(f"{entry.name} is not in memory any more.", err=True)


def stop() -> None:
    """End the server that runs on this machine, when the answers in work have ended or their time is up."""
    from ominix_core.paths import Home
    from ominix_tui import local_server

    local_server.stop(Home.from_environment())
    typer.echo("The server has stopped.", err=True)
