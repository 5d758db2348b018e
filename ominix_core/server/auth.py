"""Who may come in, and what they may do."""

from __future__ import annotations

import secrets

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from ominix_core.server import made_images
from ominix_core.server.error_codes import ErrorCode
from ominix_core.server.errors import ApiError, error_response
from ominix_core.server.keys import ApiKey, KeyStore, KeyStoreError

OPEN_PATHS = ("/health/live", "/health/ready")
"""For load balancers and service managers, which have no key; they learn nothing from these."""

LOCAL = ApiKey("local", "this machine", ("use", "manage"), "", 0)


class KeyGate:
    """ASGI middleware that sets `request.state.key`.

    Args:
        required: Whether a request needs a key even if there is none yet.
        local_secret: Lets the user's own programs on this machine in, which read it from `server.json`.
    """

    def __init__(self, app: ASGIApp, keys: KeyStore, required: bool, local_secret: str) -> None:
        self._app = app
        self._keys = keys
        self._local_secret = local_secret.encode()
        self._required = required

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _is_open(scope["path"]):
            return await self._app(scope, receive, send)
        headers = Headers(scope=scope)
        try:
            state = scope.setdefault("state", {})
            state["key"] = self._admit(headers)
            state["check_key"] = lambda: self._admit(headers)
        except ApiError as refusal:
            return await error_response(refusal, scope["path"])(scope, receive, send)
        return await self._app(scope, receive, send)

    def _admit(self, headers: Headers) -> ApiKey | None:
        try:
            if not self._required and not self._keys.all():
                return None
            secret = _presented(headers)
            if secrets.compare_digest(secret.encode(), self._local_secret):
                return LOCAL
            key = self._keys.find(secret)
        except KeyStoreError as error:
            raise ApiError(ErrorCode.KEY_STORE_ERROR, "The API keys cannot be read.") from error
        if key is None:
            message = "A valid API key is needed: `Authorization: Bearer KEY` or `x-api-key: KEY`."
            raise ApiError(ErrorCode.INVALID_API_KEY, message, headers={"www-authenticate": "Bearer"})
        return key


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(made_images.PREFIX)


def _presented(headers: Headers) -> str:
    kind, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else headers.get("x-api-key", "")


def key_of(request: Request) -> str | None:
    """The id of the API key that a request came with; None where none is needed."""
    key: ApiKey | None = request.state.key
    return None if key is None else key.id


def check_key(request: Request) -> None:
    """Raises ApiError if a request that takes long would not be admitted any more, its key being revoked."""
    request.state.check_key()


def manages(request: Request) -> bool:
    """Whether a request may do more than use models; without keys every one may."""
    key: ApiKey | None = request.state.key
    return key is None or "manage" in key.scopes


async def may_manage(request: Request) -> None:
    """A route's dependency: refuse a key that may only use models."""
    if not manages(request):
        message = "This API key may use models, but not manage them. Make one that may: ominix keys create --manage"
        raise ApiError(ErrorCode.INSUFFICIENT_SCOPE, message)
