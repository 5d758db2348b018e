"""Loads that stumble over something unforeseen, and loads that come while the same model leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ominix_core import prompt_caches
from ominix_core.errors import BusyError, LoadError
from ominix_core.generation import Finished
from ominix_core.housekeeping import Housekeeper
from ominix_core.hub import Hub
from ominix_core.load_options import load_options
from ominix_core.memory import Machine
from ominix_core.paths import Home
from ominix_core.settings import Settings
from ominix_core.states import Error, Loaded
from ominix_core.stream import Generation
from tests.conftest import local_entry
from tests.support.chat import ask, collect

GIB = 1 << 30


@pytest.fixture
def hub(home: Home, add_models: Callable[..., None], tiny_llm: Path) -> Iterator[Hub]:
    add_models(local_entry("one", tiny_llm))
    with Hub(home, Settings(isolation="thread")) as hub:
        yield hub


def test_a_load_that_fails_unforeseen_is_an_error_and_can_be_tried_again(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Machine:
        raise RuntimeError("the system does not tell.")

    with monkeypatch.context() as patched:
        patched.setattr(hub._guard, "read_machine", broken)
        with pytest.raises(LoadError, match=r"^One could not be loaded: the system does not tell\. The log"):
            hub.load("one").result(60)
        assert isinstance(hub.state("one"), Error)
    hub.load("one").result(60)
    assert isinstance(hub.state("one"), Loaded)


def test_a_worker_that_cannot_be_started_is_told(home: Home, add_models: Callable[..., None], tiny_llm: Path) -> None:
    add_models(local_entry("one", tiny_llm))
    home.root.mkdir(parents=True, exist_ok=True)
    home.logs.write_text("a file where a folder should be")
    with Hub(home, Settings(isolation="process")) as hub:
        hub._runtime.warm_up()
        with pytest.raises(LoadError, match="One could not be loaded"):
            hub.load("one").result(60)
        assert isinstance(hub.state("one"), Error)


def test_the_state_is_that_of_a_load_which_overtakes_the_end_of_the_same_model(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.load("one").result(60)
    (resident,) = hub._runtime.residents
    worker: Any = resident.worker
    close = worker.close

    def close_slowly(patience: float = 0.0) -> None:
        hub.load("one").result(60)
        close(patience)

    monkeypatch.setattr(worker, "close", close_slowly)
    hub.unload("one")
    assert isinstance(hub.state("one"), Loaded)
    assert isinstance(collect(hub.generate("one", ask("hello")))[1], Finished)


def test_a_shortage_of_memory_is_forgotten_with_the_last_model(hub: Hub) -> None:
    keeper = Housekeeper(hub._runtime, hub._guard, hub.settings)
    hub.load("one").result(60)
    hub._guard.read_machine = lambda: Machine(64 * GIB, 3 * GIB)
    keeper.look()
    with pytest.raises(BusyError, match="short of memory"):
        hub.generate("one", ask("hello"))
    hub.unload("one")
    keeper.look()
    hub.load("one", force=True).result(60)
    assert isinstance(collect(hub.generate("one", ask("hello")))[1], Finished)


def test_prompt_caches_that_vanish_meanwhile_cost_no_load(home: Home) -> None:
    home.prompt_caches.mkdir(parents=True)
    (home.prompt_caches / "gone").symlink_to(home.root / "nowhere")
    prompt_caches.prune(home, 1)


def test_prompt_caches_of_a_model_alone_are_not_those_of_one_with_a_draft(hub: Hub, home: Home, tiny_llm: Path) -> None:
    one = hub.resolve("one")
    alone = load_options(one, tiny_llm, None, home, hub.settings)
    drafted = load_options(one, tiny_llm, tiny_llm, home, hub.settings)
    assert alone.cache_folder == load_options(one, tiny_llm, None, home, hub.settings).cache_folder
    assert alone.cache_folder != drafted.cache_folder


def test_an_answer_that_was_taken_to_its_end_can_be_asked_for_more() -> None:
    generation = Generation("x", lambda _: None)
    generation.put(Finished("stop"))
    assert generation.drain() == [Finished("stop")]
    assert list(generation) == []
