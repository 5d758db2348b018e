"""On a small terminal the answer has room, whatever is typed and unfolded above it, and keys scroll it."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot
from textual.widget import Widget
from textual.widgets import Label

from ominix_core.generation import Finished, TextDelta, Usage
from ominix_core.hub import Hub
from ominix_core.states import Loaded
from ominix_tui.app import OminixApp
from ominix_tui.panels.base import ModelPanel
from ominix_tui.widgets.fold_line import FoldLine
from ominix_tui.widgets.prompt_area import PromptArea
from tests.tui.support import answer_with, screen_text, set_state, until, until_connected

SIX_LINES = "one\ntwo\nthree\nfour\nfive\nsix"
LONG = "\n\n".join(f"line {number}" for number in range(60))
MODELS = ["qwen3-8b", "moxin-7b-vlm", "paraformer", "gpt-sovits", "flux-klein"]
SMALLEST = {(80, 24): 5, (60, 20): 2}
"""The lines that a result has at the least, by the size of the terminal."""


def panel_of(pilot: Pilot[None]) -> ModelPanel:
    return next(panel for panel in pilot.app.screen.query(ModelPanel) if panel.display)


def seen(widget: Widget) -> int:
    """How many lines of a widget's inside are on the screen."""
    return widget.content_region.intersection(widget.app.screen.region).height


async def fill_everything(pilot: Pilot[None]) -> ModelPanel:
    panel = panel_of(pilot)
    for area in panel.query(PromptArea):
        area.text = SIX_LINES
    for line in panel.query("#more-line").results(FoldLine):
        line.folded = False
        await until(pilot, lambda: panel.query("#stop"))
    await pilot.pause()
    panel.show_problem("The first line of what is wrong here is long.\nAnd this is its second line.")
    await until(pilot, lambda: "second line" in screen_text(pilot))
    await pilot.pause()
    return panel


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("size", [(80, 24), pytest.param((60, 20), marks=pytest.mark.slow)], ids=["80x24", "60x20"])
async def test_the_result_has_its_lines(catalogue_hub: Hub, model: str, size: tuple[int, int]) -> None:
    set_state(catalogue_hub, model, Loaded())
    async with OminixApp(lambda: catalogue_hub, model).run_test(size=size) as pilot:
        await until_connected(pilot)
        panel = await fill_everything(pilot)
        result = panel.query_one(".result")
        await until(pilot, lambda: seen(result) >= SMALLEST[size])
        problem = panel.query_one("#problem", Label)
        assert seen(problem) == problem.size.height >= 2


@pytest.mark.slow
@pytest.mark.parametrize("size", SMALLEST, ids=["80x24", "60x20"])
async def test_every_field_comes_into_view_with_the_focus(catalogue_hub: Hub, size: tuple[int, int]) -> None:
    set_state(catalogue_hub, "qwen3-8b", Loaded())
    async with OminixApp(lambda: catalogue_hub, "qwen3-8b").run_test(size=size) as pilot:
        await until_connected(pilot)
        panel = await fill_everything(pilot)
        form = panel.query_one("#form")
        for field in form.query("Input, PromptArea, Button, FoldLine"):
            field.focus()
            await until(pilot, lambda field=field: form.content_region.contains_point(field.region.offset))  # type: ignore[misc]


async def test_keys_scroll_the_answer_from_the_prompt(catalogue_hub: Hub) -> None:
    set_state(catalogue_hub, "qwen3-8b", Loaded())
    answer_with(catalogue_hub, TextDelta(LONG), Finished("stop", Usage(3, 5, 0.1, 42.0)))
    async with OminixApp(lambda: catalogue_hub, "qwen3-8b").run_test(size=(80, 24)) as pilot:
        await until_connected(pilot)
        await fill_everything(pilot)
        prompt = panel_of(pilot).query_one(PromptArea)
        prompt.focus()
        await pilot.press("enter")
        await until(pilot, lambda: "line 59" in screen_text(pilot))
        for _ in range(40):
            await pilot.press("pageup")
        await until(pilot, lambda: "line 0" in screen_text(pilot))
        assert prompt.has_focus
        await pilot.press("pagedown")
        await until(pilot, lambda: "line 0" not in screen_text(pilot))


async def test_a_long_prompt_without_an_answer_is_paged_itself(catalogue_hub: Hub) -> None:
    set_state(catalogue_hub, "qwen3-8b", Loaded())
    async with OminixApp(lambda: catalogue_hub, "qwen3-8b").run_test(size=(80, 24)) as pilot:
        await until_connected(pilot)
        prompt = panel_of(pilot).query_one(PromptArea)
        prompt.focus()
        prompt.text = LONG
        await pilot.press("ctrl+home", "pagedown")
        await until(pilot, lambda: prompt.cursor_location[0] > 0)


async def test_every_button_above_comes_into_view(catalogue_hub: Hub) -> None:
    set_state(catalogue_hub, "paraformer", Loaded())
    async with OminixApp(lambda: catalogue_hub, "paraformer").run_test(size=(60, 20)) as pilot:
        await until_connected(pilot)
        for button in pilot.app.screen.query("ModelHeader Button"):
            button.focus()
            await until(pilot, lambda button=button: button.region in pilot.app.screen.region)
