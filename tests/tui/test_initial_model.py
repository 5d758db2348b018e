"""Started for one model, the program is ready to type once that model is loaded."""

from __future__ import annotations

from textual.widgets import Input

from ominix_core.hub import Hub
from ominix_core.states import Loaded, Loading
from ominix_tui.app import OminixApp
from ominix_tui.widgets.prompt_area import PromptArea
from ominix_tui.widgets.registry_tree import RegistryTree
from tests.tui.support import set_state, until, until_connected, visible_panel


async def test_the_cursor_stands_in_the_prompt_when_the_model_is_loaded(hub: Hub) -> None:
    app = OminixApp(lambda: hub, "tiny")
    async with app.run_test() as pilot:
        await until_connected(pilot)
        await until(pilot, lambda: visible_panel(pilot).query_one(PromptArea).has_focus)
        assert isinstance(hub.state("tiny"), Loaded)


async def test_who_has_begun_to_search_is_left_alone(catalogue_hub: Hub) -> None:
    set_state(catalogue_hub, "qwen3-8b", Loading(0.5, "loading weights"))
    app = OminixApp(lambda: catalogue_hub, "qwen3-8b")
    async with app.run_test() as pilot:
        await pilot.press("slash", *"glm")
        await until_connected(pilot)
        set_state(catalogue_hub, "qwen3-8b", Loaded())
        await pilot.pause()
        assert app.screen.query_one("#search", Input).has_focus


async def test_what_is_typed_while_it_is_loaded_is_text(catalogue_hub: Hub) -> None:
    set_state(catalogue_hub, "qwen3-8b", Loading(0.5, "loading weights"))
    app = OminixApp(lambda: catalogue_hub, "qwen3-8b")
    async with app.run_test() as pilot:
        await until_connected(pilot)
        await until(pilot, lambda: visible_panel(pilot).query_one(PromptArea).has_focus)
        await pilot.press(*"said")
        set_state(catalogue_hub, "qwen3-8b", Loaded())
        await pilot.press(*"all")
        assert visible_panel(pilot).query_one(PromptArea).text == "saidall"


async def test_without_one_the_list_has_the_focus(catalogue_hub: Hub) -> None:
    set_state(catalogue_hub, "glm4-9b", Loaded())
    app = OminixApp(lambda: catalogue_hub)
    async with app.run_test() as pilot:
        await until_connected(pilot)
        await pilot.pause()
        assert app.screen.query_one(RegistryTree).has_focus
