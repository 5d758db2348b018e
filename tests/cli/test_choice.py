"""Which model a command uses when none is named, and what is said of one that it cannot use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ominix_core.errors import OminixError
from ominix_core.hub import Hub
from ominix_core.paths import Home
from ominix_core.settings import Settings
from ominix_core.states import Loaded, Unsupported
from ominix_tui.commands.choice import choose, example
from tests.conftest import local_entry


@pytest.fixture
def hub(home: Home, add_models: Callable[..., None], tmp_path: Path) -> Iterator[Hub]:
    """Three speech models and a chat model, all on this machine as far as names tell."""
    (tmp_path / "config.json").write_text("{}")
    speakers = (local_entry(name, tmp_path, category="TTS") for name in ("old", "small", "large"))
    add_models(*speakers, local_entry("chatty", tmp_path))
    with Hub(home, Settings(isolation="thread")) as hub:
        hub._board.set("old", Unsupported("It needs another machine."))
        yield hub


def test_the_first_that_can_run_here_is_used(hub: Hub) -> None:
    assert choose(hub, "", "TTS").id == "small"


def test_one_in_memory_comes_first(hub: Hub) -> None:
    hub._board.set("large", Loaded())
    assert choose(hub, "", "TTS").id == "large"


def test_one_of_another_category_is_refused_before_it_is_loaded(hub: Hub) -> None:
    with pytest.raises(OminixError, match="Chatty does not speak: its category is LLM"):
        choose(hub, "chatty", "TTS")


def test_without_any_the_way_to_one_is_told(hub: Hub) -> None:
    with pytest.raises(OminixError, match=r"^No transcription model is on this machine\. Get one first: ominix pull "):
        choose(hub, "", "ASR")


def test_a_model_is_tried_by_the_command_of_its_category(hub: Hub) -> None:
    assert example(hub.resolve("chatty")) == 'ominix run chatty "Hello"'
    assert example(hub.resolve("small")) == 'ominix speak "Hello" --model small'
