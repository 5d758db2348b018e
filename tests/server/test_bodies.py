"""Large bodies are read in another way than small ones, and must come to the same."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from ominix_core.server.bodies import LARGE_BYTES

PADDING = {"prompt_cache_key": "x" * LARGE_BYTES}
HELLO: Any = [{"role": "user", "content": "Hello"}]


def post(http: httpx.Client, text: str, path: str = "/v1/chat/completions") -> httpx.Response:
    return http.post(path, content=text, headers={"content-type": "application/json"})


def test_a_large_body_is_answered(shared_http: httpx.Client) -> None:
    small = {"model": "tiny", "messages": HELLO, "max_tokens": 4, "temperature": 0}
    answers = [shared_http.post("/v1/chat/completions", json=body).json() for body in (small, small | PADDING)]
    assert answers[0]["choices"] == answers[1]["choices"]


@pytest.mark.parametrize(
    "field",
    [
        '"temperature": "hot"',
        '"temperature": NaN',
        '"seed": 9223372036854775808',
        '"seed": 1e400',
        '"temprature": 1',
        '"messages": []',
        '"stop": "\\ud83d"',
        '"stop": "\x00"',
        '"tools": [{"type": "function"}]',
        '"tool_choice": {"type": "function", "function": {"name": "x"}}',
        '"n": 1,',
        '"n": 01',
        '"n": 2, "n": 0',
        "",
    ],
)
def test_what_is_wrong_is_told_alike(shared_http: httpx.Client, field: str) -> None:
    begin = json.dumps({"model": "tiny", "messages": HELLO})[:-1]
    answers = [post(shared_http, f"{begin}, {padding}{field}}}") for padding in ("", json.dumps(PADDING)[1:-1] + ", ")]
    assert [answer.status_code for answer in answers] == [400, 400]
    small, large = (answer.json()["error"] for answer in answers)
    if small["code"] == "invalid_json":  # it stands at another place there
        small["message"], large["message"] = (error["message"].partition(":")[2] for error in (small, large))
    assert small == large


@pytest.mark.parametrize("text", ["[1]", '"text"', "null", "5"])
def test_what_is_no_object(shared_http: httpx.Client, text: str) -> None:
    answers = [post(shared_http, padding + text).json() for padding in ("", " " * LARGE_BYTES)]
    assert answers[0] == answers[1]
    assert answers[0]["error"]["code"] == "invalid_body"


def test_where_json_is_broken_is_told(shared_http: httpx.Client) -> None:
    error = post(shared_http, '{"messages": [}').json()["error"]
    assert error["message"] == "The body is not valid JSON at character 14: Expecting value."


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/v1/chat/completions", {"messages": HELLO * 10_001}, "messages"),
        ("/v1/chat/completions", {"messages": [HELLO[0] | {"content": [{}] * 10_001}]}, "messages[0].content"),
        ("/v1/messages", {"max_tokens": 1, "messages": HELLO * 10_001}, "messages"),
        ("/v1/responses", {"input": HELLO * 10_001}, "input"),
    ],
)
def test_more_turns_than_anybody_could_read(shared_http: httpx.Client, path: str, body: Any, param: str) -> None:
    error = shared_http.post(path, json={"model": "tiny"} | body).json()["error"]
    assert error["param"] == param
    assert "at most 10000 items" in error["message"]
