"""From a panel to the chat: the exchange goes along, and what is typed meanwhile reaches the prompt."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from textual import events
from textual.pilot import Pilot
from textual.widgets import Input

from ominix_core.chats import ChatStore
from ominix_core.generation import ChatRequest, Finished, ReasoningDelta, TextDelta, Usage
from ominix_core.hub import Hub
from ominix_core.states import Loaded, NotDownloaded
from ominix_core.stream import Generation
from ominix_tui.app import OminixApp
from ominix_tui.screens.chat import ChatScreen
from ominix_tui.widgets.attachments import Attachments
from ominix_tui.widgets.number_field import NumberField
from ominix_tui.widgets.prompt_area import PromptArea
from tests.support.tiny_vision_models import picture
from tests.tui.support import (
    answer_of,
    screen_text,
    set_state,
    settled,
    type_prompt,
    until,
    until_connected,
    visible_panel,
)

BIG = (120, 40)
DONE = Finished("length", Usage(prompt_tokens=23, completion_tokens=187, ttft=0.21, decode_tps=42.13))


def answering(hub: Hub, model_id: str) -> list[ChatRequest]:
    """Let the hub answer for this model, which is loaded; returns what it is asked."""
    asked: list[ChatRequest] = []

    def generate(model_id: str, request: ChatRequest) -> Generation:
        asked.append(request)
        generation = Generation("scripted", lambda _: None)
        for event in (ReasoningDelta("Hm."), TextDelta("A kite."), DONE):
            generation.put(event)
        return generation

    hub.generate = generate  # type: ignore[method-assign, assignment]
    set_state(hub, model_id, Loaded())
    return asked


def chat_screen(pilot: Pilot[None]) -> ChatScreen:
    return cast("ChatScreen", pilot.app.screen)


async def in_chat(pilot: Pilot[None]) -> None:
    await until(pilot, lambda: isinstance(pilot.app.screen, ChatScreen) and chat_screen(pilot).pane.chat.branch)
    await settled(pilot)


class TestExchange:
    async def test_everything_of_the_language_panel_goes_along(self, catalogue_hub: Hub) -> None:
        asked = answering(catalogue_hub, "qwen3-8b")
        app = OminixApp(lambda: catalogue_hub, "qwen3-8b", load_initial=False)
        async with app.run_test(size=BIG) as pilot:
            await until_connected(pilot)
            panel = visible_panel(pilot)
            panel.query_one("#system", Input).value = "Be brief."
            panel.query_one("#temperature", NumberField).query_one(Input).value = "0.2"
            await type_prompt("What flies?")(pilot)
            await pilot.press("enter")
            await until(pilot, lambda: answer_of(pilot) == "A kite." and panel.exchange)
            await pilot.press("ctrl+o")
            await in_chat(pilot)
            await until(pilot, lambda: "▸ thought, 1 word  cut at max tokens" in screen_text(pilot))
            assert "System prompt set · temperature 0.2" in screen_text(pilot)
            await pilot.press(*"sure?", "enter")
            await until(pilot, lambda: len(asked) == 2 and not chat_screen(pilot).pane.answering)
            await settled(pilot)
            assert asked[-1].sampling == asked[0].sampling
            assert [(each.role, each.content) for each in asked[-1].messages] == [
                ("system", "Be brief."), ("user", "What flies?"), ("assistant", "A kite."), ("user", "sure?")
            ]  # fmt: skip
            await pilot.press("ctrl+n")
            await until(pilot, lambda: "temperature" not in screen_text(pilot))

    async def test_the_images_go_along(self, catalogue_hub: Hub, tmp_path: Path) -> None:
        asked = answering(catalogue_hub, "moxin-7b-vlm")
        (tmp_path / "kite.png").write_bytes(picture("red"))
        app = OminixApp(lambda: catalogue_hub, "moxin-7b-vlm", load_initial=False)
        async with app.run_test(size=BIG) as pilot:
            await until_connected(pilot)
            panel = visible_panel(pilot)
            panel.query_one(Attachments).attach([tmp_path / "kite.png"])
            await until(pilot, lambda: panel.query_one(Attachments).images)
            await type_prompt("What flies?")(pilot)
            await pilot.press("enter")
            await until(pilot, lambda: answer_of(pilot) == "A kite." and panel.exchange)
            await until(pilot, lambda: panel.query_one("#chat").display)
            panel.query_one("#chat").press()  # type: ignore[attr-defined]
            await in_chat(pilot)
            await until(pilot, lambda: "kite.png 80×64" in screen_text(pilot))
            await pilot.press(*"sure?", "enter")
            await until(pilot, lambda: len(asked) == 2 and not chat_screen(pilot).pane.answering)
            await settled(pilot)
            assert asked[-1].messages[0].images == (picture("red"),)
        with ChatStore(catalogue_hub.home) as store:
            [conversation] = store.conversations()
            assert conversation.model_id == "moxin-7b-vlm"

    async def test_without_an_answer_there_is_nothing_to_take(self, catalogue_hub: Hub) -> None:
        app = OminixApp(lambda: catalogue_hub, "qwen3-8b", load_initial=False)
        async with app.run_test(size=BIG) as pilot:
            await until_connected(pilot)
            await type_prompt("What flies?")(pilot)
            assert visible_panel(pilot).exchange is None
            await pilot.press("ctrl+o")
            await pilot.pause()
            assert app.current_mode == "hub"


class TestKeysTypedAtOnce:
    async def test_they_reach_the_prompt_and_not_the_list(self, catalogue_hub: Hub) -> None:
        app = OminixApp(lambda: catalogue_hub, "qwen3-235b-moe", load_initial=False)
        async with app.run_test(size=BIG) as pilot:
            await until_connected(pilot)
            app.post_message(events.Key("ctrl+t", None))
            for key in "dig?":
                app.post_message(events.Key(key, key))
            prompt = await until_typed(pilot, "dig?")
            assert prompt.has_focus
            await settled(pilot)
            assert isinstance(catalogue_hub.state("qwen3-235b-moe"), NotDownloaded), "g would have fetched it"

    async def test_a_paste_and_a_return_come_in_their_order(self, catalogue_hub: Hub) -> None:
        asked = answering(catalogue_hub, "qwen3-8b")
        app = OminixApp(lambda: catalogue_hub, "qwen3-8b", load_initial=False)
        async with app.run_test(size=BIG) as pilot:
            await until_connected(pilot)
            for event in (
                events.Key("ctrl+t", None),
                events.Paste("what is"),
                events.Key("!", "!"),
                events.Key("enter", "\r"),
            ):
                app.post_message(event)
            await until(pilot, lambda: asked)
            assert asked[0].messages[-1].content == "what is!"
            await in_chat(pilot)
            await until(pilot, lambda: not chat_screen(pilot).pane.answering)
            await settled(pilot)

    async def test_function_keys_leave_a_prompt(self, catalogue_app: OminixApp) -> None:
        async with catalogue_app.run_test(size=BIG) as pilot:
            await until_connected(pilot)
            await type_prompt("What flies?")(pilot)
            await pilot.press("f6")
            await until(pilot, lambda: catalogue_app.current_mode == "settings")
            await pilot.press("f2")
            await until(pilot, lambda: catalogue_app.current_mode == "hub")
            assert visible_panel(pilot).query_one(PromptArea).text == "What flies?"


async def until_typed(pilot: Pilot[None], text: str) -> PromptArea:
    """Wait until the prompt of the chat holds this text."""
    await until(pilot, lambda: isinstance(pilot.app.screen, ChatScreen))
    area = chat_screen(pilot).pane.prompt.area
    await until(pilot, lambda: area.text == text)
    return area
