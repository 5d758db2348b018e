"""Requests that end early, and a server that answers while others run."""

from __future__ import annotations

import json
import threading
from typing import Any

import httpx
import pytest

from ominix_core.generation import TextRequest
from ominix_core.hub import Hub
from ominix_core.server.run import ApiServer
from ominix_core.stream import Generation
from tests.server.conftest import PATIENCE

LONG: Any = {"model": "tiny", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4000, "temperature": 0}


@pytest.fixture
def cancelled(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set when the server cancels a generation."""
    event = threading.Event()
    generate = hub.generate

    def watched(model_id: str, request: TextRequest) -> Generation:
        generation = generate(model_id, request)
        cancel = generation.cancel

        def note() -> None:
            cancel()
            event.set()

        monkeypatch.setattr(generation, "cancel", note)
        return generation

    monkeypatch.setattr(hub, "generate", watched)
    return event


def test_leaving_a_stream_cancels_it(http: httpx.Client, loaded: str, cancelled: threading.Event) -> None:
    with http.stream("POST", "/v1/chat/completions", json=LONG | {"stream": True}) as response:
        lines = response.iter_lines()
        next(lines)
        assert not cancelled.is_set()
    assert cancelled.wait(PATIENCE)


def test_leaving_before_a_whole_answer_cancels_it(server: ApiServer, loaded: str, cancelled: threading.Event) -> None:
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{server.url}/v1/chat/completions", json=LONG, timeout=httpx.Timeout(PATIENCE, read=0.3))
    assert cancelled.wait(PATIENCE)


def test_a_finished_request_is_not_cancelled(http: httpx.Client, loaded: str, cancelled: threading.Event) -> None:
    assert http.post("/v1/chat/completions", json=LONG | {"max_tokens": 1}).status_code == 200
    assert not cancelled.is_set()


def test_unloading_ends_a_stream_with_an_error(http: httpx.Client, server: ApiServer, loaded: str) -> None:
    with http.stream("POST", "/v1/chat/completions", json=LONG | {"stream": True}) as response:
        lines = response.iter_lines()
        next(lines)
        assert httpx.post(f"{server.url}/v1/models/tiny/unload").status_code == 200
        last = [line for line in lines if line][-1]
    assert "unloaded" in json.loads(last.removeprefix("data: "))["error"]["message"]


def test_stopping_the_server_ends_a_stream_with_an_error(
    http: httpx.Client, server: ApiServer, loaded: str, cancelled: threading.Event
) -> None:
    with http.stream("POST", "/v1/chat/completions", json=LONG | {"stream": True}) as response:
        lines = response.iter_lines()
        next(lines)
        server.stop()
        last = [line for line in lines if line][-1]
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "server_stopping"
    assert cancelled.is_set()


def test_other_requests_are_answered_meanwhile(http: httpx.Client, server: ApiServer, loaded: str) -> None:
    with http.stream("POST", "/v1/chat/completions", json=LONG | {"stream": True}) as response:
        lines = response.iter_lines()
        next(lines)
        for path in ("/health/live", "/health/ready", "/v1/models"):
            assert httpx.get(f"{server.url}{path}").status_code == 200
        assert httpx.get(f"{server.url}/v1/requests").json()["data"], "it is still being answered"
        assert next(line for line in lines if line)


def test_a_stream_is_kept_alive_through_silence(
    http: httpx.Client, loaded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ominix_core.server.live.FIRST_EVENT_SECONDS", 0.001)
    monkeypatch.setattr("ominix_core.server.chat.KEEP_ALIVE_SECONDS", 0.001)
    prompt = [{"role": "user", "content": "x" * 4000}]
    with http.stream("POST", "/v1/chat/completions", json=LONG | {"messages": prompt, "stream": True}) as response:
        lines = [line for line in response.iter_lines() if line]
    assert ": keep-alive" in lines
    assert lines[-1] == "data: [DONE]"
