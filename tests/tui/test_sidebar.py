"""Finding a model: search, quick views, kinds, and the update of the list, by keyboard."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, cast

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from ominix_core.errors import RegistryError
from ominix_core.hub import Hub
from ominix_core.memory import Machine
from ominix_core.registry.catalogue import Registry
from ominix_core.registry.update import Update
from ominix_core.states import Loaded
from ominix_core.system import System
from ominix_tui.app import OminixApp
from ominix_tui.screens.hub import HubScreen
from ominix_tui.widgets.registry_tree import MOST_LINES, RegistryTree
from ominix_tui.widgets.sidebar import Sidebar
from tests.support.catalogue import many_models
from tests.tui.support import screen_text, set_state, until, until_connected

GB = 10**9
SIZES = pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])


def listed(pilot: Pilot[None]) -> list[str | None]:
    """The models in the list, from top to bottom."""
    tree = pilot.app.screen.query_one(RegistryTree)
    return [leaf.data for group in tree.root.children for leaf in group.children]


def count(pilot: Pilot[None]) -> str:
    return str(pilot.app.screen.query_one(Sidebar).border_subtitle)


def on_a_machine(hub: Hub, total: int) -> None:
    """Give the hub a machine with this much memory."""
    hub.system = lambda: System(Machine(total, total), {}, 500 * GB, 100 * GB, "off")  # type: ignore[method-assign]


class TestSearch:
    async def test_what_is_typed_narrows_the_list(self, catalogue_app: OminixApp) -> None:
        async with catalogue_app.run_test() as pilot:
            await until_connected(pilot)
            assert count(pilot) == "7"
            await pilot.press("slash", *"235b")
            await until(pilot, lambda: listed(pilot) == ["qwen3-235b-moe"])
            assert count(pilot) == "1 of 7"
            await pilot.press("enter")
            assert pilot.app.screen.query_one(RegistryTree).has_focus
            await pilot.press("down", "down")
            await until(pilot, lambda: "Qwen3 235B A22B" in str(pilot.app.screen.query_one("#name").render()))

    async def test_enter_goes_to_the_first_hit(self, catalogue_app: OminixApp) -> None:
        async with catalogue_app.run_test() as pilot:
            await until_connected(pilot)
            await pilot.press("slash", *"klein")
            await until(pilot, lambda: "Qwen3 235B" not in screen_text(pilot))
            await pilot.press("enter")
            await until(pilot, lambda: cast("HubScreen", pilot.app.screen).selected == "flux-klein")

    async def test_braces_lead_from_kind_to_kind(self, catalogue_app: OminixApp) -> None:
        async with catalogue_app.run_test() as pilot:
            await until_connected(pilot)
            tree = pilot.app.screen.query_one(RegistryTree)
            await until(pilot, lambda: tree.cursor_line == 1)
            await pilot.press("right_curly_bracket", "j")
            await until(pilot, lambda: cast("HubScreen", pilot.app.screen).selected == "moxin-7b-vlm")
            await pilot.press("left_curly_bracket", "left_curly_bracket")
            await until(pilot, lambda: tree.cursor_line == 0)

    async def test_escape_forgets_the_search_then_leaves_it(self, catalogue_app: OminixApp) -> None:
        async with catalogue_app.run_test() as pilot:
            await until_connected(pilot)
            await pilot.press("slash", *"sovits")
            await until(pilot, lambda: listed(pilot) == ["gpt-sovits"])
            await pilot.press("escape")
            await until(pilot, lambda: len(listed(pilot)) == 7)
            assert pilot.app.screen.query_one("#search", Input).has_focus
            await pilot.press("escape")
            tree = pilot.app.screen.query_one(RegistryTree)
            assert tree.has_focus
            assert tree.cursor_node is not None
            assert tree.cursor_node.data == "qwen3-8b"

    async def test_nothing_found_is_said(self, catalogue_app: OminixApp) -> None:
        async with catalogue_app.run_test(size=(120, 40)) as pilot:
            await until_connected(pilot)
            await pilot.press("slash", *"zzz")
            await until(pilot, lambda: "No model matches “zzz”." in screen_text(pilot))
            assert listed(pilot) == []

    async def test_letters_and_digits_are_text_in_the_search_field(self, catalogue_app: OminixApp) -> None:
        async with catalogue_app.run_test() as pilot:
            await until_connected(pilot)
            await pilot.press("slash", *"q/1fr")
            assert pilot.app.screen.query_one("#search", Input).value == "q/1fr"


class TestViews:
    async def test_on_this_machine(self, catalogue_app: OminixApp) -> None:
        async with catalogue_app.run_test() as pilot:
            await until_connected(pilot)
            await pilot.press("2")
            await until(pilot, lambda: listed(pilot) == ["qwen3-8b", "glm4-9b"])

    async def test_loaded_follows_the_states(self, catalogue_hub: Hub, catalogue_app: OminixApp) -> None:
        async with catalogue_app.run_test() as pilot:
            await until_connected(pilot)
            await pilot.press("3")
            await until(pilot, lambda: "No model in memory." in screen_text(pilot))
            assert pilot.app.screen.query_one(RegistryTree).has_focus
            set_state(catalogue_hub, "glm4-9b", Loaded())
            await until(pilot, lambda: listed(pilot) == ["glm4-9b"])
            await pilot.press("1")
            await until(pilot, lambda: len(listed(pilot)) == 7)

    async def test_fits_this_machine(self, catalogue_hub: Hub, catalogue_app: OminixApp) -> None:
        on_a_machine(catalogue_hub, 10 * GB)
        async with catalogue_app.run_test() as pilot:
            await until_connected(pilot)
            await pilot.press("4")
            await until(pilot, lambda: listed(pilot) == ["qwen3-8b", "moxin-7b-vlm", "paraformer", "gpt-sovits"])
            await pilot.press("1")
            await until(pilot, lambda: len(listed(pilot)) == 7)

    async def test_kinds_by_key_arrow_and_mouse(self, catalogue_app: OminixApp) -> None:
        async with catalogue_app.run_test() as pilot:
            await until_connected(pilot)
            await pilot.press("f", "f")
            await until(pilot, lambda: listed(pilot) == ["moxin-7b-vlm"])
            await pilot.press("shift+tab", "right")
            await until(pilot, lambda: listed(pilot) == ["paraformer"])
            await pilot.click("#kind", offset=(5, 0))
            await until(pilot, lambda: len(listed(pilot)) == 3)


class TestUpdate:
    async def test_a_failure_is_told(self, catalogue_hub: Hub, catalogue_app: OminixApp) -> None:
        failed: Future[Update] = Future()
        failed.set_exception(RegistryError("The registry [x] cannot be reached."))
        catalogue_hub.update_registry = lambda: failed  # type: ignore[method-assign]
        async with catalogue_app.run_test(size=(120, 40), notifications=True) as pilot:
            await until_connected(pilot)
            await pilot.press("r")
            await until(pilot, lambda: "The registry [x] cannot be reached." in screen_text(pilot))

    async def test_nothing_new_is_told_and_the_button_waits_meanwhile(
        self, catalogue_hub: Hub, catalogue_app: OminixApp
    ) -> None:
        answer: Future[Update] = Future()
        catalogue_hub.update_registry = lambda: answer  # type: ignore[method-assign]
        async with catalogue_app.run_test(size=(120, 40), notifications=True) as pilot:
            await until_connected(pilot)
            await pilot.press("r")
            await until(pilot, lambda: "Updating" in screen_text(pilot))
            answer.set_result(Update(changed=False, signed=True))
            await until(pilot, lambda: "The list of models is up to date." in screen_text(pilot))

    async def test_what_changed_is_told(self, hub: Hub, add_models: Callable[..., None]) -> None:
        app = OminixApp(lambda: hub, "tiny", load_initial=False)
        async with app.run_test(size=(120, 40), notifications=True) as pilot:
            await until_connected(pilot)
            added = {"id": "brand-new", "name": "Brand New", "category": "LLM", "source": "owner/new"}
            add_models(added, {"id": "qwen3-72b", "hidden": True})
            hub.reload_registry()
            await until(pilot, lambda: "1 new (Brand New)" in screen_text(pilot))


class TestLargeRegistry:
    @pytest.fixture(scope="class")
    def large(self) -> Registry:
        return Registry(many_models(10_000))

    async def test_categories_are_folded_and_filled_when_opened(self, catalogue_hub: Hub, large: Registry) -> None:
        catalogue_hub.registry = large
        app = OminixApp(lambda: catalogue_hub)
        async with app.run_test(size=(120, 40)) as pilot:
            await until_connected(pilot)
            assert len(listed(pilot)) == MOST_LINES + 1  # the first model's category
            await pilot.press("end")
            await until(pilot, lambda: "▸ ImageGen 1,428" in screen_text(pilot))
            await pilot.press("enter")
            await until(pilot, lambda: "▾ ImageGen 1,428" in screen_text(pilot))
            assert len(listed(pilot)) == 2 * (MOST_LINES + 1)

    async def test_every_letter_narrows_the_list(self, catalogue_hub: Hub, large: Registry) -> None:
        catalogue_hub.registry = large
        app = OminixApp(lambda: catalogue_hub)
        async with app.run_test(size=(120, 40)) as pilot:
            await until_connected(pilot)
            await pilot.press("slash")
            for letter, most in (("m", "100+"), ("9", "100+"), ("7", "100+"), ("x", "of 10,000")):
                await pilot.press(letter)
                await until(pilot, lambda most=most: most in count(pilot))


@SIZES
class TestPictures:
    def test_search(self, snap_compare: Callable[..., bool], catalogue_app: OminixApp, size: Any) -> None:
        async def act(pilot: Pilot[None]) -> None:
            await until_connected(pilot)
            await pilot.press("slash", *"qwen")
            await until(pilot, lambda: len(listed(pilot)) == 2)

        assert snap_compare(catalogue_app, terminal_size=size, run_before=act)

    def test_nothing_found(self, snap_compare: Callable[..., bool], catalogue_app: OminixApp, size: Any) -> None:
        async def act(pilot: Pilot[None]) -> None:
            await until_connected(pilot)
            await pilot.press("3")
            await until(pilot, lambda: listed(pilot) == [])

        assert snap_compare(catalogue_app, terminal_size=size, run_before=act)
