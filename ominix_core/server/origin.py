"""Refuse web pages that reach this server through their visitor's browser."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from ominix_core.addresses import literal_address
from ominix_core.server.error_codes import ErrorCode
from ominix_core.server.errors import ApiError, error_response

CONTAINER_HOSTS = frozenset(
    {
        *("host.docker.internal", "gateway.docker.internal", "host.containers.internal"),
        *("host.lima.internal", "host.orb.internal", "host.rancher-desktop.internal"),
    }
)
"""What Docker, Podman, Lima, OrbStack and Rancher Desktop call this machine in a container. Nobody can own such a
name: the domain "internal" is reserved for private use."""

_ADDRESS = r"\[(?P<address>[0-9a-f:.]+)(?:%[\w.-]+)?\]"  # what may follow it is the name of a network of this machine
_HOST = re.compile(rf"(?:{_ADDRESS}|(?P<name>[^\s:\[\]@/?#\\]+?)\.?)(?::\d*)?", re.IGNORECASE)
_NUMBERS = re.compile(r"[0-9a-fx.:]+")
_WHERE = "config.toml (in ~/.ominix or OMINIX_HOME), and start the server again"


class OriginGate:
    """ASGI middleware against DNS rebinding (by Host) and cross-site requests (by Origin).

    Args:
        hosts: Names of this machine that are accepted besides localhost, its host name, its names in containers and IP
            addresses, which no attacker's domain can be.
        origins: Web origins whose pages may use the API; "*" is every one.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str], origins: Iterable[str]) -> None:
        self._app = app
        machine = socket.gethostname().lower()
        self._hosts = {
            "localhost",
            machine,
            f"{machine.removesuffix('.local')}.local",
            *CONTAINER_HOSTS,
            *filter(None, map(host_name, hosts)),
        }
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            refusal = self._refusal(Headers(scope=scope))
            if refusal is not None:
                return await error_response(refusal, scope["path"])(scope, receive, send)
        return await self._app(scope, receive, send)

    def _refusal(self, headers: Headers) -> ApiError | None:
        host = headers.get("host", "")
        if not self._is_ours(host_name(host)):
            message = (
                f"This server does not answer to the host '{_shown(host)}'. If that is a name of this machine, add it "
                f"to allowed_hosts in {_WHERE}."
            )
            return ApiError(ErrorCode.WRONG_HOST, message)
        origin = headers.get("origin")
        if origin is None or {origin, "*"} & self._origins or _is_of(origin, host):
            return None
        message = (
            f"Web pages of '{_shown(origin)}' may not use this server. If they are to, add that to cors_origins in "
            f"{_WHERE}."
        )
        return ApiError(ErrorCode.ORIGIN_NOT_ALLOWED, message)

    def _is_ours(self, name: str) -> bool:
        if name in self._hosts or name.endswith(".localhost"):
            return True
        return _NUMBERS.fullmatch(name) is not None and literal_address(name) is not None


def host_name(host: str) -> str:
    """The name or address in a Host header, in small letters, without port, brackets and the root's dot; "" if there is
    none, or something more."""
    found = _HOST.fullmatch(host)
    return (found["address"] or found["name"]).lower() if found else ""


def _is_of(origin: str, host: str) -> bool:
    """Whether the page is one of this server's own."""
    try:
        return urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False


def _shown(text: str) -> str:
    """What came from outside, fit for a sentence."""
    plain = "".join(character for character in text if character.isprintable())
    return plain if len(plain) <= 100 else plain[:99] + "…"
