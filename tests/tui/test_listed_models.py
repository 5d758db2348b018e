"""The panel and the keys belong to a model that the list shows, whatever narrows the list down."""

from __future__ import annotations

from typing import cast

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from ominix_core.events import RegistryChanged
from ominix_core.hub import Hub
from ominix_core.registry.catalogue import Registry
from ominix_core.states import Downloaded, Error, Loaded, NotDownloaded
from ominix_tui.app import OminixApp
from ominix_tui.screens.hub import HubScreen
from ominix_tui.screens.settings import SettingsScreen
from ominix_tui.widgets.dialogs import ConfirmDialog
from ominix_tui.widgets.prompt_area import PromptArea
from ominix_tui.widgets.registry_tree import RegistryTree
from tests.tui.support import answer, screen_text, set_state, until, until_connected, visible_panel

SIZE = (120, 40)


def hub_screen(pilot: Pilot[None]) -> HubScreen:
    return cast(HubScreen, pilot.app.screen)


def listed(pilot: Pilot[None]) -> set[str]:
    tree = pilot.app.screen.query_one(RegistryTree)
    return {node.data for group in tree.root.children if group.is_expanded for node in group.children if node.data}


def at_cursor(pilot: Pilot[None]) -> str | None:
    return pilot.app.screen.query_one(RegistryTree).at_cursor


async def until_shown(pilot: Pilot[None], model: str | None) -> None:
    """Until this model is the one of the panel, of the keys and of the cursor."""
    await until(pilot, lambda: hub_screen(pilot).selected == model and at_cursor(pilot) == model)
    assert model is None or model in listed(pilot)


@pytest.fixture
def app(catalogue_hub: Hub) -> OminixApp:
    """The hub with an image model selected that is loaded, beside a language model that is loaded too."""
    set_state(catalogue_hub, "flux-klein", Loaded())
    set_state(catalogue_hub, "glm4-9b", Loaded())
    return OminixApp(lambda: catalogue_hub, "flux-klein", load_initial=False)


