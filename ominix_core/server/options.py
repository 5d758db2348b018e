"""What `ominix serve` can be told."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How the API is served. Each field's docstring is its documentation."""

    host: str = "127.0.0.1"
    """The address to listen on. Any but a loopback address needs at least one API key."""

    port: int = 8080
    """The port to listen on; 0 picks a free one."""

    allowed_hosts: tuple[str, ...] = ()
    """Names that clients may use for this machine besides localhost, its own name and IP addresses."""

    cors_origins: tuple[str, ...] = ()
    """Web origins whose pages may use the API, such as "https://chat.example"; "*" lets in every page."""

    max_body_bytes: int = 32 * 1024 * 1024
    """The largest request body. JSON is parsed in one go, so a very large limit lets one client delay the others."""

    requests_per_minute: int = 0
    """How many requests one API key may make; 0 sets no limit."""

    max_requests_per_model: int = 64
    """How many requests one model may have in work; further ones are asked to come back."""

    certfile: Path | None = None
    """A PEM certificate chain: with it the API is served over HTTPS."""

    keyfile: Path | None = None
    """The certificate's private key, if it is not in `certfile`."""

    @property
    def is_loopback(self) -> bool:
        """Whether only programs on this machine can connect."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False
