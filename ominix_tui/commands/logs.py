"""The command that shows what the server and its models have written."""

from __future__ import annotations

import collections
import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from ominix_core.errors import OminixError

LOOK_SECONDS = 0.25


def logs(
    model: Annotated[
        str | None, typer.Argument(metavar="MODEL", help="Show what this model's worker wrote instead.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is written from now on.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines.")] = 50,
) -> None:
    """The server's requests, one JSON object a line; or the log of a model's worker."""
    path = _log_of(model)
    try:
        with path.open("rb") as file:
            for line in collections.deque(file, maxlen=lines):
                _write(line)
            position = file.tell()
    except FileNotFoundError:
        if not follow:
            raise OminixError(f"There is no log {path} yet.") from None
        position = 0
    if follow:
        for line in _appended(path, position):
            _write(line)


def _log_of(model: str | None) -> Path:
    from ominix_core.paths import Home

    home = Home.from_environment()
    if model is None:
        return home.server_log
    from ominix_core.registry.catalogue import Registry
    from ominix_core.settings import Settings

    entry = Registry.load(home, Settings.load(home).registry_key).resolve(model)
    return home.logs / f"worker-{entry.id}.log"


def _appended(path: Path, position: int) -> Iterator[bytes]:
    """What is written after `position`, for ever; a file that was rotated is read from its beginning."""
    number = None
    while True:
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            found = os.fstat(file.fileno())
            if found.st_size < position or number not in (None, found.st_ino):
                position = 0
            number = found.st_ino
            file.seek(position)
            yield from file
            position = file.tell()
        time.sleep(LOOK_SECONDS)


def _write(line: bytes) -> None:
    from ominix_tui.text import printable

    text = line.decode("utf-8", "replace")
    typer.echo(printable(text) if sys.stdout.isatty() else text, nl=False)
