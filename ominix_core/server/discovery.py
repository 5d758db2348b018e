"""`server.json`: how the user's other programs on this machine find the server."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import ominix_core
from ominix_core import atomic
from ominix_core.errors import OminixError


class ServerNotRunningError(OminixError):
    """No server of this user runs on this machine."""

    code = "server_not_running"

    def __init__(self) -> None:
        super().__init__("No Ominix server is running here. Start one: ominix serve")


@dataclass(frozen=True, slots=True)
class Announcement:
    """A running server; `key` lets the user's own programs in."""

    url: str
    key: str
    pid: int
    version: str


def find_server(path: Path) -> Announcement:
    """The server that `path` announces, which may have died since. Raises ServerNotRunningError."""
    try:
        return Announcement(**json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ServerNotRunningError from error


@contextlib.contextmanager
def announced_in(path: Path, url: str, key: str) -> Iterator[None]:
    """Say in `path` where the server is while the block runs; `key` lets the user's own programs in."""
    text = json.dumps(asdict(Announcement(url, key, os.getpid(), ominix_core.__version__)))
    atomic.write(path, text, private=True)
    try:
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            if path.read_text("utf-8") == text:  # else a server that came later has written its own
                path.unlink()
