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

logger = logging.getLogger(__name__)

NO_RETRY = {"x-should-retry": "false"}  # the official clients would otherwise repeat a 409 or 5xx that cannot change
RETRY_SOON = {"retry-after": "5"}

_STATUS = {
    "model_not_found": 404,
    "model_not_ready": 409,
    "cancelled": 409,
    "context_length_exceeded": 400,
    "invalid_prompt": 400,
    "invalid_template_option": 400,
    "invalid_value": 400,
    "invalid_logit_bias": 400,
    "invalid_conversation": 400,
    "invalid_response_format": 400,
    "no_chat_template": 400,
    "images_not_supported": 400,
    "invalid_image": 400,
    "too_many_images": 400,
    "no_tool_calling": 400,
    "unsupported_tool_choice": 400,
    "unsupported_strict": 400,
    "busy": 503,
    "kv_cache_full": 503,
    "load_failed": 503,
    "insufficient_memory": 503,
    "worker_gone": 503,
    "invalid_input": 400,
    "image_too_large": 400,
    "unsupported_language": 400,
    "unsupported_option": 400,
    "wrong_kind_of_model": 400,
    "foreign_files": 409,
    "download_failed": 502,
    "registry_error": 502,
    "unknown_voice": 400,
    "unknown_language": 400,
    "unsupported_voice": 400,
    "unsupported_speed": 400,
    "unsupported_instructions": 400,
    "unsupported_reference": 400,
    "unsupported_audio_format": 400,
    "missing_library": 503,
    "invalid_voice": 400,
    "voice_not_found": 404,
}
_PARAMS = {
    "model_not_found": "model",
    "unsupported_strict": "tools",
    "unsupported_tool_choice": "tool_choice",
    "invalid_logit_bias": "logit_bias",
    "invalid_template_option": "chat_template_kwargs",
    "unknown_voice": "voice",
    "voice_not_found": "voice",
    "unknown_language": "language",
    "unsupported_voice": "voice",
    "unsupported_reference": "voice",
    "unsupported_speed": "speed",
    "unsupported_language": "language",
    "unsupported_instructions": "instructions",
    "unsupported_audio_format": "response_format",
}
_PASSING = ("busy", "kv_cache_full")
_ABSOLUTE_PATH = re.compile(r"(?<![\w~/.:])/(?!v1/|health/)(?:[^\s/'\"`]+/)+([^\s/'\"`]*)")
_ANTHROPIC_TYPES = {
    404: "not_found_error",
    408: "timeout_error",
    409: "invalid_request_error",
    413: "request_too_large",
    503: "overloaded_error",
}
_TYPES = {401: "authentication_error", 403: "permission_error", 409: "conflict_error", 429: "rate_limit_error"}


class ApiError(HTTPException):
    """A refusal or failure as the client sees it.

    Attributes:
        param: The request parameter that is at fault, if one is.
        code: A stable machine-readable name.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, headers)
        self.code = code
        self.param = param

    @property
    def type(self) -> str:
        return _TYPES.get(self.status_code) or ("server_error" if self.status_code >= 500 else "invalid_request_error")

    def anthropic_body(self) -> dict[str, Any]:
        """The same for Anthropic's clients, which know other types."""
        kind = _ANTHROPIC_TYPES.get(self.status_code) or ("api_error" if self.status_code >= 500 else self.type)
        return {"type": "error", "error": self.body()["error"] | {"type": kind}}

    def body(self) -> dict[str, Any]:
        return {"error": {"message": self.detail, "type": self.type, "param": self.param, "code": self.code}}


def public_error(error: BaseException, app: FastAPI) -> ApiError:
    """What a client may know of `error`. An unforeseen one goes to the log whole, and to the client as a sentence."""
    if isinstance(error, OminixError):
        status = _STATUS.get(error.code, 500)
        param = _PARAMS.get(error.code)
        headers = RETRY_SOON if error.code in _PASSING else NO_RETRY if status >= 409 else None
        error = ApiError(status, str(error), code=error.code, param=param, headers=headers)
    if not isinstance(error, ApiError):
        name = request_id.get()
        logger.error("%s failed", name, exc_info=error)
        message = f"Something went wrong inside Ominix. Its log has the details under {name}."
        return ApiError(500, message, code="internal_error")
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


def error_response(error: ApiError, path: str = "") -> Response:
    """The answer to a request for `path` that failed."""
    body = error.anthropic_body() if path.startswith("/v1/messages") else error.body()
    # Escaped to ASCII, because a message may quote half a surrogate pair, which UTF-8 cannot hold.
    return Response(json.dumps(body), error.status_code, error.headers, "application/json")


def _http(request: Request, error: StarletteHTTPException) -> ApiError:
    if error.status_code == 404:
        message, code = (
            f"There is no {request.method} {request.url.path[:200]} here. GET /docs lists the API.",
            "not_found",
        )
    elif error.status_code == 405:
        message, code = f"{request.url.path[:200]} does not take {request.method}.", "method_not_allowed"
    else:  # the framework raises no other than this one, for a body that is no JSON text at all
        message, code = "The body cannot be read as JSON.", "invalid_json"
    return ApiError(error.status_code, message, code=code, headers=error.headers)


def _invalid(error: RequestValidationError) -> ApiError:
    problem = min(error.errors(), key=_rank)
    param = _param(problem["loc"], error.body)
    if problem["type"] == "json_invalid":
        place = f"at character {problem['loc'][-1]}"
        return ApiError(400, f"The body is not valid JSON {place}: {problem['ctx']['error']}.", code="invalid_json")
    if not param and problem["type"] != "value_error":
        message = "The body must be a JSON object, sent with `Content-Type: application/json`."
        return ApiError(400, message, code="invalid_body")
    if problem["type"] == "extra_forbidden":
        return ApiError(400, f"'{param}' is not supported here.", code="unsupported_parameter", param=param)
    if problem["type"] in _WRONG_KIND:
        param, expected = f"{param}.type", problem["ctx"].get("expected_tags")
        message = f"'{param}' should be one of {expected}." if expected else f"'{param}' is required."
        return ApiError(400, message, code="invalid_value", param=param)
    if problem["type"] == "missing":
        return ApiError(400, f"'{param}' is required.", code="missing_required_parameter", param=param)
    text = _PYDANTIC_SUBJECT.sub("should", problem["msg"].removeprefix("Value error, ")).partition(" after validation")[
        0
    ]
    subject = f"'{param}'" if param else "The request"
    return ApiError(400, f"{subject} {text}.", code="invalid_value", param=param)


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
