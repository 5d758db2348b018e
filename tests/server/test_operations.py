"""What an operator sees: running requests, the machine, the registry, metrics, logs, and where the server is."""

from __future__ import annotations

import json
import logging
import logging.config
import stat
import time
from typing import Any

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from ominix_core.events import ModelStateChanged
from ominix_core.hub import Hub
from ominix_core.server.keys import KeyStore
from ominix_core.server.run import ApiServer
from ominix_core.states import Error, Loaded, ModelState
from tests.server.conftest import api_server, running, wait_until

LONG: Any = {
    "model": "tiny",
    "messages": [{"role": "user", "content": "Hello"}],
    "max_tokens": 4000,
    "temperature": 0,
    "stream": True,
}


def test_a_running_request_is_listed_and_cancelled(http: httpx.Client, server: ApiServer, loaded: str) -> None:
    with http.stream("POST", "/v1/chat/completions", json=LONG) as response:
        lines = response.iter_lines()
        first = json.loads(next(lines).removeprefix("data: "))
        with httpx.Client(base_url=server.url) as other:
            (listed,) = other.get("/v1/requests").json()["data"]
            assert (listed["id"], listed["model"], listed["created"]) == (first["id"], "tiny", first["created"])
            assert other.delete(f"/v1/requests/{first['id']}").json()["cancelled"] is True
        last = [line for line in lines if line][-1]
        assert json.loads(last.removeprefix("data: "))["error"]["code"] == "cancelled"
    assert http.get("/v1/requests").json()["data"] == []
    assert http.delete(f"/v1/requests/{first['id']}").status_code == 404


def test_a_key_sees_and_cancels_its_own_requests_only(
    http: httpx.Client, server: ApiServer, hub: Hub, loaded: str
) -> None:
    keys = KeyStore(hub.home.api_keys)
    mine, other = ({"x-api-key": keys.create(name)[1]} for name in ("mine", "other"))
    boss = {"x-api-key": keys.create("boss", ("use", "manage"))[1]}
    with http.stream("POST", "/v1/chat/completions", json=LONG, headers=mine) as response:
        lines = response.iter_lines()
        name = json.loads(next(lines).removeprefix("data: "))["id"]
        with httpx.Client(base_url=server.url) as side:
            seen = [len(side.get("/v1/requests", headers=key).json()["data"]) for key in (mine, other, boss)]
            assert seen == [1, 0, 1]
            assert side.delete(f"/v1/requests/{name}", headers=other).status_code == 404
            assert side.delete(f"/v1/requests/{name}", headers=boss).status_code == 200


def test_a_model_takes_only_so_many_requests(hub: Hub, loaded: str) -> None:
    with (
        running(api_server(hub, max_requests_per_model=1)) as server,
        httpx.Client(base_url=server.url) as http,
        http.stream("POST", "/v1/chat/completions", json=LONG) as response,
    ):
        lines = response.iter_lines()
        next(lines)
        refused = httpx.post(f"{server.url}/v1/chat/completions", json=LONG)
        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "busy"
        assert int(refused.headers["retry-after"]) > 0


def test_health_needs_no_key_and_tells_nothing(http: httpx.Client, hub: Hub, loaded: str) -> None:
    KeyStore(hub.home.api_keys).create("editor")
    assert http.get("/health/live").json() == {"status": "ok"}
    assert http.get("/health/ready").json() == {"status": "ready"}


def test_a_stalled_worker_makes_the_server_not_ready(process_hub: Hub) -> None:
    process_hub.load("tiny").result(60)
    (resident,) = process_hub._runtime.residents
    (worker,) = psutil.Process().children()
    with running(api_server(process_hub)) as server, httpx.Client(base_url=server.url) as http:
        worker.suspend()

        def not_ready() -> bool:
            resident.last_beat = time.monotonic() - 10  # again, because a beat may still have been on its way
            return http.get("/health/ready").status_code == 503

        wait_until(not_ready)
        response = http.get("/health/ready")
        assert (response.status_code, response.json()["error"]["code"]) == (503, "model_stalled")
        assert int(response.headers["retry-after"]) > 0
        assert http.get("/health/live").status_code == 200
        worker.resume()
        wait_until(lambda: not process_hub.stalled())
        assert http.get("/health/ready").status_code == 200


