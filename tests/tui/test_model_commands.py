"""What can be done with a model, by keyboard: its whole life, and every question that is asked on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from ominix_core.hub import Hub
from ominix_core.memory import Machine
from ominix_core.paths import Home
from ominix_core.registry.catalogue import Registry
from ominix_core.registry.entry_json import read_entry
from ominix_core.settings import Settings
from ominix_core.states import (
    Downloaded,
    Downloading,
    Error,
    Loaded,
    Loading,
    ModelState,
    NotDownloaded,
    Paused,
    Unsupported,
)
from ominix_tui.app import OminixApp
from ominix_tui.model_commands import commands_for
from ominix_tui.widgets.prompt_area import PromptArea
from tests.support.fixture_hub import FixtureHub
from tests.support.fixture_repo import make_model
from tests.tui.support import answer, screen_text, set_state, until, until_connected, visible_panel

SnapCompare = Callable[..., bool]
GB = 10**9
SIZES = pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
BIG = (120, 40)


async def shows(pilot: Pilot[None], *texts: str) -> None:
    await until(pilot, lambda: all(text in screen_text(pilot) for text in texts))


@pytest.mark.parametrize(
    ("state", "commands"),
    [
        (NotDownloaded(), ("get",)),
        (Downloading(), ("pause", "cancel")),
        (Paused(1, 2), ("resume", "remove")),
        (Downloaded(), ("load", "use", "verify", "remove")),
        (Loading(), ("cancel",)),
        (Loaded(), ("use", "unload", "verify", "remove")),
        (Error("x"), ("get", "remove")),
        (Unsupported("x"), ()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_state_has_its_commands(state: ModelState, commands: tuple[str, ...]) -> None:
    assert commands_for(state, on_disk=False) == commands


class TestLife:
    @pytest.fixture
    def web(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FixtureHub]:
        make_model(tmp_path / "web/acme/model", shards=2, shard_bytes=1 << 20)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        with FixtureHub(tmp_path / "web") as web:
            monkeypatch.setenv("HF_ENDPOINT", web.url)
            yield web

    @pytest.fixture
    def hub(self, home: Home) -> Iterator[Hub]:
        entry = {"id": "model", "name": "A model", "source": {"type": "HuggingFace", "repo": "acme/model"}}
        with Hub(home, Settings(isolation="thread"), Registry([read_entry(entry)])) as hub:
            yield hub

    async def test_get_pause_resume_verify_repair_remove(self, web: FixtureHub, hub: Hub, home: Home) -> None:
        web.fault("slow", path="*.safetensors", rate=1 << 16)
        app = OminixApp(lambda: hub)
        async with app.run_test(size=BIG, notifications=True) as pilot:
            await until_connected(pilot)
            await pilot.press("g")
            await shows(pilot, "Downloading", "/s")
            await pilot.press("escape", "p")
            await shows(pilot, "‖ Paused at")
            web.mend()
            await pilot.press("g")
            await shows(pilot, "○ Downloaded")
            await pilot.press("escape", "v")
            await shows(pilot, "files match their checksums")
            shard = next(home.model("model").glob("*.safetensors"))
            shard.write_bytes(bytes(shard.stat().st_size))
            await pilot.press("v")
            await shows(pilot, "A model: 1 of its files are damaged", "does not match its checksum")
            await pilot.press("up", "enter")
            await until(pilot, lambda: any(shard.read_bytes()) and isinstance(hub.state("model"), Downloaded))
            await shows(pilot, "○ Downloaded")
            await pilot.press("d")
            await shows(pilot, "Remove A model from this machine? Its 2 MB on disk are deleted.")
            await answer(pilot, "enter")
            assert isinstance(hub.state("model"), Downloaded)
            await pilot.press("d")
            await shows(pilot, "Remove A model from this machine?")
            await answer(pilot, "y")
            await shows(pilot, "· Not downloaded", "A model was removed, which freed 2 MB.")
            assert not home.model("model").exists()

    @pytest.mark.parametrize(("keys", "state"), [(("enter",), Paused), (("j", "enter"), NotDownloaded)])
    async def test_cancel_keeps_the_bytes_or_discards_them(
        self, web: FixtureHub, hub: Hub, keys: tuple[str, ...], state: type[ModelState]
    ) -> None:
        web.fault("slow", path="*.safetensors", rate=1 << 16)
        app = OminixApp(lambda: hub)
        async with app.run_test(size=BIG) as pilot:
            await until_connected(pilot)
            await pilot.press("g")
            await shows(pilot, "/s")
            await pilot.press("escape", "c")
            await shows(pilot, "Cancel the download of A model?")
            await pilot.press("escape")
            assert isinstance(hub.state("model"), Downloading)
            await pilot.press("c")
            await shows(pilot, "Stop, and discard them")
            await pilot.press(*keys)
            await until(pilot, lambda: isinstance(hub.state("model"), state))


class TestMemory:
    @pytest.fixture
    def hub(self, home: Home, hub: Hub) -> Iterator[Hub]:
        """One that may hold two models, has loaded "tiny", and may give 400 MB; "tiny-two" needs 500."""
        with Hub(home, Settings(isolation="thread", max_loaded_per_category=2)) as roomy:
            roomy.load("tiny").result()
            roomy._guard.read_machine = lambda: Machine((4 << 30) + 400_000_000, 3 * GB)
            yield roomy

    @pytest.fixture
    def short_of_memory(self, hub: Hub) -> OminixApp:
        return OminixApp(lambda: hub, "tiny-two", load_initial=False)

    async def test_the_verdict_is_told_before_the_load(self, short_of_memory: OminixApp) -> None:
        async with short_of_memory.run_test(size=BIG) as pilot:
            await until_connected(pilot)
            await shows(pilot, "! Needs 0.5 GB, only 0.4 GB available. Unload another model first.")

    async def test_unloading_another_model_makes_room(self, hub: Hub, short_of_memory: OminixApp) -> None:
        async with short_of_memory.run_test(size=BIG) as pilot:
            await until_connected(pilot)
            await pilot.press("l")
            await shows(pilot, "Not enough memory for Tiny Two", "Unload Tiny (", "KV cache", "3.0 GB free of 4.7 GB")
            hub._guard.read_machine = lambda: Machine(64 * GB, 32 * GB)
            await pilot.press("down", "enter")
            await until(pilot, lambda: isinstance(hub.state("tiny-two"), Loaded))
            assert isinstance(hub.state("tiny"), Downloaded)

    async def test_load_anyway(self, hub: Hub, short_of_memory: OminixApp) -> None:
        async with short_of_memory.run_test(size=BIG) as pilot:
            await until_connected(pilot)
            await pilot.press("l")
            await shows(pilot, "Load anyway")
            await pilot.press("up", "enter")
            await until(pilot, lambda: isinstance(hub.state("tiny-two"), Loaded))
            assert isinstance(hub.state("tiny"), Loaded)

    async def test_text_that_is_being_typed_answers_nothing(self, hub: Hub, short_of_memory: OminixApp) -> None:
        async with short_of_memory.run_test(size=BIG) as pilot:
            await until_connected(pilot)
            await pilot.press("l", *"jolly")
            prompt = visible_panel(pilot).query_one(PromptArea)
            assert prompt.text == "jolly"
            await shows(pilot, "Load anyway")
            await pilot.press(*"jelly", "enter", "enter")
            await shows(pilot, "Load anyway")
            assert isinstance(hub.state("tiny"), Loaded)
            await pilot.press("escape", *"again")
            await until(pilot, lambda: prompt.text == "jollyagain")
            assert isinstance(hub.state("tiny"), Loaded)

    async def test_thinking_better_of_it(self, hub: Hub, short_of_memory: OminixApp) -> None:
        async with short_of_memory.run_test(size=BIG) as pilot:
            await until_connected(pilot)
            await pilot.press("l")
            await shows(pilot, "Load anyway")
            await pilot.press("escape")
            await shows(pilot, "! Error", "Needs 0.5 GB, only 0.4 GB available.")
            assert isinstance(hub.state("tiny"), Loaded)

    async def test_a_model_that_is_not_here_is_judged_by_the_registry(self, catalogue_hub: Hub) -> None:
        app = OminixApp(lambda: catalogue_hub, "qwen3-235b-moe")
        async with app.run_test(size=BIG) as pilot:
            await until_connected(pilot)
            await shows(pilot, "! Needs about 132.0 GB, only 20.4 GB available.", "This machine can give a model")
            await shows(pilot, "Qwen3 8B (qwen3-8b)")


class TestUse:
    async def test_it_loads_the_model_and_goes_to_its_panel(self, hub: Hub) -> None:
        app = OminixApp(lambda: hub, "tiny", load_initial=False)
        async with app.run_test(size=BIG) as pilot:
            await until_connected(pilot)
            await pilot.press("s")
            await until(pilot, lambda: isinstance(hub.state("tiny"), Loaded))
            await until(pilot, lambda: visible_panel(pilot).query_one("#prompt").has_focus)
            await pilot.press("escape", "s")
            assert visible_panel(pilot).query_one("#prompt").has_focus

    async def test_the_buttons_do_what_the_keys_do(self, hub: Hub) -> None:
        app = OminixApp(lambda: hub, "tiny", load_initial=False)
        async with app.run_test(size=BIG) as pilot:
            await until_connected(pilot)
            await pilot.press("tab", "enter")
            await until(pilot, lambda: isinstance(hub.state("tiny"), Loaded))
            await shows(pilot, "Unload")
            await pilot.press("escape", "tab", "tab", "enter")
            await until(pilot, lambda: isinstance(hub.state("tiny"), Downloaded))


class TestDetails:
    async def test_everything_known_is_told(self, catalogue_app: OminixApp) -> None:
        async with catalogue_app.run_test() as pilot:
            await until_connected(pilot)
            await pilot.press("i")
            await shows(pilot, "Licence       Apache-2.0", "Qwen3 8B, as the catalogue describes it.")
            await pilot.press("escape")
            await until(pilot, lambda: "Licence" not in screen_text(pilot))

    async def test_a_long_facts_line_is_whole_on_a_small_screen(self, catalogue_hub: Hub) -> None:
        entry = read_entry({**catalogue_hub.resolve("qwen3-8b").said, "verified": True})
        catalogue_hub.registry = Registry([entry])
        async with OminixApp(lambda: catalogue_hub).run_test() as pilot:
            await until_connected(pilot)
            await shows(pilot, "✓ verified")


@SIZES
class TestPictures:
    def test_memory_dialog(
        self, snap_compare: SnapCompare, catalogue_hub: Hub, catalogue_app: OminixApp, size: tuple[int, int]
    ) -> None:
        machine = Machine(32 * GB, 6_100_000_000)
        catalogue_hub._guard.read_machine = lambda: machine

        async def act(pilot: Pilot[None]) -> None:
            await until_connected(pilot)
            await pilot.press("l")
            await shows(pilot, "Load anyway")

        assert snap_compare(catalogue_app, terminal_size=size, run_before=act)

    def test_cancel_dialog(
        self, snap_compare: SnapCompare, catalogue_hub: Hub, catalogue_app: OminixApp, size: tuple[int, int]
    ) -> None:
        async def act(pilot: Pilot[None]) -> None:
            await until_connected(pilot)
            state = Downloading(1_230_000_000, 8_590_000_000, "model.safetensors", 48_300_000)
            set_state(catalogue_hub, "qwen3-8b", state)
            await shows(pilot, "Pause")
            await pilot.press("c")
            await shows(pilot, "discard")

        assert snap_compare(catalogue_app, terminal_size=size, run_before=act)

    def test_details(self, snap_compare: SnapCompare, catalogue_app: OminixApp, size: tuple[int, int]) -> None:
        async def act(pilot: Pilot[None]) -> None:
            await until_connected(pilot)
            await pilot.press("i")
            await shows(pilot, "Licence")

        assert snap_compare(catalogue_app, terminal_size=size, run_before=act)

    def test_does_not_fit(self, snap_compare: SnapCompare, catalogue_hub: Hub, size: tuple[int, int]) -> None:
        app = OminixApp(lambda: catalogue_hub, "qwen3-235b-moe")

        async def act(pilot: Pilot[None]) -> None:
            await until_connected(pilot)
            await shows(pilot, "at most")

        assert snap_compare(app, terminal_size=size, run_before=act)

    def test_waiting_download(
        self, snap_compare: SnapCompare, catalogue_hub: Hub, catalogue_app: OminixApp, size: tuple[int, int]
    ) -> None:
        async def act(pilot: Pilot[None]) -> None:
            await until_connected(pilot)
            waiting = Downloading(1_230_000_000, 8_590_000_000, note="waiting for another download")
            set_state(catalogue_hub, "qwen3-8b", waiting)
            await shows(pilot, "waiting for")

        assert snap_compare(catalogue_app, terminal_size=size, run_before=act)
