"""The routes that RemoteHub lives on, as any other client may use them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from ominix_core.hub import Hub
from ominix_core.server.keys import KeyStore
from ominix_core.server.run import ApiServer
from ominix_core.states import Error, Loading
from tests.server.conftest import wait_until
from tests.tui.support import set_state

ASK: Any = {"request": {"type": "chat", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4}}


@pytest.fixture
def http(server: ApiServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=30, trust_env=False) as client:
        yield client


@contextmanager
def frames(http: httpx.Client) -> Iterator[Iterator[dict[str, Any]]]:
    with http.stream("GET", "/v1/events") as response:
        yield (json.loads(line[6:]) for line in response.iter_lines() if line.startswith("data: "))


class TestEvents:
    def test_first_a_snapshot_then_what_changes(self, http: httpx.Client, near: Hub) -> None:
        with frames(http) as stream:
            first = next(stream)
            assert first["type"] == "snapshot"
            assert first["models"]["tiny"] == {"status": "downloaded", "downloaded": True}
            assert first["models"]["model"] == {"status": "not_downloaded"}
            assert first["system"]["memory"]["total"] > 0
            set_state(near, "tiny", Loading(0.5, "loading weights"))
            change = next(frame for frame in stream if frame["type"] == "model")
            assert change["model"] == "tiny"
            assert change["report"]["status"] == "loading"
            assert change["report"]["details"] == {"progress": 0.5, "stage": "loading weights"}

    def test_progress_that_is_faster_than_ten_a_second_is_passed_over(self, http: httpx.Client, near: Hub) -> None:
        with frames(http) as stream:
            next(stream)
            for step in range(1000):
                set_state(near, "tiny", Loading(step / 1000))
            told = 0
            for frame in stream:
                told += frame["type"] == "model"
                if frame["type"] == "model" and frame["report"]["details"]["progress"] == 0.999:
                    break
        assert told <= 5

    def test_no_folder_of_the_machine_is_told(self, http: httpx.Client, near: Hub) -> None:
        set_state(near, "tiny", Error(f"{near.home.root}/models/x is broken."))
        with frames(http) as stream:
            report = next(stream)["models"]["tiny"]
        assert report["details"]["message"] == "OMINIX_HOME/models/x is broken."

    def test_it_ends_when_the_server_stops(self, server: ApiServer, http: httpx.Client) -> None:
        with frames(http) as stream:
            next(stream)
            server.stop()
            last = list(stream)[-1]
        assert last["error"]["code"] == "server_stopping"


class TestGenerate:
    def test_events_as_json(self, http: httpx.Client, near: Hub) -> None:
        near.load("tiny").result(60)
        response = http.post("/v1/models/tiny/generate", json=ASK)
        assert response.headers["x-ominix-request-id"].startswith("gen-")
        events = [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: ")]
        assert [events[0]["type"], events[-1]["type"]] == ["prefill", "finished"]
        assert events[-1]["usage"]["completion_tokens"] == 4

    def test_a_client_that_leaves_frees_its_slot(self, http: httpx.Client, near: Hub) -> None:
        near.load("endless").result(60)
        body = {"request": ASK["request"] | {"max_tokens": 100_000}}
        with http.stream("POST", "/v1/models/endless/generate", json=body) as response:
            lines = response.iter_lines()
            assert "prefill" in next(lines)
            assert len(http.get("/v1/requests").json()["data"]) == 1
        wait_until(lambda: not http.get("/v1/requests").json()["data"])

    @pytest.mark.parametrize(
        ("body", "param"),
        [
            (b"", None),
            (b"{", None),
            (b"[]", None),
            (b"\xff", None),
            (b'{"request": {"type": "nothing"}}', "request.type"),
            (b'{"request": {"type": "chat", "messages": 5}}', "request.messages"),
            (b'{"request": {"type": "chat"}}', "request"),
        ],
    )
    def test_what_cannot_be_read(self, http: httpx.Client, near: Hub, body: bytes, param: str | None) -> None:
        for content_type in ("application/json", "application/msgpack"):
            response = http.post("/v1/models/tiny/generate", content=body, headers={"content-type": content_type})
            error = response.json()["error"]
            assert response.status_code == 400, error
            if content_type == "application/json":
                assert error["param"] == param, error

    def test_a_model_that_is_not_there_or_not_loaded(self, http: httpx.Client) -> None:
        assert http.post("/v1/models/nothing/generate", json=ASK).json()["error"]["code"] == "model_not_found"
        assert http.post("/v1/models/tiny/generate", json=ASK).json()["error"]["code"] == "model_not_ready"


ROUTES = {
    "/v1/events": "get",
    "/v1/models/{model}/generate": "post",
    "/v1/models/{model}/verdict": "get",
    "/v1/models/{model}/pin": "post",
    "/v1/models/{model}/verify": "post",
    "/v1/models/{model}": "delete",
    "/v1/downloads/{model}/repair": "post",
    "/v1/registry/update": "post",
    "/v1/disk": "get",
}


def test_every_route_is_documented(http: httpx.Client) -> None:
    paths = http.get("/openapi.json").json()["paths"]
    for path, method in ROUTES.items():
        assert paths[path][method]["description"]
    body = paths["/v1/models/{model}/generate"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert "$ref" not in json.dumps(body)
    assert {kind["title"] for kind in body["properties"]["request"]["anyOf"]} >= {"ChatRequest", "SpeechRequest"}


def test_what_changes_things_needs_a_key_that_may(http: httpx.Client, near: Hub) -> None:
    use = {"x-api-key": KeyStore(near.home.api_keys).create("editor")[1]}
    manage = {path for path in ROUTES if path not in ("/v1/events", "/v1/disk")} - {
        "/v1/models/{model}/generate",
        "/v1/models/{model}/verdict",
    }
    for path in manage:
        response = http.request(ROUTES[path], path.format(model="tiny"), headers=use)
        assert (response.status_code, response.json()["error"]["code"]) == (403, "insufficient_scope"), path
    for path in ("/v1/disk", "/v1/models/tiny/verdict"):
        assert http.get(path, headers=use).status_code == 200
        assert http.get(path).status_code == 401
