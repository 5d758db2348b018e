"""What other programs write under a home reaches a hub that runs: registry, models and settings."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ominix_core.errors import UnknownModelError
from ominix_core.events import RegistryChanged
from ominix_core.file_watch import Watched
from ominix_core.generation import TextDelta
from ominix_core.hub import Hub
from ominix_core.paths import Home
from ominix_core.registry import override
from ominix_core.registry.fetched import fetched_file
from ominix_core.remote.hub import RemoteHub
from ominix_core.server.run import ApiServer
from ominix_core.settings import Settings
from ominix_core.states import Downloaded, Error, Loaded, NotDownloaded
from tests.conftest import local_entry
from tests.downloads.conftest import fixture_hub, own_user, root  # noqa: F401  fixtures
from tests.remote.conftest import Events, far, models, near, quick_retries, server  # noqa: F401  fixtures
from tests.support.chat import ask
from tests.support.command import ominix
from tests.support.fixture_hub import FixtureHub

PATIENCE = 30.0


@pytest.fixture
def seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is looked at by itself, so that only who looks sees a change."""
    monkeypatch.setattr("ominix_core.file_watch.LOOK_SECONDS", 600.0)


@pytest.fixture
def http(server: ApiServer) -> Iterator[httpx.Client]:  # noqa: F811
    with httpx.Client(base_url=server.url, timeout=PATIENCE, trust_env=False) as client:
        yield client


def is_change(change: str, model_id: str) -> Callable[[Any], bool]:
    return lambda event: isinstance(event, RegistryChanged) and model_id in getattr(event, change)


class TestRegistry:
    def test_an_entry_comes_changes_and_goes(self, hub: Hub, tiny_llm: Path) -> None:
        events = Events(hub)
        override.put(hub.home, local_entry("late", tiny_llm))
        events.until(is_change("added", "late"))
        assert hub.state("late") == Downloaded()
        override.put(hub.home, local_entry("late", tiny_llm, name="Later"))
        events.until(is_change("changed", "late"))
        assert hub.resolve("late").name == "Later"
        override.remove(hub.home, "late")
        events.until(is_change("removed", "late"))
        with pytest.raises(UnknownModelError):
            hub.resolve("late")

    def test_a_registry_that_another_program_fetched(self, hub: Hub) -> None:
        events = Events(hub)
        hub.home.registry.mkdir(exist_ok=True)
        fetched_file(hub.home).write_text(json.dumps({"models": [{"id": "new", "name": "New", "source": "owner/new"}]}))
        events.until(is_change("added", "new"))

    @pytest.mark.parametrize("broken", ['{"models": [{"id": "la', "", '{"models": 3}'], ids=["half", "empty", "shape"])
    def test_a_broken_file_leaves_what_it_said_before(self, hub: Hub, broken: str, tiny_llm: Path) -> None:
        events = Events(hub)
        hub.home.registry_override.write_text(broken)
        told = events.until(lambda event: isinstance(event, RegistryChanged) and bool(event.problems))
        assert isinstance(told, RegistryChanged)
        assert hub.home.registry_override.name in told.problems[0]
        assert told.problems[0].endswith("What it said before is still used.")
        assert (told.removed, hub.resolve("tiny").id) == ((), "tiny")
        hub.home.registry_override.write_text(json.dumps({"models": [local_entry("late", tiny_llm)]}))
        events.until(is_change("added", "late"))
        assert not hub.registry.problems

    def test_a_model_that_is_in_memory_stays_until_it_leaves_that(self, hub: Hub) -> None:
        hub.load("tiny").result(PATIENCE)
        events = Events(hub)
        override.remove(hub.home, "tiny-two")
        override.remove(hub.home, "tiny")
        events.until(is_change("removed", "tiny-two"))
        assert any(isinstance(event, TextDelta) for event in hub.generate("tiny", ask("Hello")))
        hub.unload("tiny")
        events.until(is_change("removed", "tiny"))

    def test_a_change_of_a_loaded_model_leaves_it_loaded(self, hub: Hub, tiny_llm: Path) -> None:
        hub.load("tiny").result(PATIENCE)
        events = Events(hub)
        override.put(hub.home, local_entry("tiny", tiny_llm, name="Renamed"))
        events.until(is_change("changed", "tiny"))
        assert isinstance(hub.state("tiny"), Loaded)
        assert hub.resolve("tiny").name == "Renamed"

    def test_a_corrected_entry_forgets_its_error(self, hub: Hub, tiny_llm: Path) -> None:
        override.put(hub.home, local_entry("lost", hub.home.root / "nowhere"))
        events = Events(hub, replay=True)
        events.until_state("lost", lambda state: isinstance(state, Error))
        override.put(hub.home, local_entry("lost", tiny_llm))
        events.until_state("lost", lambda state: state == Downloaded())

    def test_a_server_s_clients_see_it(self, near: Hub, far: RemoteHub, tiny_llm: Path) -> None:  # noqa: F811
        events = Events(far)
        override.put(near.home, local_entry("late", tiny_llm))
        events.until(is_change("added", "late"))
        assert far.state("late") == Downloaded()
        near.home.registry_override.write_text("{")
        told = events.until(lambda event: isinstance(event, RegistryChanged) and bool(event.problems))
        assert str(near.home.root) not in str(told)

    @pytest.mark.usefixtures("seldom")
    def test_a_name_that_is_unknown_is_looked_up_at_once(self, http: httpx.Client, near: Hub, tiny_llm: Path) -> None:  # noqa: F811
        assert http.get("/v1/models/late").status_code == 404
        override.put(near.home, local_entry("late", tiny_llm))
        assert http.get("/v1/models/late").json()["status"] == "downloaded"
        override.put(near.home, local_entry("latest", tiny_llm))
        assert "latest" in {model["id"] for model in http.get("/v1/models").json()["data"]}
        override.put(near.home, local_entry("last", tiny_llm))
        assert "last" in {model["id"] for model in http.get("/v1/registry").json()["data"]}
        override.put(near.home, local_entry("very-last", tiny_llm))
        http.post("/v1/models/very-last/load").read()
        assert isinstance(near.state("very-last"), Loaded)


