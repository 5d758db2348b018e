"""A hub of its own for every test, download managers that share a home, and small segments so that files have many."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ominix_core.board import StateBoard
from ominix_core.downloads.job import Options
from ominix_core.downloads.manager import DownloadManager
from ominix_core.downloads.retry import RetryPolicy
from ominix_core.events import HubEvent, ModelStateChanged
from ominix_core.paths import Home
from ominix_core.registry.entry import RegistryEntry
from ominix_core.registry.entry_json import read_entry
from ominix_core.settings import Settings
from ominix_core.states import Downloading, ModelState
from tests.support.fixture_hub import FixtureHub
from tests.support.fixture_repo import make_model

SEGMENT_BYTES = 256 << 10
SHARD_BYTES = 1 << 20
OPTIONS = Options(
    connections=4,
    segment_bytes=SEGMENT_BYTES,
    timeout=0.5,
    retry=RetryPolicy(first_delay=0.01, longest_delay=0.1, patience=2.0, listing_patience=2.0, backup_patience=0.2),
)


@pytest.fixture(autouse=True)
def own_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No cache, token or proxy of the real user is seen."""
    for variable in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "MODELSCOPE_CACHE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "user/hf"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """What the fixture hub serves: the repository acme/model with two shards of four segments each."""
    root = tmp_path / "hub"
    make_model(root / "acme/model", shards=2, shard_bytes=SHARD_BYTES)
    return root


@pytest.fixture
def fixture_hub(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FixtureHub]:
    with FixtureHub(root, cdn=True) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("MODELSCOPE_ENDPOINT", hub.url)
        monkeypatch.setenv("OMINIX_TEST_ALLOW_LOOPBACK", "1")  # the CDN's host name is not one that a variable names
        yield hub


@pytest.fixture
def new_manager(home: Home) -> Iterator[Callable[..., DownloadManager]]:
    """Make download managers that share this test's home, each as if in a program of its own."""
    made: list[DownloadManager] = []

    def make(board: StateBoard | None = None, *, at_once: int = 2, options: Options = OPTIONS) -> DownloadManager:
        settings = Settings(simultaneous_downloads=at_once)
        made.append(DownloadManager(home, board or StateBoard(), settings, _no_conversion, options))
        return made[-1]

    yield make
    for manager in made:
        manager.close()


@pytest.fixture
def board() -> StateBoard:
    return StateBoard()


@pytest.fixture
def manager(new_manager: Callable[..., DownloadManager], board: StateBoard) -> DownloadManager:
    return new_manager(board)


def _no_conversion(entry: RegistryEntry, source: Path, target: Path) -> None:
    raise AssertionError("nothing here needs conversion")


def entry_for(source: dict[str, Any] | None = None, model_id: str = "model", **fields: Any) -> RegistryEntry:
    """An entry whose source is acme/model on the Hugging Face hub, unless another is given."""
    chosen = source or {"type": "HuggingFace", "repo": "acme/model"}
    return read_entry({"id": model_id, "name": "A Model", "source": chosen, **fields})


class Watch:
    """The states of one model as a subscriber sees them."""

    def __init__(self, board: StateBoard, model_id: str = "model") -> None:
        self.states: list[ModelState] = []
        self._model_id = model_id
        self._changed = threading.Condition()
        board.subscribe(self._on_event)

    def _on_event(self, event: HubEvent) -> None:
        if isinstance(event, ModelStateChanged) and event.model_id == self._model_id:
            with self._changed:
                self.states.append(event.state)
                self._changed.notify_all()

    def until(self, wanted: Callable[[ModelState], bool], seconds: float = 20.0) -> ModelState:
        """Wait for a state that passes; those that were seen already count."""
        with self._changed:
            found = self._changed.wait_for(lambda: next((each for each in self.states if wanted(each)), None), seconds)
        assert found is not None, f"never came; saw {self.states[-3:]}"
        return found

    def bytes_arrive(self, least: int = 1) -> Downloading:
        state = self.until(lambda state: isinstance(state, Downloading) and state.done_bytes >= least)
        assert isinstance(state, Downloading)
        return state


def same_files(folder: Path, repo: Path) -> bool:
    """Whether every file of a downloaded folder is byte for byte that of the repository, the weights all there."""
    names = [path.name for path in repo.iterdir() if path.suffix != ".md"]
    return all((folder / name).read_bytes() == (repo / name).read_bytes() for name in names)


def leftovers(folder: Path) -> list[str]:
    """What lies in the private folder beside the manifest."""
    return sorted(path.name for path in (folder / ".ominix").iterdir() if path.name != "manifest.json")