def _kill_worker(hub: Hub) -> None:
    (resident,) = hub._runtime.residents
    psutil.Process(resident.worker.pid).kill()  # type: ignore[union-attr]


def test_a_server_s_model_comes_back_once_after_its_worker_has_died(process_hub: Hub) -> None:
    process_hub.revive_models()
    process_hub.load("tiny").result(60)
    process_hub.pin("tiny")
    states: list[ModelState] = []
    process_hub.subscribe(lambda event: states.append(event.state) if isinstance(event, ModelStateChanged) else None)
    with running(api_server(process_hub)) as server, httpx.Client(base_url=server.url) as http:
        _kill_worker(process_hub)
        wait_until(lambda: any(isinstance(state, Loaded) for state in states))
        assert isinstance(states[0], Error)
        assert http.get("/health/ready").status_code == 200
        assert process_hub._runtime.residents[0].pinned
        states.clear()
        _kill_worker(process_hub)
        wait_until(lambda: bool(states))
        assert isinstance(process_hub.state("tiny"), Error), "whatever ends it again and again must not go on so"
        assert http.get("/health/ready").status_code == 503
        process_hub.load("tiny").result(60)
        assert http.get("/health/ready").status_code == 200


def test_a_dead_worker_makes_the_server_not_ready_until_its_model_is_unloaded(process_hub: Hub) -> None:
    process_hub.load("tiny").result(60)
    (worker,) = psutil.Process().children()
    with running(api_server(process_hub)) as server, httpx.Client(base_url=server.url) as http:
        worker.kill()
        wait_until(lambda: isinstance(process_hub.state("tiny"), Error))
        assert http.get("/health/ready").json()["error"]["code"] == "model_stalled"
        assert http.post("/v1/models/tiny/unload").status_code == 200
        assert http.get("/health/ready").status_code == 200


def test_the_machine(shared_http: httpx.Client) -> None:
    system = shared_http.get("/v1/system").json()
    assert 0 < system["memory"]["available"] < system["memory"]["total"]
    (model,) = system["models"]
    assert (model["id"], model["requests"]) == ("tiny", 0)
    assert model["memory_bytes"] > 0


def test_the_registry_knows_more_than_this_machine_has(shared_http: httpx.Client) -> None:
    entries = {entry["id"]: entry for entry in shared_http.get("/v1/registry").json()["data"]}
    assert entries["tiny"]["status"] == "loaded"
    assert "not_downloaded" in {entry["status"] for entry in entries.values()}
    assert entries["tiny"]["entry"]["source"] == {"type": "Local"}, "no path leaves the machine"
    assert shared_http.get("/v1/registry", params={"category": "None such"}).json()["data"] == []


def metric(http: httpx.Client, name: str, **labels: str) -> float:
    """The sum of a metric's samples that have these labels."""
    families = text_string_to_metric_families(http.get("/metrics").text)
    samples = [sample for family in families for sample in family.samples if sample.name == name]
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


def test_metrics_count_what_was_done(http: httpx.Client, loaded: str) -> None:
    http.post("/v1/chat/completions", json=LONG | {"stream": False, "max_tokens": 5})
    assert metric(http, "ominix_requests_total", model="tiny", outcome="length") == 1
    assert metric(http, "ominix_tokens_total", model="tiny", kind="completion") == 5
    assert metric(http, "ominix_tokens_total", model="tiny", kind="prompt") > 5
    assert metric(http, "ominix_time_to_first_token_seconds_count", model="tiny") == 1
    assert metric(http, "ominix_requests_running", model="tiny") == 0
    assert metric(http, "ominix_model_memory_bytes", model="tiny") > 0
    assert metric(http, "ominix_http_request_seconds_count", route="/v1/chat/completions", status="200") == 1


def test_unknown_paths_make_no_new_series(http: httpx.Client) -> None:
    for index in range(3):
        http.get(f"/v1/nothing-{index}")
    assert metric(http, "ominix_http_request_seconds_count", status="404") == 3
    http.request("NONSENSE", "/v1/models")
    measures = http.get("/metrics").text
    assert "nothing" not in measures
    assert "NONSENSE" not in measures


