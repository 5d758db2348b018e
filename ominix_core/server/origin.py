"""Refuse web pages that reach this server through their visitor's browser."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from ominix_core.server.error_codes import ErrorCode
from ominix_core.server.errors import ApiError, error_response


class OriginGate:
    """ASGI middleware against DNS rebinding (by Host) and cross-site requests (by Origin).

    Args:
        hosts: Names of this machine that are accepted besides localhost, its host name and IP addresses, which no
            attacker's domain can be.
        origins: Web origins whose pages may use the API; "*" is every one.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str], origins: Iterable[str]) -> None:
        self._app = app
        machine = socket.gethostname().lower()
        self._hosts = {
            "localhost",
            machine,
            f"{machine.removesuffix('.local')}.local",
            *(host.lower() for host in hosts),
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
        if not self._is_ours(_name(f"//{host}")):
            message = "This server does not answer to that Host. If the name is right, list it in allowed_hosts."
            return ApiError(ErrorCode.WRONG_HOST, message)
        origin = headers.get("origin")
        if origin is None or {origin, "*"} & self._origins or urlsplit(origin).netloc == host:
            return None
        return ApiError(ErrorCode.ORIGIN_NOT_ALLOWED, "Pages of this origin may not use this server.")

    def _is_ours(self, name: str) -> bool:
        if name in self._hosts or name.endswith(".localhost"):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def _name(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""
