"""Every error code that is raised anywhere has its place in the one table."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import ominix_core
from ominix_core.errors import RequestError
from ominix_core.server.error_codes import NO_RETRY, RETRY_SOON, ErrorCode
from ominix_core.server.errors import ApiError

CORE = Path(ominix_core.__file__).parent
SOURCES = (CORE, CORE.parent / "ominix_tui")
# These take a code as their second argument; OpenAI's own object for a failed response names OpenAI's codes.
RAISED = {"RequestError", "Failed", "AudioFormatError", "ImageError", "VoiceError"}


@cache
def codes_in_the_source() -> dict[str, str]:
    """Each code with a place that raises it."""
    found: dict[str, str] = {}
    for root in SOURCES:
        for file in sorted(root.rglob("*.py")):
            module = ast.parse(file.read_text("utf-8"))
            for node in ast.walk(module):
                for value in _codes(node):
                    for code in _texts(value, module):
                        found.setdefault(code, f"{file.relative_to(CORE.parent)}:{value.lineno}")
    return found


def _codes(node: ast.AST) -> Iterator[ast.expr]:
    """The expressions that are codes: of a call that makes an error, and of a class that is one."""
    if isinstance(node, ast.Call):
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if name in RAISED:
            yield from (each.value for each in node.keywords if each.arg == "code")
            yield from node.args[1:2]
            yield from (each for each in node.args if isinstance(each, ast.Starred))
        elif name == "ApiError":
            yield node.args[0]
    if isinstance(node, ast.ClassDef) and (node.name.endswith("Error") or node.name in {"Cancelled", "Failed"}):
        for item in node.body:
            target = item.targets[0] if isinstance(item, ast.Assign) else getattr(item, "target", None)
            if getattr(target, "id", "") == "code" and getattr(item, "value", None) is not None:
                yield item.value  # type: ignore[attr-defined]


def _texts(value: ast.expr, module: ast.Module) -> Iterator[str]:
    """The codes that `value` can be; what only passes an error on has none of its own."""
    match value:
        case ast.Constant(value=str() as text):
            yield text
        case ast.IfExp(body=first, orelse=second):
            yield from _texts(first, module)
            yield from _texts(second, module)
        case ast.Attribute(value=ast.Name(id="ErrorCode"), attr=name):
            yield ErrorCode[name]
        case ast.Starred(value=ast.Subscript(value=ast.Name(id=table))):
            for item in module.body:
                if isinstance(item, ast.Assign) and getattr(item.targets[0], "id", "") == table:
                    assert isinstance(item.value, ast.Dict)
                    for pair in item.value.values:
                        assert isinstance(pair, ast.Tuple)
                        yield from _texts(pair.elts[1], module)
        case ast.Attribute(attr="code") | ast.Name(id="code"):
            pass
        case ast.Call(func=ast.Attribute(value=ast.Name(id="ErrorCode"), attr="known")):
            pass
        case _:
            pytest.fail(f"{ast.unparse(value)} says no code in words: write it out")


def test_every_code_that_is_raised_has_its_status() -> None:
    missing = {code: place for code, place in codes_in_the_source().items() if code not in set(ErrorCode)}
    assert not missing, f"these need a line in ErrorCode: {missing}"
    assert len(codes_in_the_source()) > 70


def test_no_code_of_the_table_is_out_of_use() -> None:
    assert set(ErrorCode) == set(codes_in_the_source())


def test_an_unknown_code_is_told_as_a_failure_inside() -> None:
    assert ErrorCode.known("from_a_later_version") is ErrorCode.INTERNAL_ERROR
    assert ErrorCode.known(RequestError("x").code) is ErrorCode.REQUEST_FAILED


@pytest.mark.parametrize("code", ErrorCode)
def test_a_client_tries_again_only_what_can_change(code: ErrorCode) -> None:
    """The official clients repeat 408, 409, 429 and 5xx, unless a header says otherwise."""
    repeated = code.status in (408, 409, 429) or code.status >= 500
    if code.passes:
        assert repeated
        assert code.headers == RETRY_SOON
    elif repeated and code.status != 408 and code is not ErrorCode.INTERNAL_ERROR:
        assert code.headers == NO_RETRY
    else:
        assert not code.headers


@pytest.mark.parametrize(
    ("code", "status", "param", "openai", "anthropic"),
    [
        ("unsupported_temperature", 400, "temperature", "invalid_request_error", "invalid_request_error"),
        ("no_audio", 400, "input", "invalid_request_error", "invalid_request_error"),
        ("invalid_text", 400, None, "invalid_request_error", "invalid_request_error"),
        ("disk_full", 507, None, "server_error", "api_error"),
        ("address_refused", 502, None, "server_error", "api_error"),
        ("request_failed", 500, None, "server_error", "api_error"),
        ("invalid_api_key", 401, None, "authentication_error", "authentication_error"),
        ("insufficient_scope", 403, None, "permission_error", "permission_error"),
        ("model_not_found", 404, "model", "invalid_request_error", "not_found_error"),
        ("cancelled", 409, None, "conflict_error", "invalid_request_error"),
        ("image_too_large", 413, None, "invalid_request_error", "request_too_large"),
        ("too_many_requests", 429, None, "rate_limit_error", "rate_limit_error"),
        ("body_timeout", 408, None, "invalid_request_error", "timeout_error"),
        ("busy", 503, None, "server_error", "overloaded_error"),
        ("load_failed", 503, None, "server_error", "api_error"),
    ],
)
def test_what_the_codes_are_over_http(code: str, status: int, param: str | None, openai: str, anthropic: str) -> None:
    error = ApiError(ErrorCode.known(code), "What went wrong.")
    assert (error.status_code, error.param) == (status, param)
    assert error.body()["error"] == {"message": "What went wrong.", "type": openai, "param": param, "code": code}
    assert error.anthropic_body()["type"] == "error"
    assert error.anthropic_body()["error"]["type"] == anthropic
