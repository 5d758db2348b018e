"""A machine without any model: what fits is told, and one key gets the recommended model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import TextArea

from ominix_core.hub import Hub
from ominix_core.memory import Machine
from ominix_core.paths import Home
from ominix_core.registry.catalogue import Registry
from ominix_core.registry.entry import RegistryEntry
from ominix_core.registry.entry_json import read_entry
from ominix_core.settings import Settings
from ominix_core.states import Downloading
from ominix_core.system import System
from ominix_tui.app import OminixApp
from ominix_tui.first_run import offer
from tests.support.fixture_hub import FixtureHub
from tests.tui.support import screen_text, set_state, settled, until

SnapCompare = Callable[..., bool]
SIZES = pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
GB = 10**9


def _entry(model_id: str, name: str, memory_gb: float, **fields: object) -> RegistryEntry:
    source = {"type": "HuggingFace", "repo": f"mlx/{model_id}"}
    sizes = {"size_bytes": int(memory_gb * 0.8 * GB), "runtime": {"memory_gb": memory_gb}}
    return read_entry({"id": model_id, "name": name, "source": source, **sizes, **fields})


@pytest.fixture
def empty_hub(home: Home) -> Iterator[Hub]:
    """A hub on a machine with 32 GB and no model."""
    package = {"type": "PyPI", "package": "smollm2", "version": "1", "files": ["a.gguf"], "sha256": "0" * 64}
    entries = [
        _entry("demo", "SmolLM2 135M", 0.8, source=package, subcategory="Demo"),
        _entry("qwen3-0.6b", "Qwen3 0.6B", 1.8),
        _entry("qwen3-8b", "Qwen3 8B", 10.8),
        _entry("qwen3-30b-a3b", "Qwen3 30B-A3B", 19.8),
        _entry("qwen3-235b-moe", "Qwen3 235B-A22B", 150.9),
        _entry("whisper", "Whisper", 1.0, category="ASR"),
    ]
    machine = Machine(32 * GB, 28 * GB)
    with Hub(home, Settings(isolation="thread"), Registry(entries)) as hub:
        hub.system = lambda: System(machine, {}, 1000 * GB, 412 * GB, "balanced")  # type: ignore[method-assign]
        hub._guard.read_machine = lambda: machine
        yield hub


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FixtureHub]:
    """A model hub that answers, without the models."""
    (tmp_path / "web").mkdir()
    with FixtureHub(tmp_path / "web") as web:
        monkeypatch.setenv("HF_ENDPOINT", web.url)
        yield web


async def shows(pilot: Pilot[None], *texts: str) -> None:
    await until(pilot, lambda: all(text in screen_text(pilot) for text in texts))


def test_the_recommended_model_leaves_half_of_the_room_free(empty_hub: Hub) -> None:
    found = offer(empty_hub)
    assert found is not None
    assert found.recommended.id == "qwen3-8b"
    assert [entry.id for entry in found.fitting] == ["qwen3-30b-a3b", "qwen3-8b", "qwen3-0.6b", "demo"]


def test_a_small_machine_gets_the_smallest(empty_hub: Hub) -> None:
    machine = Machine(int(5.2 * GB), 5 * GB)
    empty_hub.system = lambda: System(machine, {}, GB, GB, "balanced")  # type: ignore[method-assign]
    found = offer(empty_hub)
    assert found is not None
    assert found.recommended.id == "demo"


def test_nothing_is_offered_where_nothing_fits(empty_hub: Hub) -> None:
    machine = Machine(GB, GB)
    empty_hub.system = lambda: System(machine, {}, GB, GB, "balanced")  # type: ignore[method-assign]
    assert offer(empty_hub) is None


async def test_one_key_downloads_the_recommended_model(empty_hub: Hub, web: FixtureHub) -> None:
    async with OminixApp(lambda: empty_hub).run_test(size=(120, 40)) as pilot:
        await shows(pilot, "No model is on this machine yet.", "★ Qwen3 8B", "Press g to get ★ Qwen3 8B (8.6 GB)")
        await pilot.press("g", *"Say hi")
        await until(pilot, lambda: web.asked("*mlx/qwen3-8b*"))
        await until(pilot, lambda: "Welcome" not in screen_text(pilot))
        assert pilot.app.query_one("#prompt", TextArea).text == "Say hi"


async def test_another_model_can_be_looked_at(empty_hub: Hub, web: FixtureHub) -> None:
    async with OminixApp(lambda: empty_hub).run_test(size=(120, 40)) as pilot:
        await shows(pilot, "★ Qwen3 8B")
        await pilot.press("down")
        await shows(pilot, "Quick test")
        assert "Welcome" not in screen_text(pilot)


async def test_without_network_the_demo_model_is_offered(empty_hub: Hub) -> None:
    async with OminixApp(lambda: empty_hub).run_test(size=(120, 40)) as pilot:
        await shows(pilot, "cannot be", "Press g to get ★ SmolLM2 135M")
        name = str(pilot.app.screen.query_one("#name").render())
        assert name == "SmolLM2 135M"


async def test_a_model_that_comes_meanwhile_ends_the_greeting(empty_hub: Hub, web: FixtureHub) -> None:
    async with OminixApp(lambda: empty_hub).run_test(size=(120, 40)) as pilot:
        await shows(pilot, "★ Qwen3 8B")
        set_state(empty_hub, "qwen3-8b", Downloading(1, 2))
        await until(pilot, lambda: "Welcome" not in screen_text(pilot))


@SIZES
class TestPictures:
    def test_online(self, snap_compare: SnapCompare, empty_hub: Hub, web: FixtureHub, size: tuple[int, int]) -> None:
        async def act(pilot: Pilot[None]) -> None:
            await shows(pilot, "★ Qwen3 8B")
            await settled(pilot)

        assert snap_compare(OminixApp(lambda: empty_hub), terminal_size=size, run_before=act)

    def test_offline(self, snap_compare: SnapCompare, empty_hub: Hub, size: tuple[int, int]) -> None:
        async def act(pilot: Pilot[None]) -> None:
            await shows(pilot, "★ SmolLM2 135M (")
            await settled(pilot)

        assert snap_compare(OminixApp(lambda: empty_hub), terminal_size=size, run_before=act)
