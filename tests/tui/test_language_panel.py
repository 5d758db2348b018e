"""The language panel, by keyboard, on real inference: load, ask, stop, fail, load again."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from textual.pilot import Pilot
from textual.widgets import Button, Input, Label

from ominix_core.generation import (
    ChatRequest,
    Failed,
    Finished,
    PrefillProgress,
    ReasoningDelta,
    Sampling,
    TextDelta,
    Usage,
)
from ominix_core.hub import Hub
from ominix_core.registry.catalogue import Registry
from ominix_core.registry.entry_json import read_entry
from ominix_core.states import Downloaded, Loaded
from ominix_core.stream import Generation
from ominix_tui.app import OminixApp
from ominix_tui.screens.chat import ChatScreen
from ominix_tui.widgets.prompt_area import PromptArea
from tests.tui.support import answer_of, answer_with, screen_text, set_state, until, until_connected, visible_panel

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
            assert "context" in figures(pilot)
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


class TestOptions:
    @pytest.fixture
    def asked(self, catalogue_hub: Hub) -> list[ChatRequest]:
        """The requests that the loaded model gets; each is answered with "Fine."."""
        set_state(catalogue_hub, "qwen3-8b", Loaded())
        requests: list[ChatRequest] = []

        def generate(model_id: str, request: ChatRequest) -> Generation:
            requests.append(request)
            generation = Generation("scripted", lambda _: None)
            generation.put(TextDelta("Fine."))
            generation.put(DONE)
            return generation

        catalogue_hub.generate = generate  # type: ignore[method-assign, assignment]
        return requests

    def recommend(self, hub: Hub, **defaults: Any) -> OminixApp:
        entry = read_entry({**hub.resolve("qwen3-8b").said, "defaults": defaults})
        hub.registry = Registry([entry])
        return OminixApp(lambda: hub)

    async def test_only_what_the_registry_recommends_is_set(self, catalogue_hub: Hub, asked: list[ChatRequest]) -> None:
        app = self.recommend(
            catalogue_hub, temperature=0.6, top_p=0.95, top_k=20, max_tokens=2048, repetition_penalty=50
        )
        async with app.run_test() as pilot:
            await until_connected(pilot)
            await until(pilot, lambda: "▸ More options · top p 0.95 · top k 20" in screen_text(pilot))
            await ask(pilot, "Hi")
            await until(pilot, lambda: answer_of(pilot) == "Fine.")
        assert asked[0].sampling == Sampling(temperature=0.6, top_p=0.95, top_k=20)
        assert asked[0].max_tokens == 2048

    @pytest.mark.slow
    async def test_every_option_reaches_the_model(self, catalogue_hub: Hub, asked: list[ChatRequest]) -> None:
        app = self.recommend(catalogue_hub)
        async with app.run_test(size=(120, 40)) as pilot:
            await until_connected(pilot)
            await pilot.press("enter", *"Hi", *["tab"] * 4, "enter")
            await until(pilot, lambda: "Repetition" in screen_text(pilot))
            for value in ("0.9", "40", "0.05", "1.1", "0.5", "-0.5", "7"):
                await pilot.press("tab", *value)
            await pilot.press("tab", *"END, \\n\\n", "enter")
            await until(pilot, lambda: answer_of(pilot) == "Fine.")
            await until(pilot, lambda: "▾ More options · top p 0.9 · top k 40 · min p 0.05" in screen_text(pilot))
        assert asked[0].sampling == Sampling(
            temperature=0.7,
            top_p=0.9,
            top_k=40,
            min_p=0.05,
            repetition_penalty=1.1,
            presence_penalty=0.5,
            frequency_penalty=-0.5,
            seed=7,
        )
        assert asked[0].stop == ("END", "\n\n")

    async def test_a_wrong_option_is_told_at_its_field(self, catalogue_hub: Hub, asked: list[ChatRequest]) -> None:
        app = self.recommend(catalogue_hub, top_p=0.9)
        async with app.run_test(size=(120, 40)) as pilot:
            await until_connected(pilot)
            await pilot.press("enter", *"Hi", *["tab"] * 4, "enter")
            await until(pilot, lambda: "Repetition" in screen_text(pilot))
            await pilot.press("tab", *"1.5", "shift+tab", "enter", "ctrl+g")
            await until(pilot, lambda: shown(pilot, "#problem").startswith("Top p must be a number from 0.01 to 1.0"))
            assert app.screen.query_one("#top-p Input", Input).has_focus
        assert asked == []

    async def test_again_asks_the_same(self, catalogue_hub: Hub, asked: list[ChatRequest]) -> None:
        app = self.recommend(catalogue_hub)
        async with app.run_test() as pilot:
            await until_connected(pilot)
            await ask(pilot, "Hi")
            await until(pilot, lambda: "tokens/s" in figures(pilot))
            await pilot.press(*" there", "ctrl+r")
            await until(pilot, lambda: len(asked) == 2)
            assert asked[0] == asked[1]


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
            generation.put(ReasoningDelta("Let me"))
            generation.put(ReasoningDelta(" see."))
            await until(pilot, lambda: figures(pilot).startswith("thinking"))
            await until(pilot, lambda: "▸ Thinking …" in screen_text(pilot))
            generation.put(TextDelta("Yes."))
            await until(pilot, lambda: "▸ Thought, 2 tokens" in screen_text(pilot))
            generation.put(DONE)
            await until(pilot, lambda: answer_of(pilot) == "Yes.")
            assert "Let me see." not in screen_text(pilot)
            await pilot.press(*["tab"] * 5, "t")
            await until(pilot, lambda: "Let me see." in screen_text(pilot))
            await pilot.press("tab", "enter")
            await until(pilot, lambda: "Let me see." not in screen_text(pilot))

    async def test_the_answer_is_copied_and_saved(
        self, start: Callable[..., Any], catalogue_app: OminixApp, tmp_path: Path
    ) -> None:
        async with catalogue_app.run_test(size=(120, 40), notifications=True) as pilot:
            await start(pilot, TextDelta("**Fine.**"), DONE)
            await until(pilot, lambda: "tokens/s" in figures(pilot))
            await pilot.press(*["tab"] * 5, "c")
            await until(pilot, lambda: catalogue_app.clipboard == "**Fine.**")
            await pilot.press("x")
            await until(pilot, lambda: "Save the answer to" in screen_text(pilot))
            pilot.app.screen.query_one(PromptArea).text = str(tmp_path / "answer.md")
            await pilot.press("enter")
            await until(pilot, lambda: "Written to" in screen_text(pilot))
            assert (tmp_path / "answer.md").read_text() == "**Fine.**"

    async def test_the_buttons_below_the_answer(self, start: Callable[..., Any], catalogue_app: OminixApp) -> None:
        async with catalogue_app.run_test() as pilot:
            await start(pilot, TextDelta("Fine."), DONE)
            await until(pilot, lambda: "Open in Chat" in screen_text(pilot))
            await pilot.press(*["tab"] * 7, "enter")
            await until(pilot, lambda: catalogue_app.clipboard == "Fine.")
            await pilot.press("tab", "tab", "enter")
            await until(pilot, lambda: isinstance(pilot.app.screen, ChatScreen))

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

    @pytest.mark.slow
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
