"""Where a server is, and what lets this program in."""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import urlsplit

from ominix_core.addresses import is_loopback
from ominix_core.errors import OminixError
from ominix_core.paths import Home
from ominix_core.server.discovery import ServerNotRunningError, find_server


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """A server.

    Attributes:
        url: Without a path, such as "https://mac.local:8080".
        name: What people call it.
        verified: Whether its certificate must be for this address.
    """

    url: str
    key: str
    name: str
    verified: bool = True

    @property
    def sends_openly(self) -> bool:
        """Whether others on the network can read what is sent, the key included."""
        parts = urlsplit(self.url)
        return parts.scheme == "http" and not is_loopback(parts.hostname or "")


def address_of(url: str, key: str = "") -> ServerAddress:
    """The server that a person means by `url`, which may end with "/v1". Raises OminixError."""
    text = url.strip().rstrip("/").removesuffix("/v1")
    try:
        parts = urlsplit(text)
        whole = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and not parts.path
    except ValueError:
        whole = False
    if not whole:
        raise OminixError(f"'{url}' is not the address of a server. Give it like this: https://mac.local:8080")
    return ServerAddress(text, key, _name(text))


def server_here(home: Home) -> ServerAddress:
    """This user's own server on this machine, as it says where it is. Raises ServerNotRunningError."""
    found = find_server(home.server_file)
    try:
        os.kill(found.pid, 0)
    except OSError as error:  # it could not take its word back, and something else may be at its address by now
        raise ServerNotRunningError from error
    # Its certificate is for names that others know; this address comes from the user's own private file.
    return ServerAddress(found.url, found.key, _name(found.url), verified=False)


def _name(url: str) -> str:
    """The host; on this machine, where several servers may run, its port too."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return f"localhost:{parts.port}" if is_loopback(host) and parts.port else host
