"""Commands to the server that runs on this machine: ps, load, unload, stop."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer

from ominix_core.errors import OminixError
from ominix_core.states import Loading
from ominix_tui.commands.models import ModelName

if TYPE_CHECKING:
    import httpx

    from ominix_core.server.discovery import Announcement

ANSWER_SECONDS = 30.0


def ps() -> None:
    """The models that the running server has in memory, and what they do."""
    from rich.console import Console
    from rich.table import Table

    from ominix_core.memory import gigabytes

    server = _find()
    with _connection(server) as http:
        system = _answer(http.get("/v1/system"))
        downloads = _answer(http.get("/v1/downloads"))["data"]
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

    with _connection(_find()) as http:
        name = _answer(http.get(f"/v1/models/{model}"))["name"]
        with http.stream("POST", f"/v1/models/{model}/load") as response, display(name) as shown:
            for event in _events(response):
                shown.show(Loading(event["progress"], event["stage"]))
    typer.echo(f"{name} is loaded.", err=True)


def unload(model: ModelName) -> None:
    """Free a model's memory in the running server."""
    with _connection(_find()) as http:
        name = _answer(http.post(f"/v1/models/{model}/unload"))["name"]
    typer.echo(f"{name} is not in memory any more.", err=True)


def stop() -> None:
    """End the running server, when the answers in work have ended or their time is up."""
    import psutil

    server = _find()
    with _connection(server) as http:
        _answer(http.get("/v1/system"))  # else the id may be another program's by now
    with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
        process = psutil.Process(server.pid)
        os.kill(server.pid, signal.SIGTERM)
        process.wait()
    typer.echo("The server has stopped.", err=True)


def _find() -> Announcement:
    from ominix_core.paths import Home
    from ominix_core.server.discovery import find_server

    return find_server(Home.from_environment().server_file)


@contextlib.contextmanager
def _connection(server: Announcement) -> Iterator[httpx.Client]:
    """Raises ServerNotRunningError if nobody listens there any more, OminixError if the server does not answer."""
    import httpx

    from ominix_core.server.discovery import ServerNotRunningError

    # The certificate is for names that others know; this address was read from the user's own private file.
    client = httpx.Client(
        base_url=server.url,
        headers={"authorization": f"Bearer {server.key}"},
        timeout=ANSWER_SECONDS,
        trust_env=False,
        verify=False,
    )
    with client:
        try:
            yield client
        except httpx.ConnectError as error:
            raise ServerNotRunningError from error
        except httpx.TransportError as error:
            raise OminixError(f"The server at {server.url} broke off: {error}. See: ominix logs") from error


def _answer(response: httpx.Response) -> dict[str, Any]:
    """The body of an answer; a refusal's text becomes this program's own."""
    body: dict[str, Any] = response.json()
    if response.is_error:
        raise OminixError(body["error"]["message"])
    return body


def _events(response: httpx.Response) -> Iterator[dict[str, Any]]:
    if response.is_error:
        response.read()
        _answer(response)
    for line in response.iter_lines():
        if line.startswith("data: "):
            event: dict[str, Any] = json.loads(line.removeprefix("data: "))
            if "error" in event:
                raise OminixError(event["error"]["message"])
            yield event
