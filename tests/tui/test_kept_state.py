"""What is there again at the next start: theme, screen, model, folds and drafts; and what a broken file costs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from ominix_core.hub import Hub
from ominix_core.paths import Home
from ominix_core.states import Downloaded, Downloading, Error, Loaded, Loading
from ominix_tui.app import OminixApp
from ominix_tui.remembered import MOST_DRAFTS, Remembered
from ominix_tui.screens.hub import HubScreen
from ominix_tui.widgets.prompt_area import PromptArea
from tests.tui.support import notices, screen_text, set_state, type_prompt, until, until_connected, visible_panel

MakeApp = Callable[[], OminixApp]


@pytest.fixture
def start(catalogue_hub: Hub) -> MakeApp:
    """Start the program once more on the same home."""
    catalogue_hub.close = lambda: None  # type: ignore[method-assign]
    return lambda: OminixApp(lambda: catalogue_hub)


def kept(home: Home) -> dict[str, object]:
    found: dict[str, object] = json.loads(home.screen_state.read_text())
    return found


class TestNextStart:
    async def test_theme_screen_and_model(self, start: MakeApp, home: Home) -> None:
        async with start().run_test() as pilot:
            await until_connected(pilot)
            pilot.app.theme = "nord"
            await pilot.press("j")
            await until(pilot, lambda: "GLM-4 9B" in str(pilot.app.screen.query_one("#name").render()))
            await pilot.press("f7")
            await until(pilot, lambda: pilot.app.current_mode == "logs")
        assert kept(home)["model"] == "glm4-9b"
        app = start()
        assert app.theme == "nord"
        async with app.run_test() as pilot:
            await until(pilot, lambda: app.current_mode == "logs")
            await pilot.press("f2")
            await until(pilot, lambda: isinstance(app.screen, HubScreen) and app.screen.selected == "glm4-9b")

    async def test_drafts(self, start: MakeApp, home: Home) -> None:
        async with start().run_test() as pilot:
            await until_connected(pilot)
            await type_prompt("half a thought\nand more")(pilot)
        assert home.screen_state.stat().st_mode & 0o777 == 0o600
        async with start().run_test() as pilot:
            await until_connected(pilot)
            await until(pilot, lambda: visible_panel(pilot).query_one(PromptArea).text == "half a thought\nand more")
            await type_prompt("")(pilot)
        assert kept(home)["drafts"] == {}

    async def test_folded_groups(self, start: MakeApp) -> None:
        async with start().run_test() as pilot:
            await until_connected(pilot)
            await pilot.press("G", "k", "enter")
            await until(pilot, lambda: "▸ ImageGen 1" in screen_text(pilot))
            await pilot.press("home", "j")  # the group of the selected model is open at the next start
        async with start().run_test() as pilot:
            await until_connected(pilot)
            await until(pilot, lambda: "▸ ImageGen 1" in screen_text(pilot))
            await pilot.press("G", "enter")
            await until(pilot, lambda: "▾ ImageGen 1" in screen_text(pilot))

    async def test_the_draft_of_a_chat(self, start: MakeApp) -> None:
        async with start().run_test() as pilot:
            await until_connected(pilot)
            await pilot.press("f3")
            await until(pilot, lambda: pilot.app.current_mode == "chat" and isinstance(pilot.app.focused, PromptArea))
            await pilot.press(*"hello")
        async with start().run_test() as pilot:
            await until(pilot, lambda: pilot.app.current_mode == "chat" and "hello" in screen_text(pilot))
            await until(pilot, lambda: "New conversation" in screen_text(pilot))

    async def test_a_model_that_is_asked_for_wins(self, start: MakeApp, home: Home, catalogue_hub: Hub) -> None:
        home.screen_state.write_text(json.dumps({"model": "glm4-9b", "place": "logs"}))
        app = OminixApp(lambda: catalogue_hub, "paraformer", load_initial=False)
        async with app.run_test() as pilot:
            await until_connected(pilot)
            assert app.current_mode == "hub"
            assert app.screen.selected == "paraformer"  # type: ignore[attr-defined]

    @pytest.mark.parametrize(
        "text",
        ["", "{", "[]", "null", '{"theme": 3, "model": ["x"], "place": {}, "drafts": {"a": 1}, "folds": 7}',
         '{"theme": "gone", "model": "gone", "place": "gone"}', "\x00\xff"],
    )  # fmt: skip
    async def test_a_broken_file_costs_nothing(self, start: MakeApp, home: Home, text: str) -> None:
        home.screen_state.write_text(text)
        async with start().run_test() as pilot:
            await until_connected(pilot)
            assert pilot.app.current_mode == "hub"
            assert pilot.app.theme == "textual-dark"
        assert kept(home)["model"] == "qwen3-8b"

    async def test_a_home_that_cannot_be_written_costs_the_memory_alone(self, start: MakeApp, home: Home) -> None:
        home.screen_state.mkdir()
        async with start().run_test() as pilot:
            await until_connected(pilot)
        assert not pilot.app.return_code


def test_only_so_many_drafts_are_kept() -> None:
    remembered = Remembered()
    for number in range(MOST_DRAFTS + 3):
        remembered.keep_draft(f"field {number}", "x")
    remembered.keep_draft("field 3", "newer")
    assert len(remembered.drafts) == MOST_DRAFTS
    assert list(remembered.drafts)[-1] == "field 3"
    assert "field 2" not in remembered.drafts


class TestEndingsElsewhere:
    async def test_a_download_and_a_load_that_end_on_another_screen_are_told(self, catalogue_hub: Hub) -> None:
        async with OminixApp(lambda: catalogue_hub).run_test(notifications=True) as pilot:
            await until_connected(pilot)
            await self.go_through(pilot, catalogue_hub, "moxin-7b-vlm", Downloading(), Downloaded())
            assert notices(pilot) == ""
            await pilot.press("f7")
            await until(pilot, lambda: pilot.app.current_mode == "logs")
            await self.go_through(pilot, catalogue_hub, "paraformer", Downloading(), Downloaded())
            await until(pilot, lambda: "Paraformer ASR is on this machine now." in notices(pilot))
            await self.go_through(pilot, catalogue_hub, "qwen3-8b", Loading(), Loaded())
            await until(pilot, lambda: "Qwen3 8B is loaded." in notices(pilot))
            await self.go_through(pilot, catalogue_hub, "qwen3-8b", Loading(), Error("out of memory"))
            await until(pilot, lambda: "Qwen3 8B ! out of memory" in notices(pilot))

    async def go_through(self, pilot: Pilot[None], hub: Hub, model_id: str, *states: object) -> None:
        for state in states:
            set_state(hub, model_id, state)  # type: ignore[arg-type]
            await pilot.pause(0.05)


class TestCrash:
    async def test_a_report_is_written_and_its_place_is_told(
        self, catalogue_app: OminixApp, home: Home, capsys: pytest.CaptureFixture[str]
    ) -> None:
        secret = "a prompt that nobody else should read"

        def fail() -> None:
            words = secret
            raise ZeroDivisionError(f"{len(words)} / 0")

        async def run() -> None:
            async with catalogue_app.run_test() as pilot:
                await until_connected(pilot)
                await type_prompt("still there")(pilot)
                catalogue_app.call_later(fail)
                await until(pilot, lambda: not catalogue_app.is_running)

        with pytest.raises(ZeroDivisionError):
            await run()
        (report,) = home.logs.glob("crash-*.txt")
        told = " ".join(capsys.readouterr().err.split())
        assert "Ominix crashed: 37 / 0." in told
        assert "crash-" in told
        assert "Traceback" not in told
        assert "ZeroDivisionError" in report.read_text()
        assert "screen: hub" in report.read_text()
        assert secret not in report.read_text() + told
        assert "still there" in home.screen_state.read_text()

    async def test_what_fails_while_the_program_ends_is_no_crash(self, catalogue_app: OminixApp, home: Home) -> None:
        class Unfinished(Static):
            async def on_mount(self) -> None:
                while self.app.is_running:
                    await asyncio.sleep(0.01)
                raise LookupError("its parts are not there")

        async with catalogue_app.run_test() as pilot:
            await until_connected(pilot)
            pilot.app.screen.mount(Unfinished())
        assert not catalogue_app.return_code
        assert not list(home.logs.glob("crash-*"))

    async def test_news_of_a_field_that_is_gone_is_no_crash(self, catalogue_app: OminixApp) -> None:
        gone = PromptArea(id="prompt")
        async with catalogue_app.run_test() as pilot:
            await until_connected(pilot)
            catalogue_app.post_message(PromptArea.Ready(gone))
            catalogue_app.post_message(PromptArea.Changed(gone))
            await pilot.pause()