class TestModels:
    @pytest.fixture(autouse=True)
    def _source(self, fixture_hub: FixtureHub) -> None:  # noqa: F811
        pass

    def test_a_model_that_another_program_gets_and_removes(self, near: Hub) -> None:  # noqa: F811
        events = Events(near)
        with Hub(near.home, near.settings) as other:
            other.download("model").result(PATIENCE)
            events.until_state("model", lambda state: state == Downloaded())
            other.remove("model")
            events.until_state("model", lambda state: state == NotDownloaded())

    def test_files_that_go_under_a_loaded_model_are_missed_when_it_is_unloaded(
        self, hub: Hub, tiny_llm: Path, tmp_path: Path
    ) -> None:
        folder = shutil.copytree(tiny_llm, tmp_path / "copy")
        override.put(hub.home, local_entry("copy", folder))
        hub.look()
        hub.load("copy").result(PATIENCE)
        shutil.rmtree(folder)
        hub.look()
        assert isinstance(hub.state("copy"), Loaded)
        events = Events(hub)
        hub.unload("copy")
        events.until_state("copy", lambda state: isinstance(state, Error) and "holds no model" in state.message)

    @pytest.mark.usefixtures("seldom")
    def test_a_failed_download_keeps_its_error(self, near: Hub, fixture_hub: FixtureHub) -> None:  # noqa: F811
        fixture_hub.fault("status", code=404)
        with pytest.raises(Exception, match="acme/model"):
            near.download("model").result(PATIENCE)
        near.look()
        assert isinstance(near.state("model"), Error)

    @pytest.mark.usefixtures("seldom")
    def test_a_request_finds_a_model_that_has_just_come(self, near: Hub, http: httpx.Client, tiny_llm: Path) -> None:  # noqa: F811
        body = {"model": "model", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
        assert "ominix pull model" in http.post("/v1/chat/completions", json=body).json()["error"]["message"]
        shutil.copytree(tiny_llm, near.home.model("model"))
        near.home.config.write_text("jit = true")
        assert http.post("/v1/chat/completions", json=body).status_code == 200


class TestSettings:
    def test_what_says_how_models_are_loaded_is_followed(self, hub: Hub) -> None:
        hub.home.config.write_text('port = 9000\ncontext = 4096\nadapters = {tiny = "/nowhere"}')
        hub.look()
        assert (hub.settings.context, hub.settings.adapters) == (4096, {"tiny": "/nowhere"})
        assert hub.settings.port == 8080  # a socket that is open does not move
        assert hub.settings.isolation == "thread"  # what this program was started with
        with pytest.raises(Exception, match="nowhere"):
            hub.load("tiny").result(PATIENCE)
        hub.home.config.write_text("context = 4096")
        hub.look()
        hub.load("tiny").result(PATIENCE)

    def test_a_broken_file_changes_nothing(self, hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
        hub.home.config.write_text("context = 4096")
        hub.look()
        for broken in ("context = ", "context = 0", "contexts = 1"):
            hub.home.config.write_text(broken)
            hub.look()
            assert hub.settings.context == 4096
            assert "Until then the settings from before hold." in caplog.text
            caplog.clear()

    def test_an_option_of_the_command_stays(self, home: Home) -> None:
        with Hub(home, Settings(isolation="thread", idle_minutes=5.0)) as hub:
            home.config.write_text("idle_minutes = 1\njit = true")
            hub.look()
            assert (hub.settings.idle_minutes, hub.settings.jit) == (5.0, True)


class TestWatched:
    def test_what_settles_is_acted_on_once_it_has_stopped_changing(self) -> None:
        stamps, acted = iter("aabccccd"), []
        watched = Watched(lambda: next(stamps), lambda: acted.append("x"), settles=True)
        steps = []
        for _ in range(6):
            watched.look(at_once=False)
            steps.append(len(acted))
        assert steps == [0, 0, 0, 1, 1, 1]
        watched.look(at_once=True)
        assert len(acted) == 2


def test_add_pull_and_run_while_a_server_runs(
    near: Hub,  # noqa: F811
    server: ApiServer,  # noqa: F811
    root: Path,  # noqa: F811
    tiny_llm: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copytree(tiny_llm, root / "own/m")
    with FixtureHub(root) as source:
        monkeypatch.setitem(os.environ, "HF_ENDPOINT", source.url)
        for command in (["registry", "add", "own/m", "--yes"], ["pull", "m"], ["run", "m", "hi", "--max-tokens", "3"]):
            result = ominix(*command)
            assert result.returncode == 0, result.stderr
    assert isinstance(near.state("m"), Loaded)
