"""Commands to the server that runs on this machine: ps, load, unload, stop."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer

from ominix_core.errors import OminixError
from ominix_core.paths import Home
from ominix_core.states import Loading
from ominix_tui import local_server
from ominix_tui.commands.models import ModelName
from ominix_tui.local_server import answer, connection

if TYPE_CHECKING:
    import httpx

    from ominix_core.server.discovery import Announcement


def ps() -> None:
    """The models that the running server has in memory, and what they do."""
    from rich.console import Console
    from rich.table import Table

    from ominix_core.memory import gigabytes

    server = _find()
    with connection(server) as http:
        system = answer(http.get("/v1/system"))
        downloads = answer(http.get("/v1/downloads"))["data"]
    minutes = system["uptime_seconds"] // 60
    typer.echo(f"{server.url}, version {system['version']}, up {minutes // 60}:{minutes % 60:02} h", err=True)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("MODEL", "STATE", "MEMORY", "REQUESTS"):
        table.add_column(column, no_wrap=True, justify="right" if column in ("MEMORY", "REQUESTS") else "left")
    for model in system["models"]:
        table.add_row(model["id"], "loaded", gigabytes(model["memory_bytes"]), str(model["requests"]))
    for download in downloads:
        table.add_row(download["id"], f"download {download['status']} {download['progress']:.0%}", "", "")
    Console().print(table)


def load(model: ModelName) -> None:
    """Bring a model into the running server's memory."""
    from ominix_tui.commands.progress import display

    with connection(_find()) as http:
        name = answer(http.get(f"/v1/models/{model}"))["name"]
        with http.stream("POST", f"/v1/models/{model}/load") as response, display(name) as shown:
            for event in _events(response):
                shown.show(Loading(event["progress"], event["stage"]))
    typer.echo(f"{name} is loaded.", err=True)


def unload(model: ModelName) -> None:
    """Free a model's memory in the running server."""
    with connection(_find()) as http:
        name = answer(http.post(f"/v1/models/{model}/unload"))["name"]
    typer.echo(f"{name} is not in memory any more.", err=True)


def stop() -> None:
    """End the running server, when the answers in work have ended or their time is up."""
    local_server.stop(Home.from_environment())
    typer.echo("The server has stopped.", err=True)


def _find() -> Announcement:
    return local_server.find(Home.from_environment())


def _events(response: httpx.Response) -> Iterator[dict[str, Any]]:
    if response.is_error:
        response.read()
        answer(response)
    for line in response.iter_lines():
        if line.startswith("data: "):
            event: dict[str, Any] = json.loads(line.removeprefix("data: "))
            if "error" in event:
                raise OminixError(event["error"]["message"])
            yield event
