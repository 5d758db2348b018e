"""The language panel, by keyboard, on real inference: load, ask, stop, fail, load again."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import Any

import psutil
import pytest
from textual.pilot import Pilot
from textual.widgets import Button, Input, Label

from ominix_core.generation import Failed, Finished, PrefillProgress, ReasoningDelta, TextDelta, Usage
from ominix_core.hub import Hub
from ominix_core.states import Downloaded, Loaded
from ominix_tui.app import OminixApp
from ominix_tui.widgets.markdown_view import MarkdownView
from ominix_tui.widgets.prompt_area import PromptArea
from tests.tui.support import answer_of, answer_with, set_state, until, until_connected, visible_panel

LONG = "900000"
DONE = Finished("stop", Usage(3, 5, 0.1, 42.0))


def shown(pilot: Pilot[None], selector: str) -> str:
    """The text of a label, or nothing if it is not on the screen."""
    label = pilot.app.screen.query_one(selector, Label)
    return str(label.render()) if label.display else ""


def title(pilot: Pilot[None]) -> str:
    return str(visible_panel(pilot).query_one("#response").border_title)


def figures(pilot: Pilot[None]) -> str:
    return str(visible_panel(pilot).query_one("#response").border_subtitle)


async def until_loaded(pilot: Pilot[None]) -> None:
    await until_connected(pilot)
    await until(pilot, lambda: shown(pilot, "#badge") == "● Loaded")


async def ask(pilot: Pilot[None], prompt: str, max_tokens: str = "") -> None:
    """From the list of models: go to the panel, type, send."""
    await pilot.press("enter", *prompt)
    if max_tokens:
        await pilot.press("tab", *max_tokens)
    await pilot.press("enter")


class TestLifeByKeyboard:
    async def test_load_ask_unload(self, hub: Hub) -> None:
        app = OminixApp(lambda: hub, "tiny", load_initial=False)
        async with app.run_test() as pilot:
            await until_connected(pilot)
            assert shown(pilot, "#badge") == "○ Downloaded"
            await pilot.press("l")
            await until_loaded(pilot)
            await ask(pilot, "Hi", "64")
            await until(pilot, lambda: "tokens/s · TTFT" in figures(pilot))
            assert "out" in figures(pilot)
            await pilot.press("escape", "u")
            await until(pilot, lambda: isinstance(hub.state("tiny"), Downloaded))
            await until(pilot, lambda: shown(pilot, "#badge") == "○ Downloaded")

    async def test_the_initial_model_is_loaded(self, hub: Hub) -> None:
        app = OminixApp(lambda: hub, "tiny-two")
        async with app.run_test() as pilot:
            await until_loaded(pilot)
            assert isinstance(hub.state("tiny-two"), Loaded)

    async def test_stop_keeps_what_is_there_and_the_next_answer_comes(self, endless_hub: Hub) -> None:
        app = OminixApp(lambda: endless_hub, "endless")
        async with app.run_test() as pilot:
            await until_loaded(pilot)
            await ask(pilot, "Hi", LONG)
            await until(pilot, lambda: answer_of(pilot))
            await pilot.press("escape")
            await until(pilot, lambda: title(pilot) == "Response · stopped")
            assert "tokens/s" in figures(pilot)
            assert answer_of(pilot)
            app.screen.query_one("#max-tokens Input", Input).value = "16"
            await pilot.press("enter")
            await until(pilot, lambda: title(pilot) == "Response · cut at max tokens")

    async def test_a_killed_worker_is_told_and_the_model_loads_again(self, endless_hub: Hub) -> None:
        app = OminixApp(lambda: endless_hub, "endless")
        async with app.run_test() as pilot:
            await until_loaded(pilot)
            await ask(pilot, "Hi", LONG)
            await until(pilot, lambda: answer_of(pilot))
            for worker in psutil.Process().children():
                worker.send_signal(signal.SIGKILL)
            await until(pilot, lambda: shown(pilot, "#badge") == "! Error")
            assert "SIGKILL" in shown(pilot, "#notice")
            await until(pilot, lambda: title(pilot) == "Response · broke off")
            assert answer_of(pilot)
            await pilot.press("escape", "l")
            await until_loaded(pilot)
            assert shown(pilot, "#notice") == ""


class TestForm:
    @pytest.fixture
    def app(self, catalogue_hub: Hub) -> OminixApp:
        set_state(catalogue_hub, "qwen3-8b", Loaded())
        return OminixApp(lambda: catalogue_hub, "qwen3-8b")

    @pytest.mark.parametrize("typed", ["", "12x", "0", "-1", "1e9", "99999999", "½"])
    async def test_bad_max_tokens_are_told_at_the_field(self, app: OminixApp, typed: str) -> None:
        async with app.run_test() as pilot:
            await until_connected(pilot)
            await pilot.press("enter", *"Hi", "tab")
            field = app.screen.query_one("#max-tokens Input", Input)
            field.value = typed
            await pilot.press("enter")
            assert shown(pilot, "#problem").startswith("Max tokens must be a whole number from 1 to 32,768")
            assert field.has_focus
            assert field.value == typed
            assert visible_panel(pilot).query_one(PromptArea).text == "Hi"

    @pytest.mark.parametrize("typed", ["hot", "nan", "2.1", "inf"])
    async def test_bad_temperature_is_told_at_the_field(self, app: OminixApp, typed: str) -> None:
        async with app.run_test() as pilot:
            await until_connected(pilot)
            await pilot.press("enter", *"Hi", "tab", "tab")
            app.screen.query_one("#temperature Input", Input).value = typed
            await pilot.press("enter")
            assert shown(pilot, "#problem").startswith("Temperature must be a number from 0.0 to 2.0")

    async def test_the_message_goes_when_the_field_is_corrected(self, app: OminixApp, catalogue_hub: Hub) -> None:
        answer_with(catalogue_hub, TextDelta("Fine."), DONE)
        async with app.run_test() as pilot:
            await until_connected(pilot)
            await pilot.press("enter", *"Hi", "tab", *"x", "enter")
            assert shown(pilot, "#problem")
            await pilot.press("backspace", *"64")
            assert shown(pilot, "#problem") == ""
            await pilot.press("enter")
            await until(pilot, lambda: answer_of(pilot) == "Fine.")

    async def test_an_empty_prompt_is_asked_for(self, app: OminixApp) -> None:
        async with app.run_test() as pilot:
            await until_connected(pilot)
            await pilot.press("enter", "enter")
            assert shown(pilot, "#problem") == "Type a prompt first."

    async def test_a_model_that_is_not_loaded_says_so(self, hub: Hub) -> None:
        app = OminixApp(lambda: hub, "tiny", load_initial=False)
        async with app.run_test() as pilot:
            await until_connected(pilot)
            assert app.screen.query_one("#generate", Button).disabled
            await ask(pilot, "Hi")
            assert shown(pilot, "#problem") == "Tiny is not loaded. Load it first."
            assert visible_panel(pilot).query_one(PromptArea).text == "Hi"

    async def test_ctrl_j_starts_a_new_line(self, app: OminixApp) -> None:
        async with app.run_test() as pilot:
            await until_connected(pilot)
            await pilot.press("enter", *"one", "ctrl+j", *"two")
            assert visible_panel(pilot).query_one(PromptArea).text == "one\ntwo"


class TestAnswer:
    @pytest.fixture
    def start(self, catalogue_hub: Hub) -> Callable[..., Any]:
        set_state(catalogue_hub, "qwen3-8b", Loaded())

        async def start(pilot: Pilot[None], *events: Any) -> Any:
            generation = answer_with(catalogue_hub, *events)
            await until_connected(pilot)
            await ask(pilot, "Hi")
            return generation

        return start

    async def test_a_failure_keeps_the_answer_so_far(self, start: Callable[..., Any], catalogue_app: OminixApp) -> None:
        async with catalogue_app.run_test() as pilot:
            await start(pilot, TextDelta("So far"), Failed("Qwen3 8B ran out of [memory]."))
            await until(pilot, lambda: shown(pilot, "#failure") == "! Qwen3 8B ran out of [memory].")
            assert answer_of(pilot) == "So far"
            assert title(pilot) == "Response · broke off"

    async def test_no_control_code_of_a_model_reaches_the_terminal(
        self, start: Callable[..., Any], catalogue_app: OminixApp
    ) -> None:
        async with catalogue_app.run_test() as pilot:
            await start(pilot, TextDelta("a\x1b]52;c;cm0=\x07b\x9bc\r\nd"), DONE)
            await until(pilot, lambda: "tokens/s" in figures(pilot))
            assert answer_of(pilot) == "a]52;c;cm0=bc\nd"

    async def test_thoughts_stand_before_the_answer(self, start: Callable[..., Any], catalogue_app: OminixApp) -> None:
        async with catalogue_app.run_test() as pilot:
            generation = await start(pilot, PrefillProgress(50, 200))
            await until(pilot, lambda: figures(pilot).startswith("reading the prompt, 25 %"))
            generation.put(ReasoningDelta("Let me see."))
            await until(pilot, lambda: figures(pilot).startswith("thinking"))
            generation.put(TextDelta("Yes."))
            generation.put(DONE)
            await until(pilot, lambda: answer_of(pilot) == "Yes.")
            reasoning = visible_panel(pilot).query_one("#reasoning", MarkdownView)
            assert reasoning.display
            assert reasoning.source == "Let me see."

    async def test_prompt_and_answer_are_still_there_after_a_look_at_another_model(
        self, start: Callable[..., Any], catalogue_app: OminixApp
    ) -> None:
        async with catalogue_app.run_test() as pilot:
            generation = await start(pilot, TextDelta("One"))
            await until(pilot, lambda: answer_of(pilot) == "One")
            first = visible_panel(pilot)
            await pilot.press(*["shift+tab"] * 5, "down")
            await until(pilot, lambda: visible_panel(pilot) is not first)
            generation.put(TextDelta(" two"))
            generation.put(DONE)
            await pilot.press("up")
            await until(pilot, lambda: visible_panel(pilot) is first)
            await until(pilot, lambda: answer_of(pilot) == "One two")
            assert first.query_one(PromptArea).text == "Hi"

    async def test_unloading_while_it_answers_is_told(self, endless_hub: Hub) -> None:
        app = OminixApp(lambda: endless_hub, "endless")
        async with app.run_test() as pilot:
            await until_loaded(pilot)
            await ask(pilot, "Hi", LONG)
            await until(pilot, lambda: answer_of(pilot))
            await asyncio.to_thread(endless_hub.unload, "endless")
            await until(pilot, lambda: title(pilot) == "Response · broke off")
            assert "unloaded" in shown(pilot, "#failure")
            await until(pilot, lambda: shown(pilot, "#badge") == "○ Downloaded")
