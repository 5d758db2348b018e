"""The help screen and the registry of actions behind it."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable
from importlib import import_module

import pytest
from textual.binding import Binding
from textual.pilot import Pilot

import ominix_tui
from ominix_core.paths import Home
from ominix_tui.actions import SCOPES, actions
from ominix_tui.app import OminixApp
from ominix_tui.screens.help import HelpScreen
from ominix_tui.widgets.list_keys import Reading
from tests.tui.support import notices, screen_text, until, until_connected

SnapCompare = Callable[..., bool]
SIZES = pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])


async def open_help(pilot: Pilot[None]) -> None:
    await until_connected(pilot)
    await pilot.press("f1")
    await until(pilot, lambda: isinstance(pilot.app.screen, HelpScreen))
    await until(pilot, lambda: "Everything works by keyboard" in screen_text(pilot))
    await pilot.pause()


class TestPictures:
    @SIZES
    def test_keys(self, snap_compare: SnapCompare, catalogue_app: OminixApp, size: tuple[int, int]) -> None:
        assert snap_compare(catalogue_app, terminal_size=size, run_before=open_help)

    def test_light(self, snap_compare: SnapCompare, catalogue_app: OminixApp) -> None:
        catalogue_app.theme = "textual-light"
        assert snap_compare(catalogue_app, terminal_size=(120, 40), run_before=open_help)


class TestHelp:
    async def test_it_begins_with_the_screen_that_one_came_from(self, catalogue_app: OminixApp) -> None:
        async with catalogue_app.run_test(size=(80, 40)) as pilot:
            await open_help(pilot)
            await until(pilot, lambda: "Download the selected model" in screen_text(pilot))
            assert "Pause/Resume" not in screen_text(pilot)
            await pilot.press("f4")
            await until(pilot, lambda: catalogue_app.current_mode == "downloads")
            await pilot.press("f1")
            await until(pilot, lambda: "Pause/Resume" in screen_text(pilot))

    async def test_search(self, catalogue_app: OminixApp) -> None:
        async with catalogue_app.run_test(size=(120, 40)) as pilot:
            await open_help(pilot)
            await pilot.press("slash", *"revoke", "enter")
            await until(pilot, lambda: "Everything works" not in screen_text(pilot))
            await until(pilot, lambda: "server.revoke" in screen_text(pilot))
            assert "hub.get" not in screen_text(pilot)
            await pilot.press("escape")
            await until(pilot, lambda: "hub.get" in screen_text(pilot))

    async def test_vim_keys_scroll(self, catalogue_app: OminixApp) -> None:
        async with catalogue_app.run_test() as pilot:
            await open_help(pilot)
            text = pilot.app.screen.query_one(Reading)
            await pilot.press("G")
            await until(pilot, lambda: text.scroll_y == text.max_scroll_y > 0)
            await pilot.press("g")
            await until(pilot, lambda: text.scroll_y == 0)
            await pilot.press("ctrl+d")
            await until(pilot, lambda: text.scroll_y > 5)


class TestOwnKeys:
    async def test_they_work_and_the_help_shows_them(self, catalogue_app: OminixApp, home: Home) -> None:
        home.config.write_text('[keys]\n"app.downloads" = "f9,Z"\n')
        async with catalogue_app.run_test(size=(120, 40)) as pilot:
            await until_connected(pilot)
            await until(pilot, lambda: catalogue_app.keymap)
            await pilot.press("f4")
            assert catalogue_app.current_mode == "hub"
            await pilot.press("Z")
            await until(pilot, lambda: catalogue_app.current_mode == "downloads")
            await pilot.press("f1")
            await until(pilot, lambda: "f9 Z*" in screen_text(pilot))

    async def test_what_is_wrong_with_them_is_told(self, catalogue_app: OminixApp, home: Home) -> None:
        home.config.write_text('[keys]\n"hub.gett" = "d"\n"hub.get" = "ctr+d"\n"hub.load" = "spce"\n')
        async with catalogue_app.run_test(notifications=True) as pilot:
            await until_connected(pilot)
            await until(pilot, lambda: notices(pilot).count("config.toml") == 3)
            assert "no action 'hub.gett'. Did you mean 'hub.get'?" in notices(pilot)
            assert "'ctr+d' for 'hub.get' is no key" in notices(pilot)
            assert "Did you mean 'space'?" in notices(pilot)
            assert not catalogue_app.keymap


class TestRegistryOfActions:
    def test_it_holds_every_action_of_the_program(self) -> None:
        known = {action.id for group in actions().values() for action in group}
        for cls, binding in _declared():
            assert binding.id in known, f"{cls.__module__}:{cls.__name__} is missing in ominix_tui.actions.SCOPES"

    def test_every_action_has_an_id_a_name_and_a_meaning(self) -> None:
        for cls, binding in _declared():
            assert all((binding.id, binding.description, binding.tooltip)), (cls, binding)

    def test_one_id_is_one_action(self) -> None:
        found: dict[str, str] = {}
        for _, binding in _declared():
            assert found.setdefault(str(binding.id), binding.description) == binding.description

    def test_every_place_exists(self) -> None:
        for title, group in actions().items():
            assert group, title
        assert len(SCOPES) == len(actions())


def _declared() -> list[tuple[type, Binding]]:
    """Every binding that a class of the program itself declares."""
    found = []
    for module in pkgutil.walk_packages(ominix_tui.__path__, "ominix_tui."):
        if module.name.startswith("ominix_tui.commands") or module.name.endswith("__main__"):
            continue
        for _, cls in inspect.getmembers(import_module(module.name), inspect.isclass):
            if cls.__module__ == module.name:
                bindings = vars(cls).get("BINDINGS", ())
                assert all(isinstance(binding, Binding) for binding in bindings), cls
                found += [(cls, binding) for binding in bindings]
    return found
