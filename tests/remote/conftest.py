"""Hubs near and far: the same models, in this program or behind a server on a loopback port."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ominix_core.events import HubEvent, ModelStateChanged
from ominix_core.facade import HubFacade
from ominix_core.hub import Hub
from ominix_core.paths import Home
from ominix_core.remote.address import address_of
from ominix_core.remote.hub import RemoteHub
from ominix_core.server.run import ApiServer
from ominix_core.settings import Settings
from ominix_core.states import ModelState
from tests.conftest import local_entry
from tests.downloads.conftest import fixture_hub, own_user, root  # noqa: F401  fixtures
from tests.server.conftest import api_server, running

PATIENCE = 30.0


@pytest.fixture
def models(add_models: Callable[..., None], tiny_llm: Path, endless_llm: Path, tmp_path: Path) -> None:
    """Here are "tiny", "tiny-two", "broken" and "endless", which answers to max tokens; "model" can be downloaded."""
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text('{"model_type": "nothing"}')
    add_models(
        local_entry("tiny", tiny_llm),
        local_entry("tiny-two", tiny_llm),
        local_entry("endless", endless_llm),
        local_entry("broken", tmp_path / "broken"),
        {"id": "model", "name": "A Model", "source": {"type": "HuggingFace", "repo": "acme/model"}},
    )


@pytest.fixture
def near(home: Home, models: None) -> Iterator[Hub]:
    """The hub in this program."""
    with Hub(home, Settings(isolation="thread", registry_url="off")) as hub:
        yield hub


@pytest.fixture
def server(near: Hub) -> Iterator[ApiServer]:
    with running(api_server(near)) as server:
        yield server


@pytest.fixture
def far(server: ApiServer, quick_retries: None) -> Iterator[RemoteHub]:
    """The same hub, from behind its server."""
    with RemoteHub(lambda: address_of(server.url)) as hub:
        yield hub


@pytest.fixture(params=["near", "far"])
def either(request: pytest.FixtureRequest) -> HubFacade:
    hub: HubFacade = request.getfixturevalue(request.param)
    return hub


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ominix_core.remote.watch.FIRST_DELAY", 0.1)
    monkeypatch.setattr("ominix_core.remote.watch.LONGEST_DELAY", 0.5)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Four seconds of a tone, as long as a voice's clip may be."""
    soundfile.write(tmp_path / "clip.wav", 0.3 * np.sin(np.arange(16_000 * 4) / 20), 16_000, subtype="PCM_16")
    return tmp_path / "clip.wav"


class Events:
    """What a subscriber hears, in order."""

    def __init__(self, hub: HubFacade, *, replay: bool = False) -> None:
        self.heard: list[HubEvent] = []
        self._changed = threading.Condition()
        self.stop = hub.subscribe(self._on_event, replay=replay)

    def _on_event(self, event: HubEvent) -> None:
        with self._changed:
            self.heard.append(event)
            self._changed.notify_all()

    def until(self, wanted: Callable[[HubEvent], bool]) -> HubEvent:
        """Wait for an event that passes; those that were heard already count."""
        with self._changed:
            found = self._changed.wait_for(lambda: next((it for it in self.heard if wanted(it)), None), PATIENCE)
        assert found is not None, f"never came; heard {self.heard[-5:]}"
        return found

    def until_state(self, model_id: str, wanted: Callable[[ModelState], bool]) -> ModelState:
        event = self.until(
            lambda it: isinstance(it, ModelStateChanged) and it.model_id == model_id and wanted(it.state)
        )
        assert isinstance(event, ModelStateChanged)
        return event.state

    def kinds(self, model_id: str) -> list[type[ModelState]]:
        """The states that a model went through, each once."""
        states = [it.state for it in self.heard if isinstance(it, ModelStateChanged) and it.model_id == model_id]
        kinds = [type(state) for state in states]
        return [kind for index, kind in enumerate(kinds) if index == 0 or kinds[index - 1] is not kind]
