"""Downloads over HTTP: a real hub, on a server that stands in for Hugging Face."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ominix_core.hub import Hub
from ominix_core.paths import Home
from ominix_core.server.keys import KeyStore
from ominix_core.settings import Settings
from ominix_core.states import Downloaded
from tests.support.fixture_hub import FixtureHub
from tests.support.fixture_repo import make_model

WEIGHTS = "*.safetensors"
LISTED = "/v1/downloads"
OF_MODEL = f"{LISTED}/model"


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FixtureHub]:
    """Serves acme/model, and no cache of the real user is seen."""
    make_model(tmp_path / "source/acme/model", shards=1, shard_bytes=1 << 20)
    for variable in ("HF_TOKEN", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "MODELSCOPE_CACHE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "user/hf"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    with FixtureHub(tmp_path / "source") as source:
        monkeypatch.setenv("HF_ENDPOINT", source.url)
        yield source


@pytest.fixture
def slow(source: FixtureHub) -> FixtureHub:
    """Takes seconds for what the tests stop long before."""
    source.fault("slow", path=WEIGHTS, rate=200_000)
    return source


@pytest.fixture
def hub(home: Home, add_models: Callable[..., None], source: FixtureHub) -> Iterator[Hub]:
    """A hub that knows "model" and "second", both of acme/model, and downloads one at a time."""
    repo = {"type": "HuggingFace", "repo": "acme/model"}
    add_models(*({"id": name, "name": name.title(), "category": "LLM", "source": repo} for name in ("model", "second")))
    with Hub(home, Settings(isolation="thread", warm_spare=False, simultaneous_downloads=1)) as hub:
        yield hub


@contextlib.contextmanager
def following(http: httpx.Client, path: str, method: str = "GET") -> Iterator[Iterator[dict[str, Any]]]:
    """The events of a progress stream as they come."""
    with http.stream(method, path) as response:
        assert response.status_code == 200, response.read()
        yield (json.loads(line.removeprefix("data: ")) for line in response.iter_lines() if line.startswith("data: "))


def start_and_leave(http: httpx.Client, model: str) -> None:
    with following(http, f"{LISTED}/{model}/start", "POST") as events:
        assert next(events)["id"] == model


def bytes_arrive(events: Iterator[dict[str, Any]]) -> dict[str, Any]:
    return next(event for event in events if event["done_bytes"] > 0)


def test_a_download_tells_its_progress_to_the_end(http: httpx.Client, hub: Hub) -> None:
    with following(http, f"{OF_MODEL}/start", "POST") as stream:
        events = list(stream)
    done = [event["done_bytes"] for event in events[:-1]]
    assert done == sorted(done)
    assert events[0]["status"] in ("waiting", "running")
    assert (events[-1]["status"], events[-1]["progress"]) == ("downloaded", 1.0)
    assert hub.state("model") == Downloaded()
    assert http.get(LISTED).json() == {"object": "list", "data": []}


def test_the_queue_is_listed_in_its_order(http: httpx.Client, slow: FixtureHub) -> None:
    start_and_leave(http, "model")
    start_and_leave(http, "second")
    first, second = http.get(LISTED).json()["data"]
    assert (first["id"], first["status"]) == ("model", "running")
    assert (second["id"], second["status"], second["note"]) == ("second", "waiting", "waiting for another download")


def test_pause_ends_the_stream_and_start_goes_on(http: httpx.Client, slow: FixtureHub, hub: Hub) -> None:
    with following(http, f"{OF_MODEL}/start", "POST") as events, httpx.Client(base_url=http.base_url) as other:
        arrived = bytes_arrive(events)
        assert arrived["total_bytes"] > 1 << 20
        assert other.post(f"{OF_MODEL}/pause").json()["id"] == "model"
        last = list(events)[-1]
    assert last["status"] == "paused"
    assert last["done_bytes"] >= arrived["done_bytes"]
    assert [each["status"] for each in http.get(LISTED).json()["data"]] == ["paused"]
    assert http.get("/v1/models/model").json()["status"] == "paused"
    slow.mend()
    with following(http, f"{OF_MODEL}/start", "POST") as events:
        assert list(events)[-1]["status"] == "downloaded"


@pytest.mark.slow
def test_whoever_comes_later_can_follow(http: httpx.Client, slow: FixtureHub) -> None:
    start_and_leave(http, "model")
    with following(http, f"{OF_MODEL}/progress") as events:
        assert bytes_arrive(events)["status"] == "running"
        slow.mend()
        assert list(events)[-1]["status"] == "downloaded"


@pytest.mark.parametrize(("discard", "status"), [(False, "paused"), (True, "not_downloaded")])
def test_cancel_keeps_the_bytes_unless_told_otherwise(
    http: httpx.Client, slow: FixtureHub, discard: bool, status: str
) -> None:
    with following(http, f"{OF_MODEL}/start", "POST") as events, httpx.Client(base_url=http.base_url) as other:
        bytes_arrive(events)
        assert other.post(f"{OF_MODEL}/cancel", params={"discard": discard}).status_code == 200
        assert list(events)[-1]["status"] == status


def test_a_failure_ends_the_stream_with_an_error(http: httpx.Client, source: FixtureHub) -> None:
    source.repos["acme/model"].is_gated = True
    with following(http, f"{OF_MODEL}/start", "POST") as events:
        error = list(events)[-1]["error"]
    assert error["code"] == "download_failed"
    assert "acme/model is gated" in error["message"]


@pytest.mark.parametrize("verb", ["pause", "cancel"])
def test_what_is_not_being_downloaded(http: httpx.Client, verb: str) -> None:
    refused = http.post(f"{OF_MODEL}/{verb}")
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "download_not_found")


def test_an_unknown_model(http: httpx.Client) -> None:
    assert http.post(f"{LISTED}/modell/start").json()["error"]["code"] == "model_not_found"


def test_a_key_that_may_only_use_models_can_look_but_not_touch(http: httpx.Client, hub: Hub) -> None:
    key = {"x-api-key": KeyStore(hub.home.api_keys).create("editor")[1]}
    assert http.get(LISTED, headers=key).status_code == 200
    for verb in ("start", "pause", "cancel"):
        assert http.post(f"{OF_MODEL}/{verb}", headers=key).status_code == 403
