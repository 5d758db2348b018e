"""The command palette and jump mode: every action, every model, every field, by keyboard."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from textual import events
from textual.command import CommandPalette
from textual.pilot import Pilot

from ominix_core.hub import Hub
from ominix_core.registry.catalogue import Registry
from ominix_core.registry.entry import RegistryEntry
from ominix_tui.app import OminixApp
from ominix_tui.palette import ModelCommands, possible_actions
from ominix_tui.screens.hub import HubScreen
from ominix_tui.screens.jump import JumpScreen
from tests.support.catalogue import many_models
from tests.tui.support import PATIENCE, screen_text, until, until_connected

SnapCompare = Callable[..., bool]
SIZES = pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])


async def choose(pilot: Pilot[None], words: str, shown: str) -> None:
    """Run the palette's first command for these words, once it shows what is awaited."""
    await pilot.press("ctrl+p")
    await until(pilot, lambda: CommandPalette.is_open(pilot.app))
    await pilot.press(*words)
    await until(pilot, lambda: shown in screen_text(pilot))
    await pilot.press("enter")


class TestPalette:
    async def test_it_finds_actions_of_the_screen_and_of_the_program(self, catalogue_app: OminixApp) -> None:
        async with catalogue_app.run_test(size=(120, 40)) as pilot:
            await until_connected(pilot)
            found = {str(binding.id) for _, binding in possible_actions(catalogue_app.screen)}
            assert {"hub.load", "hub.find", "llm.generate", "app.downloads", "app.help", "app.quit"} <= found
            assert not any(name.startswith(("list.", "tree.", "dialog.")) for name in found)
            assert "hub.unload" not in found  # not loaded

    async def test_an_action_runs(self, catalogue_app: OminixApp) -> None:
        async with catalogue_app.run_test(size=(120, 40)) as pilot:
            await until_connected(pilot)
            await choose(pilot, "downloads", "What is on its way")
            await until(pilot, lambda: catalogue_app.current_mode == "downloads")

    async def test_what_is_typed_while_it_opens_goes_to_it(self, catalogue_app: OminixApp) -> None:
        async with catalogue_app.run_test(size=(120, 40)) as pilot:
            await until_connected(pilot)
            pilot.app.post_message(events.Key("ctrl+p", None))
            for letter in "downloads":
                pilot.app.post_message(events.Key(letter, letter))
            pilot.app.post_message(events.Key("enter", "\r"))
            await until(pilot, lambda: catalogue_app.current_mode == "downloads")

    async def test_enter_waits_for_what_the_whole_words_find(
        self, catalogue_app: OminixApp, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found, all_words = threading.Event(), Registry.search

        def search(registry: Registry, query: str, limit: int) -> list[RegistryEntry]:
            found.wait(PATIENCE)
            return all_words(registry, query, limit)

        async with catalogue_app.run_test(size=(120, 40)) as pilot:
            await until_connected(pilot)
            await pilot.press("ctrl+p", "d")
            await until(pilot, lambda: "Details" in screen_text(pilot))
            monkeypatch.setattr(Registry, "search", search)
            await pilot.press(*"ownloads", "enter")
            await pilot.pause()
            assert CommandPalette.is_open(pilot.app)
            found.set()
            await until(pilot, lambda: catalogue_app.current_mode == "downloads")

    async def test_a_model_is_shown_in_the_hub_from_any_screen(self, catalogue_app: OminixApp) -> None:
        async with catalogue_app.run_test(size=(120, 40)) as pilot:
            await until_connected(pilot)
            await pilot.press("f6")
            await until(pilot, lambda: catalogue_app.current_mode == "settings")
            await choose(pilot, "sovits", "GPT-SoVITS TTS")
            await until(pilot, lambda: isinstance(catalogue_app.screen, HubScreen))
            await until(pilot, lambda: catalogue_app.screen.selected == "gpt-sovits")  # type: ignore[attr-defined]

    async def test_the_theme_is_among_the_commands(self, catalogue_app: OminixApp) -> None:
        async with catalogue_app.run_test(size=(120, 40)) as pilot:
            await until_connected(pilot)
            await choose(pilot, "theme", "Change the current theme")
            await until(pilot, lambda: "textual-light" in screen_text(pilot) or "nord" in screen_text(pilot))

    async def test_ten_thousand_models_take_no_time(self, catalogue_hub: Hub) -> None:
        catalogue_hub.registry = Registry(many_models(10_000))
        app = OminixApp(lambda: catalogue_hub)
        async with app.run_test(size=(120, 40)) as pilot:
            await until_connected(pilot)
            commands = ModelCommands(app.screen)
            words = catalogue_hub.registry.entries[7_777].name
            assert [hit async for hit in commands.search("warm up the index")] == []
            took = []
            for _ in range(3):
                begun = time.perf_counter()
                hits = [hit async for hit in commands.search(words)]
                took.append(time.perf_counter() - begun)
            assert hits[0].text == words
            assert min(took) < 0.25


class TestJump:
    @SIZES
    def test_letters(self, snap_compare: SnapCompare, catalogue_app: OminixApp, size: tuple[int, int]) -> None:
        async def jump(pilot: Pilot[None]) -> None:
            await until_connected(pilot)
            await pilot.press("ctrl+l")
            await until(pilot, lambda: isinstance(pilot.app.screen, JumpScreen))
            await pilot.pause()

        assert snap_compare(catalogue_app, terminal_size=size, run_before=jump)

    @pytest.mark.slow
    async def test_every_letter_leads_to_its_field(self, catalogue_app: OminixApp) -> None:
        async with catalogue_app.run_test(size=(120, 40)) as pilot:
            await until_connected(pilot)
            hub = catalogue_app.screen
            count = 0
            while True:
                await pilot.press("ctrl+l")
                await until(pilot, lambda: isinstance(catalogue_app.screen, JumpScreen))
                targets = list(catalogue_app.screen.targets.items())  # type: ignore[attr-defined]
                if count == len(targets):
                    break
                letter, widget = targets[count]
                await pilot.press(letter)
                await until(pilot, lambda widget=widget: hub.focused is widget)
                count += 1
            assert count > 5
            await pilot.press("escape")
            await until(pilot, lambda: catalogue_app.screen is hub)
