"""Listing, loading and unloading over HTTP."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import openai
import psutil
import pytest

from ominix_core.hub import Hub
from ominix_core.memory import Machine
from ominix_core.paths import Home
from ominix_core.settings import Settings
from ominix_core.states import Downloaded, Error, Loaded
from tests.conftest import local_entry
from tests.server.conftest import api_server, running, wait_until


def load(http: httpx.Client, model: str) -> list[dict[str, Any]]:
    """Every event of a load."""
    with http.stream("POST", f"/v1/models/{model}/load") as response:
        assert response.status_code == 200, response.read()
        lines = [line for line in response.iter_lines() if line.startswith("data: ")]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def test_the_list_holds_what_is_on_this_machine(client: openai.OpenAI, hub: Hub, loaded: str) -> None:
    models = {model.id: model for model in client.models.list()}
    assert {"tiny", "tiny-two"} <= set(models)
    assert all(isinstance(hub.state(model_id), Downloaded | Loaded) for model_id in models)
    tiny, other = models["tiny"].model_dump(), models["tiny-two"].model_dump()
    assert (tiny["object"], tiny["status"], other["status"]) == ("model", "loaded", "downloaded")
    assert tiny["memory_gb"] is not None
    assert other["memory_gb"] is None


def test_one_model_is_found_by_any_of_its_names(home: Home, add_models: Callable[..., None]) -> None:
    source = {"type": "HuggingFace", "repo": "mlx-community/Some-Model"}
    add_models(local_entry("some-model", Path(), source=source, runtime={"model_id_for_api": "some"}))
    with Hub(home) as hub, running(api_server(hub)) as server:
        for name in ("some-model", "some", "mlx-community/Some-Model", "mlx-community%2FSome-Model"):
            model = httpx.get(f"{server.url}/v1/models/{name}").json()
            assert (model["id"], model["owned_by"], model["status"]) == (
                "some-model",
                "mlx-community",
                "not_downloaded",
            )


def test_an_unknown_model(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="tiny"):
        client.models.retrieve("tinyy")


def test_load_tells_its_progress_and_unload_frees(http: httpx.Client, hub: Hub) -> None:
    events = load(http, "tiny")
    progress = [event["progress"] for event in events]
    assert progress == sorted(progress)
    assert {event["stage"] for event in events} >= {"starting", "loading weights", "loaded"}
    assert events[-1] == {"progress": 1.0, "stage": "loaded"}
    assert isinstance(hub.state("tiny"), Loaded)

    model = http.post("/v1/models/tiny/unload").json()
    assert (model["id"], model["status"]) == ("tiny", "downloaded")
    assert isinstance(hub.state("tiny"), Downloaded)


def test_loading_what_is_loaded_is_done_at_once(http: httpx.Client, loaded: str) -> None:
    assert load(http, loaded) == [{"progress": 1.0, "stage": "loaded"}]


def test_loading_another_replaces_the_one_of_its_category(http: httpx.Client, hub: Hub, loaded: str) -> None:
    load(http, "tiny-two")
    assert isinstance(hub.state("tiny"), Downloaded)
    assert isinstance(hub.state("tiny-two"), Loaded)


def test_a_broken_model_fails_in_the_stream_without_its_path(
    home: Home, add_models: Callable[..., None], tiny_llm: Path, tmp_path: Path
) -> None:
    broken = shutil.copytree(tiny_llm, tmp_path / "broken")
    weights = broken / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    add_models(local_entry("tiny", broken))
    with (
        Hub(home, Settings(isolation="thread")) as hub,
        running(api_server(hub)) as server,
        httpx.Client(base_url=server.url) as http,
    ):
        error = load(http, "tiny")[-1]["error"]
        assert error["code"] == "load_failed"
        assert str(tmp_path) not in error["message"]
        assert http.get("/v1/models/tiny").json()["status"] == "error"


def test_the_memory_guard_s_refusal_has_a_code_and_its_words(http: httpx.Client, hub: Hub) -> None:
    hub._guard.read_machine = lambda: Machine(1 << 36, 1 << 28)
    error = load(http, "tiny")[-1]["error"]
    assert error["code"] == "insufficient_memory"
    assert error["message"].startswith("Needs 0.5 GB, only 0.3 GB available.")


def test_a_model_that_is_not_here_cannot_be_loaded(http: httpx.Client, hub: Hub) -> None:
    absent = next(e.id for e in hub.registry.entries if not isinstance(hub.state(e.id), Downloaded))
    response = http.post(f"/v1/models/{absent}/load")
    assert response.status_code == 409
    assert response.json()["error"]["code"] == "model_not_ready"
    assert "ominix pull" in response.json()["error"]["message"]


def test_a_model_that_is_not_ominix_s_own_is_not_deleted_nor_freed(
    client: openai.OpenAI, hub: Hub, loaded: str, tiny_llm: Path
) -> None:
    with pytest.raises(openai.ConflictError, match="left alone") as caught:
        client.models.delete(loaded)
    assert caught.value.code == "foreign_files"
    assert isinstance(hub.state(loaded), Loaded)
    assert (tiny_llm / "config.json").exists()


def test_unload_of_an_unknown_model(http: httpx.Client) -> None:
    assert http.post("/v1/models/nothing-like-it/unload").json()["error"]["code"] == "model_not_found"


def test_a_request_may_load_a_model_again_that_has_failed(
    home: Home, add_models: Callable[..., None], tiny_llm: Path
) -> None:
    add_models(local_entry("tiny", tiny_llm))
    body = {"model": "tiny", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}
    with Hub(home, Settings(isolation="process", jit=True)) as hub, running(api_server(hub)) as server:
        hub.load("tiny").result(60)
        (worker,) = (child for child in psutil.Process().children() if "ominix_core.workers" in child.cmdline())
        worker.kill()
        wait_until(lambda: isinstance(hub.state("tiny"), Error))
        response = httpx.post(f"{server.url}/v1/chat/completions", json=body, timeout=60)
        assert response.status_code == 200, response.text
        assert httpx.get(f"{server.url}/health/ready").status_code == 200


@pytest.mark.parametrize("jit", [False, True])
def test_a_request_may_load_its_model(home: Home, add_models: Callable[..., None], tiny_llm: Path, jit: bool) -> None:
    add_models(local_entry("tiny", tiny_llm))
    body = {"model": "tiny", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}
    with (
        Hub(home, Settings(isolation="thread", jit=jit)) as hub,
        running(api_server(hub)) as server,
    ):
        response = httpx.post(f"{server.url}/v1/chat/completions", json=body, timeout=60)
        assert response.status_code == (200 if jit else 503)
        assert isinstance(hub.state("tiny"), Loaded if jit else Downloaded)
