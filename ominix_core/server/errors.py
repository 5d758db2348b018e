"""One error shape for every failure, OpenAI's, with no traceback and no path of this machine in it."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ominix_core.errors import OminixError
from ominix_core.server.access import request_id
from ominix_core.server.error_codes import ErrorCode

logger = logging.getLogger(__name__)

_ABSOLUTE_PATH = re.compile(r"(?<![\w~/.:])/(?!v1/|health/)(?:[^\s/'\"`]+/)+([^\s/'\"`]*)")


class ApiError(HTTPException):
    """A refusal or failure as the client sees it.

    Attributes:
        param: The request parameter that is at fault, if one is; by default the one that the code names.
        headers: By default those of the code, which tell the official clients whether to try again.
    """

    def __init__(
        self, code: ErrorCode, message: str, *, param: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(code.status, message, code.headers if headers is None else headers)
        self.code = code
        self.param = param or code.param

    def anthropic_body(self) -> dict[str, Any]:
        """The same for Anthropic's clients, which know other types."""
        return {"type": "error", "error": self.body()["error"] | {"type": self.code.anthropic_type}}

    def body(self) -> dict[str, Any]:
        return {"error": {"message": self.detail, "type": self.code.type, "param": self.param, "code": self.code}}


def public_error(error: BaseException, app: FastAPI) -> ApiError:
    """What a client may know of `error`. An unforeseen one goes to the log whole, and to the client as a sentence."""
    if isinstance(error, OminixError):
        error = ApiError(ErrorCode.known(error.code), str(error))
    if not isinstance(error, ApiError):
        name = request_id.get()
        logger.error("%s failed", name, exc_info=error)
        message = f"Something went wrong inside Ominix. Its log has the details under {name}."
        return ApiError(ErrorCode.INTERNAL_ERROR, message)
    error.detail = without_paths(error.detail, app)
    return error


def install_error_handlers(app: FastAPI) -> None:
    """Answer every failure of `app`, its framework's own included, in the one shape."""

    async def render(request: Request, error: Exception) -> Response:
        return error_response(public_error(error, app), request.url.path)

    async def render_invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return error_response(_invalid(error), request.url.path)

    async def render_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, StarletteHTTPException)
        return error_response(_http(request, error), request.url.path)

    app.add_exception_handler(RequestValidationError, render_invalid)
    app.add_exception_handler(StarletteHTTPException, render_http)
    for kind in (ApiError, OminixError):  # the nearest class of an error's own decides
        app.add_exception_handler(kind, render)


class UnforeseenErrors:
    """ASGI middleware: answers a request that failed as nobody expected.

    Starlette's own would raise the error again once it is answered, and uvicorn then end a connection that the client
    means to use again.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_begun = False

        async def noted(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except Exception as error:
            if has_begun or scope["type"] != "http":  # only the end of its connection can tell
                raise
            await error_response(public_error(error, scope["app"]), scope["path"])(scope, receive, send)


def speaks_anthropic(path: str) -> bool:
    """Whether the clients of this route are Anthropic's."""
    return path.startswith("/v1/messages")


def error_response(error: ApiError, path: str = "") -> Response:
    """The answer to a request for `path` that failed."""
    body = error.anthropic_body() if speaks_anthropic(path) else error.body()
    # Escaped to ASCII, because a message may quote half a surrogate pair, which UTF-8 cannot hold.
    return Response(json.dumps(body), error.status_code, error.headers, "application/json")


def _http(request: Request, error: StarletteHTTPException) -> ApiError:
    path = request.url.path[:200]
    if error.status_code == 404:
        return ApiError(ErrorCode.NOT_FOUND, f"There is no {request.method} {path} here. GET /docs lists the API.")
    if error.status_code == 405:
        message = f"{path} does not take {request.method}."
        return ApiError(ErrorCode.METHOD_NOT_ALLOWED, message, headers=error.headers)
    # The framework raises no other than this one, for a body that is no JSON text at all.
    return ApiError(ErrorCode.INVALID_JSON, "The body cannot be read as JSON.")


def _invalid(error: RequestValidationError) -> ApiError:
    problem = min(error.errors(), key=_rank)
    param = _param(problem["loc"], error.body)
    if problem["type"] == "json_invalid":
        place = f"at character {problem['loc'][-1]}"
        return ApiError(ErrorCode.INVALID_JSON, f"The body is not valid JSON {place}: {problem['ctx']['error']}.")
    if not param and problem["type"] != "value_error":
        message = "The body must be a JSON object, sent with `Content-Type: application/json`."
        return ApiError(ErrorCode.INVALID_BODY, message)
    if problem["type"] == "extra_forbidden":
        return ApiError(ErrorCode.UNSUPPORTED_PARAMETER, f"'{param}' is not supported here.", param=param)
    if problem["type"] in _WRONG_KIND:
        param, expected = f"{param}.type", problem["ctx"].get("expected_tags")
        message = f"'{param}' should be one of {expected}." if expected else f"'{param}' is required."
        return ApiError(ErrorCode.INVALID_VALUE, message, param=param)
    if problem["type"] == "missing":
        return ApiError(ErrorCode.MISSING_REQUIRED_PARAMETER, f"'{param}' is required.", param=param)
    text = _PYDANTIC_SUBJECT.sub("should", problem["msg"].removeprefix("Value error, ")).partition(" after validation")[
        0
    ]
    subject = f"'{param}'" if param else "The request"
    return ApiError(ErrorCode.INVALID_VALUE, f"{subject} {text}.", param=param)


_PYDANTIC_SUBJECT = re.compile(r"^(Input|List|String|Dictionary|Value) should")
_WRONG_KIND = ("union_tag_invalid", "union_tag_not_found")


def _rank(problem: Mapping[str, Any]) -> int:
    """What is of another kind comes first, then what is not supported: the rest may only be wrong because of it."""
    if problem["type"] in _WRONG_KIND or (problem["type"] == "literal_error" and problem["loc"][-1] == "type"):
        return 0
    return 1 if problem["type"] == "extra_forbidden" else 2


def _param(loc: Sequence[str | int], body: Any) -> str | None:
    """The parameter's name as OpenAI writes it: `messages[0].content`."""
    name, value = "", body
    for index, part in enumerate(loc[1:], start=2):
        if isinstance(value, str | int | float):
            break  # what follows is how the server reads this short form
        if part == "[key]" or (index < len(loc) and _is_mark(part, value, loc[index])):
            continue  # pydantic's marks for a bad key, and for the member of a union
        name += f"[{part}]" if isinstance(part, int) else f".{part}" if name else part
        try:
            value = value[part]
        except (LookupError, TypeError):
            value = None
    return name or None


def _is_mark(part: str | int, value: Any, following: str | int) -> bool:
    """Whether `part` is the kind of the union's member `value`, not a parameter in it; `following` comes after it."""
    if not isinstance(value, dict):
        return isinstance(value, list) and isinstance(part, str)
    if part not in value:
        return True
    return part == value.get("type") and (following in value or not isinstance(value[part], dict))


def without_paths(text: str, app: FastAPI) -> str:
    """`text` without the folders of this machine: those of Ominix by a name, others by their last part."""
    names = {str(app.state.hub.home.root): "OMINIX_HOME", str(Path.home()): "~"}
    for folder, name in names.items():
        text = text.replace(folder, name)
    return _ABSOLUTE_PATH.sub(r"…/\1", text)
