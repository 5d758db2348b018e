"""A worker that hangs, with the real parts: the server says so, stays awake, ends it, and has the model back."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from ominix_core.events import HubEvent, ModelStateChanged
from ominix_core.hub import Hub
from ominix_core.paths import Home
from ominix_core.settings import Settings
from ominix_core.states import Error, Loaded, Loading, ModelState
from tests.conftest import local_entry
from tests.server.conftest import PATIENCE, api_server, running, wait_until

ENGINE = '''
import time
from ominix_core.generation import Finished, TextDelta
from ominix_core.media import Abilities

class HangingEngine:
    """Answers every conversation but one that ends with "hang"; its heart goes on beating then."""

    abilities = Abilities()
    running = 0

    def __init__(self):
        self._waiting = []

    @property
    def busy(self):
        return bool(self._waiting)

    def load(self, folder, options, report):
        report("reading")

    def submit(self, request_id, request):
        self._waiting.append((request_id, request.messages[-1].content))

    def step(self):
        request_id, text = self._waiting.pop()
        while text == "hang":
            time.sleep(60)
        yield request_id, TextDelta("fine")
        yield request_id, Finished("stop")

    def cancel(self, request_id): pass
    def trim(self): pass
    def close(self): pass
'''


def chat(text: str) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": text}], "max_tokens": 1}


def readiness(http: httpx.Client) -> int:
    return http.get("/health/ready").status_code


@pytest.fixture
def hanging(
    home: Home, add_models: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Hub]:
    """A hub whose model "hanging" has an engine of another package, in a process of its own."""
    site = tmp_path / "site"
    package = site / "hanging-1.0.dist-info"
    package.mkdir(parents=True)
    (site / "hanging.py").write_text(ENGINE)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: hanging\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[ominix.engines]\nhanging = hanging:HangingEngine\n")
    monkeypatch.setenv("PYTHONPATH", str(site))
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    add_models(local_entry("hanging", model, runtime={"engine": "hanging", "memory_gb": 0.1}))
    with Hub(home, Settings(isolation="process", hang_seconds=10 * PATIENCE)) as hub:
        hub.revive_models()
        hub.load("hanging").result(PATIENCE)
        yield hub


def states_of(hub: Hub) -> list[ModelState]:
    """The states of its models from now on."""
    seen: list[ModelState] = []

    def note(event: HubEvent) -> None:
        if isinstance(event, ModelStateChanged):
            seen.append(event.state)

    hub.subscribe(note)
    return seen


def test_one_that_is_stuck_in_a_step(hanging: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ominix_core.resident.STUCK_SECONDS", 1.0)
    seen = states_of(hanging)
    with (
        running(api_server(hanging)) as server,
        httpx.Client(base_url=server.url, timeout=PATIENCE) as http,
        ThreadPoolExecutor(1) as pool,
    ):
        answer = http.post("/v1/chat/completions", json=chat("hello")).json()
        assert answer["choices"][0]["message"]["content"] == "fine"
        waiting = pool.submit(http.post, "/v1/chat/completions", json=chat("hang"))
        wait_until(lambda: readiness(http) == 503)
        assert not waiting.done()
        with monkeypatch.context() as patch:
            patch.setattr(hanging._housekeeper, "settings", dataclasses.replace(hanging.settings, hang_seconds=2.0))
            wait_until(lambda: any(isinstance(state, Loaded) for state in seen))
        told = waiting.result(PATIENCE)
        assert (told.status_code, told.json()["error"]["code"]) == (503, "worker_gone")
        assert "stuck in one step" in told.json()["error"]["message"]
        kinds = [type(state) for state in seen]
        assert [kind for index, kind in enumerate(kinds) if kind is not kinds[index - 1]] == [Error, Loading, Loaded]
        assert readiness(http) == 200
        assert http.post("/v1/chat/completions", json=chat("hello")).status_code == 200


@pytest.mark.slow
def test_one_that_is_stopped_while_it_is_being_written_to(process_hub: Hub) -> None:
    """It reads nothing more: whoever waited for it to do so would wait with all others behind."""
    process_hub.revive_models()
    process_hub.load("tiny").result(PATIENCE)
    (resident,) = process_hub._runtime.residents
    worker = psutil.Process(resident.worker.pid)  # type: ignore[union-attr]
    seen = states_of(process_hub)
    with (
        running(api_server(process_hub)) as server,
        httpx.Client(base_url=server.url, timeout=PATIENCE) as http,
        ThreadPoolExecutor(20) as pool,
    ):
        worker.suspend()
        large = chat("x" * 1_000_000)
        waiting = [pool.submit(httpx.post, f"{server.url}/v1/chat/completions", json=large) for _ in range(20)]
        wait_until(lambda: len(http.get("/v1/requests").json()["data"]) == 20)
        (first, *_) = http.get("/v1/requests").json()["data"]
        assert http.delete(f"/v1/requests/{first['id']}").status_code == 200
        assert http.get("/v1/disk").status_code == 200
        assert http.get("/health/live").status_code == 200

        def given_up() -> bool:
            resident.last_beat = time.monotonic() - 60  # again, because a beat may still have been on its way
            return any(isinstance(state, Error) for state in seen)

        wait_until(given_up)
        codes = {answer.result(PATIENCE).json()["error"]["code"] for answer in waiting}
        assert codes <= {"cancelled", "worker_gone", "model_not_ready"}
        assert not worker.is_running()
        wait_until(lambda: any(isinstance(state, Loaded) for state in seen))
        assert readiness(http) == 200
        assert http.post("/v1/chat/completions", json=chat("hello")).status_code == 200