async def test_another_kind(app: OminixApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        await until_connected(pilot)
        await pilot.press("f")
        await until_shown(pilot, "qwen3-8b")
        await pilot.press("f", "f")
        await until_shown(pilot, "paraformer")
        await until(pilot, lambda: "Unload" not in screen_text(pilot))
        await pilot.press("f", "f", "f")
        await until_shown(pilot, "flux-klein")  # the user's own choice, which is listed again


async def test_a_view_and_a_search_without_any(catalogue_hub: Hub, app: OminixApp) -> None:
    loads: list[str] = []
    catalogue_hub.load = lambda model_id, **_: loads.append(model_id)  # type: ignore[method-assign,assignment,return-value]
    async with app.run_test(size=SIZE) as pilot:
        await until_connected(pilot)
        await pilot.press("slash", *"qwen3", "enter")
        await until_shown(pilot, "qwen3-8b")
        await pilot.press("3")
        await until(pilot, lambda: "No model matches “qwen3” in memory." in words(pilot))
        await until_shown(pilot, None)
        await until(pilot, lambda: "No model is listed." in screen_text(pilot))
        await pilot.press("l", "d", "i", "s")
        assert loads == []
        await pilot.press("1")
        await until_shown(pilot, "qwen3-8b")


async def test_while_a_search_is_typed(app: OminixApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        await until_connected(pilot)
        await pilot.press("slash", *"glm")
        await until_shown(pilot, "glm4-9b")
        assert app.screen.query_one("#search", Input).has_focus
        await pilot.press("escape", "escape")
        await until_shown(pilot, "flux-klein")


async def test_a_registry_without_it(catalogue_hub: Hub, app: OminixApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        await until_connected(pilot)
        catalogue_hub.registry = Registry([each for each in catalogue_hub.registry.entries if each.id != "flux-klein"])
        catalogue_hub._board.publish(RegistryChanged(removed=("flux-klein",)))
        await until_shown(pilot, "qwen3-8b")


async def test_its_removal_in_the_view_of_what_is_here(catalogue_hub: Hub, app: OminixApp) -> None:
    async with app.run_test(size=SIZE) as pilot:
        await until_connected(pilot)
        await pilot.press("2")
        await until_shown(pilot, "flux-klein")
        set_state(catalogue_hub, "flux-klein", NotDownloaded())
        await until_shown(pilot, "qwen3-8b")


@pytest.mark.parametrize(
    "end",
    [Downloaded(), pytest.param(Error("Its process was killed."), marks=pytest.mark.slow)],
    ids=["unloaded", "killed"],
)
async def test_what_is_in_use_is_not_taken_away(catalogue_hub: Hub, end: Downloaded | Error) -> None:
    """A model that ends while its answer is read, or its prompt is written, stays until one goes elsewhere."""
    for model in ("qwen3-8b", "flux-klein"):
        set_state(catalogue_hub, model, Loaded())
    app = OminixApp(lambda: catalogue_hub, "qwen3-8b", load_initial=False)
    async with app.run_test(size=SIZE) as pilot:
        await until_connected(pilot)
        await pilot.press("3")
        await until(pilot, lambda: listed(pilot) == {"qwen3-8b", "flux-klein"})
        await pilot.press("enter", *"some")
        set_state(catalogue_hub, "qwen3-8b", end)
        set_state(catalogue_hub, "glm4-9b", Loaded())
        await until(pilot, lambda: listed(pilot) == {"qwen3-8b", "glm4-9b", "flux-klein"})
        await pilot.press(*"text")
        assert visible_panel(pilot).query_one(PromptArea).text == "sometext"
        await until_shown(pilot, "qwen3-8b")
        await pilot.press("escape", "2", "3")
        await until_shown(pilot, "glm4-9b")


@pytest.mark.parametrize(
    "keys",
    [
        ("3",),
        pytest.param(("f", "f"), marks=pytest.mark.slow),
        pytest.param(("slash", *"glm", "enter"), marks=pytest.mark.slow),
    ],
    ids=["view", "kind", "search"],
)
async def test_a_model_that_is_gone_to_is_listed(app: OminixApp, keys: tuple[str, ...]) -> None:
    async with app.run_test(size=SIZE) as pilot:
        await until_connected(pilot)
        await pilot.press(*keys)
        await until(pilot, lambda: "moxin-7b-vlm" not in listed(pilot) or "qwen3-8b" not in listed(pilot))
        await pilot.press("ctrl+p", *"gpt-sovits")
        await until(pilot, lambda: "GPT-SoVITS TTS" in screen_text(pilot) and "TTS · 8-bit" in screen_text(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, HubScreen))
        await until_shown(pilot, "gpt-sovits")


async def test_a_model_among_more_than_are_listed_is_searched_for(catalogue_hub: Hub) -> None:
    from tests.support.catalogue import many_models

    catalogue_hub.registry = Registry(many_models(1_000))
    last = catalogue_hub.registry.entries[-1].id
    async with OminixApp(lambda: catalogue_hub).run_test(size=SIZE) as pilot:
        await until_connected(pilot)
        await hub_screen(pilot).go_to(last)
        await until_shown(pilot, last)


class TestRemoving:
    @pytest.mark.parametrize(("keys", "removed"), [(("enter",), False), (("n",), False), (("y",), True)])
    async def test_no_is_chosen_and_what_is_lost_is_said(
        self, catalogue_hub: Hub, app: OminixApp, keys: tuple[str, ...], removed: bool
    ) -> None:
        calls: list[str] = []

        def remove(model_id: str) -> int:
            calls.append(model_id)
            return 0

        catalogue_hub.remove = remove  # type: ignore[method-assign]
        async with app.run_test(size=SIZE) as pilot:
            await until_connected(pilot)
            await pilot.press("d")
            await until(pilot, lambda: isinstance(app.screen, ConfirmDialog))
            await until(pilot, lambda: "Remove FLUX.2-klein from this machine? Its files are deleted." in words(pilot))
            await answer(pilot, *keys)
            await until(pilot, lambda: isinstance(app.screen, HubScreen))
            await until(pilot, lambda: calls == ["flux-klein"] * removed)


def words(pilot: Pilot[None]) -> str:
    """The screen's text without the ends of lines and the borders."""
    return " ".join(screen_text(pilot).replace("│", " ").split())


async def test_a_setting_that_no_search_finds_is_not_edited(catalogue_app: OminixApp) -> None:
    async with catalogue_app.run_test(size=SIZE) as pilot:
        await until_connected(pilot)
        await pilot.press("f6")
        await until(pilot, lambda: isinstance(catalogue_app.screen, SettingsScreen) and "Default:" in words(pilot))
        await pilot.press("slash", *"nothing-is-called-so")
        await until(pilot, lambda: "Default:" not in words(pilot))
        await pilot.press("escape")
        await until(pilot, lambda: "Default:" in words(pilot))