def test_every_answer_has_an_id_of_its_own(shared_http: httpx.Client) -> None:
    names = {shared_http.get(path).headers["x-request-id"] for path in ("/health/live", "/v1/models", "/v1/nothing")}
    assert len(names) == 3
    assert shared_http.get("/health/live", headers={"host": "evil.example"}).headers["x-request-id"]


def test_a_line_in_the_log_for_each_request(hub: Hub) -> None:
    key, secret = KeyStore(hub.home.api_keys).create("editor")
    with running(api_server(hub)) as server:
        names = [
            httpx.get(f"{server.url}{path}", headers={"x-api-key": secret}).headers["x-request-id"]
            for path in ("/v1/models", "/v1/nothing")
        ]
    lines = [json.loads(line) for line in hub.home.server_log.read_text().splitlines()]
    assert [line["request_id"] for line in lines] == names
    assert [(line["path"], line["status"]) for line in lines] == [("/v1/models", 200), ("/v1/nothing", 404)]
    assert {line["key"] for line in lines} == {key.id}
    assert all(line["seconds"] >= 0 for line in lines)
    assert secret not in hub.home.server_log.read_text()


def test_the_log_goes_on_when_somebody_configures_logging(hub: Hub) -> None:
    """`dictConfig` switches off every logger that it does not know."""
    loggers = [logger for logger in logging.root.manager.loggerDict.values() if isinstance(logger, logging.Logger)]
    before = {logger: logger.disabled for logger in loggers}
    try:
        logging.config.dictConfig({"version": 1})
        with running(api_server(hub)) as server:
            httpx.get(f"{server.url}/v1/models")
    finally:
        for logger, disabled in before.items():
            logger.disabled = disabled
    assert len(hub.home.server_log.read_text().splitlines()) == 1


def test_programs_of_the_same_user_find_the_server(hub: Hub) -> None:
    KeyStore(hub.home.api_keys).create("editor")
    file = hub.home.server_file
    with running(api_server(hub)) as server:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        found = json.loads(file.read_text())
        assert found["url"] == server.url
        assert httpx.get(f"{found['url']}/v1/models").status_code == 401
        assert httpx.get(f"{found['url']}/v1/models", headers={"x-api-key": found["key"]}).status_code == 200
    assert not file.exists()


def test_a_server_on_every_address_is_found_on_loopback(hub: Hub) -> None:
    KeyStore(hub.home.api_keys).create("editor")
    with running(api_server(hub, host="0.0.0.0")):
        found = json.loads(hub.home.server_file.read_text())
        headers = {"authorization": f"Bearer {found['key']}"}
        assert found["url"].startswith("http://127.0.0.1:")
        assert httpx.get(f"{found['url']}/v1/models", headers=headers).status_code == 200


def test_the_file_of_a_later_server_is_left_alone(hub: Hub) -> None:
    with running(api_server(hub)):
        hub.home.server_file.write_text("{}")
    assert hub.home.server_file.read_text() == "{}"


def test_the_api_describes_itself(shared_http: httpx.Client) -> None:
    description = shared_http.get("/openapi.json").json()
    chat = description["paths"]["/v1/chat/completions"]["post"]["responses"]
    assert set(chat) == {"200", "4XX", "5XX"}
    assert "/openapi.json" in shared_http.get("/docs").text
    assert all(f"### {client}" in description["info"]["description"] for client in ("curl", "openai", "anthropic"))


_FILE = {"files": {"file": b"RIFF"}, "data": {"model": ""}}


@pytest.mark.parametrize(
    ("path", "noun", "body"),
    [
        ("/v1/audio/transcriptions", "transcription", _FILE),
        ("/v1/audio/translations", "transcription", _FILE),
        ("/v1/audio/speech", "speech", {"json": {"model": "", "input": "Hello", "voice": "x"}}),
        ("/v1/images/generations", "image", {"json": {"prompt": "A cat"}}),
    ],
)
def test_kinds_of_which_no_model_is_loaded_say_so(
    shared_http: httpx.Client, path: str, noun: str, body: dict[str, Any]
) -> None:
    response = shared_http.post(path, **body)
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "model_not_loaded"
    assert f"No {noun} model is loaded" in response.json()["error"]["message"]
