"""The chat screen by keyboard: ask, stop, branch, search, rename, delete, export; and its pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
from textual.pilot import Pilot

from ominix_core.chat_tree import Answer
from ominix_core.chats import ChatStore
from ominix_core.generation import ChatRequest, Failed, Finished, ReasoningDelta, TextDelta, Usage
from ominix_core.hub import Hub
from ominix_core.states import Downloaded, Loaded
from ominix_tui.app import OminixApp
from ominix_tui.screens.chat import ChatScreen
from ominix_tui.widgets.prompt_area import PromptArea
from tests.tui.support import answer_with, screen_text, set_state, settled, until, until_connected

SnapCompare = Callable[..., bool]
SIZES = pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
DONE = Finished("stop", Usage(prompt_tokens=23, completion_tokens=187, ttft=0.21, decode_tps=42.13))
BIG = (120, 40)


def chat_screen(pilot: Pilot[None]) -> ChatScreen:
    return cast("ChatScreen", pilot.app.screen)


async def shows(pilot: Pilot[None], text: str) -> None:
    await until(pilot, lambda: text in screen_text(pilot))


async def until_idle(pilot: Pilot[None]) -> None:
    """Wait until no answer is on its way and everything is drawn."""
    await until(pilot, lambda: not chat_screen(pilot).pane.answering)
    await settled(pilot)


async def open_chat(pilot: Pilot[None]) -> None:
    """From the hub's list: talk to the selected model."""
    await until_connected(pilot)
    await pilot.press("ctrl+t")
    await until(pilot, lambda: isinstance(pilot.app.screen, ChatScreen) and chat_screen(pilot)._store)
    await settled(pilot)


async def ask(pilot: Pilot[None], text: str) -> None:
    chat_screen(pilot).query_one(PromptArea).text = text
    chat_screen(pilot).query_one(PromptArea).focus()
    await pilot.press("enter")


@pytest.fixture
def talking_hub(catalogue_hub: Hub) -> Hub:
    """A hub whose "qwen3-8b" is loaded and answers every question with it, in capitals."""
    set_state(catalogue_hub, "qwen3-8b", Loaded())

    def generate(model_id: str, request: ChatRequest) -> object:
        generation = answer_with(catalogue_hub)
        catalogue_hub.generate = generate  # type: ignore[method-assign, assignment]
        generation.put(TextDelta(f"**{request.messages[-1].content.upper()}**"))
        generation.put(DONE)
        return generation

    catalogue_hub.generate = generate  # type: ignore[method-assign, assignment]
    return catalogue_hub


@pytest.fixture
def app(talking_hub: Hub) -> OminixApp:
    return OminixApp(lambda: talking_hub, "qwen3-8b", load_initial=False)


@pytest.fixture
def kept(talking_hub: Hub) -> ChatStore:
    """Three conversations, the newest with an edited question."""
    store = ChatStore(talking_hub.home)
    for title in ("Holidays in Norway", "A regular expression for dates"):
        conversation = store.create(title, model_id="qwen3-8b")
        store.ask(conversation.id, None, f"Tell me: {title}")
    conversation = store.create(model_id="qwen3-8b", system_prompt="Answer briefly.")
    first = store.ask(conversation.id, None, "What is the capital of France?")
    store.answer(conversation.id, first.id, Answer("Lyon.", "qwen3-8b"))
    second = store.ask(conversation.id, None, "What is the capital of France today?")
    text = "It is **Paris**, on the `Seine`.\n\n- two million people\n- twenty *arrondissements*\n"
    store.answer(conversation.id, second.id, Answer(text, "qwen3-8b", "Easy enough.", usage=DONE.usage))
    return store


class TestTalking:
    async def test_a_question_is_answered_and_both_are_kept(self, app: OminixApp, talking_hub: Hub) -> None:
        async with app.run_test(size=BIG, notifications=True) as pilot:
            await open_chat(pilot)
            await ask(pilot, "hello there")
            await shows(pilot, "HELLO THERE")
            await until_idle(pilot)
            await until(pilot, lambda: "42.1 tokens/s · context 210 of 32,768 (1%)" in screen_text(pilot))
            assert chat_screen(pilot).query_one(PromptArea).text == ""
            await ask(pilot, "and again")
            await shows(pilot, "AND AGAIN")
            await until_idle(pilot)
        with ChatStore(talking_hub.home) as store:
            [conversation] = store.conversations()
            branch = store.load(conversation.id).branch
        assert conversation.title == "hello there"
        assert [message.content for message in branch] == [
            "hello there", "**HELLO THERE**", "and again", "**AND AGAIN**"
        ]  # fmt: skip

    async def test_a_title_that_looks_like_markup_is_text(self, app: OminixApp) -> None:
        async with app.run_test(size=BIG, notifications=True) as pilot:
            await open_chat(pilot)
            await ask(pilot, "what does [/INST] or [red] mean?")
            await shows(pilot, "─ what does [/INST] or [red] mean? ─")
            await until_idle(pilot)
            await pilot.press("escape", "escape", "r")
            await shows(pilot, "─ Rename ─")

    async def test_a_model_on_this_machine_is_loaded_first(self, hub: Hub) -> None:
        app = OminixApp(lambda: hub, "tiny", load_initial=False)
        async with app.run_test(size=BIG, notifications=True) as pilot:
            await open_chat(pilot)
            await until(pilot, lambda: isinstance(hub.state("tiny"), Loaded))
            await shows(pilot, "Tiny [local] ● Loaded")
            await pilot.press("ctrl+o")
            await shows(pilot, "Tiny Two [local] ○ Downloaded")
            await pilot.press("j", "enter")
            await shows(pilot, "Tiny Two [local] ● Loaded")
            assert isinstance(hub.state("tiny"), Downloaded)

    async def test_stopping_keeps_what_is_there(self, app: OminixApp, talking_hub: Hub) -> None:
        generation = answer_with(talking_hub, ReasoningDelta("Well."), TextDelta("So far"))
        generation._cancel = lambda _: generation.put(Finished("cancelled", DONE.usage))
        async with app.run_test(size=BIG, notifications=True) as pilot:
            await open_chat(pilot)
            await ask(pilot, "hello")
            await shows(pilot, "So far")
            await ask(pilot, "impatient")
            await shows(pilot, "An answer is on its way")
            assert chat_screen(pilot).query_one(PromptArea).text == "impatient"
            await pilot.press("escape")
            await until_idle(pilot)
            await shows(pilot, "▸ thought, 1 word  stopped")

    async def test_a_failure_is_told_and_the_rest_kept(self, app: OminixApp, talking_hub: Hub) -> None:
        answer_with(talking_hub, TextDelta("So far"), Failed("Out of [memory]."))
        async with app.run_test(size=BIG, notifications=True) as pilot:
            await open_chat(pilot)
            await ask(pilot, "hello")
            await shows(pilot, "Out of [memory].")
            await shows(pilot, "broke off")
            await shows(pilot, "So far")

    async def test_leaving_while_it_answers_keeps_the_part(self, app: OminixApp, talking_hub: Hub) -> None:
        answer_with(talking_hub, TextDelta("So far"))
        async with app.run_test(size=BIG, notifications=True) as pilot:
            await open_chat(pilot)
            await ask(pilot, "hello")
            await shows(pilot, "So far")
        with ChatStore(talking_hub.home) as store:
            [conversation] = store.conversations()
            assert store.load(conversation.id).branch[-1].content == "So far"

    async def test_the_system_prompt_goes_with_every_question(self, app: OminixApp, talking_hub: Hub) -> None:
        async with app.run_test(size=BIG, notifications=True) as pilot:
            await open_chat(pilot)
            await pilot.press("ctrl+s", *"Be kind", "enter")
            await shows(pilot, "System prompt set")
            await ask(pilot, "hello")
            await shows(pilot, "HELLO")
            await until_idle(pilot)
            assert chat_screen(pilot).pane.chat.request_messages(None)[0].content == "Be kind"


class TestBranches:
    async def test_edit_regenerate_and_switch(self, app: OminixApp, talking_hub: Hub) -> None:
        async with app.run_test(size=BIG, notifications=True) as pilot:
            await open_chat(pilot)
            await ask(pilot, "one")
            await shows(pilot, "ONE")
            await until_idle(pilot)
            await pilot.press("escape", "e")
            await shows(pilot, "Edit and send again")
            await pilot.press("s", "enter")
            await shows(pilot, "ONES")
            await until_idle(pilot)
            await until(pilot, lambda: "‹ 2/2 ›" in screen_text(pilot))
            await pilot.press("left")
            await shows(pilot, "‹ 1/2 ›")
            assert "ONES" not in screen_text(pilot)
            await pilot.press("right")
            await shows(pilot, "ONES")
            await pilot.press("r")
            await until(pilot, lambda: screen_text(pilot).count("‹ 2/2 ›") == 2)
            await until_idle(pilot)
            assert len(chat_screen(pilot).pane.chat.messages) == 5

    async def test_a_message_is_chosen_and_copied(self, app: OminixApp, kept: ChatStore) -> None:
        async with app.run_test(size=BIG, notifications=True) as pilot:
            await open_chat(pilot)
            await pilot.press("escape", "enter")
            await shows(pilot, "on the Seine")
            await pilot.press("escape", "up", "up", "c")
            await pilot.pause()
            assert app.clipboard == "What is the capital of France today?"

    async def test_thoughts_are_folded_until_asked_for(self, app: OminixApp, kept: ChatStore) -> None:
        async with app.run_test(size=BIG, notifications=True) as pilot:
            await open_chat(pilot)
            await pilot.press("escape", "enter")
            await shows(pilot, "▸ thought, 2 words")
            assert "Easy enough." not in screen_text(pilot)
            await pilot.press("escape", "t")
            await shows(pilot, "▾ thought, 2 words")
            await shows(pilot, "Easy enough.")
            await pilot.press("t")
            await until(pilot, lambda: "Easy enough." not in screen_text(pilot))


class TestConversations:
    async def test_search_open_rename_delete_undo(self, app: OminixApp, kept: ChatStore) -> None:
        async with app.run_test(size=BIG, notifications=True) as pilot:
            await open_chat(pilot)
            await pilot.press("escape", "slash", *"norw")
            await until(pilot, lambda: "A regular expression" not in screen_text(pilot))
            await pilot.press("enter", "enter")
            await shows(pilot, "Tell me: Holidays in Norway")
            await pilot.press("escape", "escape", "r")
            await shows(pilot, "Rename")
            await pilot.press(*"!", "enter")
            await shows(pilot, "Holidays in Norway!")
            await pilot.press("d")
            await shows(pilot, "was deleted")
            assert "Tell me" not in screen_text(pilot)
            await pilot.press("u")
            await shows(pilot, "Tell me: Holidays in Norway")

    async def test_export(self, app: OminixApp, kept: ChatStore, tmp_path: Path) -> None:
        async with app.run_test(size=BIG, notifications=True) as pilot:
            await open_chat(pilot)
            await pilot.press("escape", "x")
            await shows(pilot, "Export to")
            pilot.app.screen.query_one(PromptArea).text = str(tmp_path / "chat.md")
            await pilot.press("enter")
            await shows(pilot, "Written to")
            assert "It is **Paris**" in (tmp_path / "chat.md").read_text("utf-8")

    async def test_a_damaged_file_is_told_and_set_aside(self, app: OminixApp, talking_hub: Hub) -> None:
        talking_hub.home.chats.write_bytes(b"no database at all " * 100)
        async with app.run_test(size=BIG, notifications=True) as pilot:
            await open_chat(pilot)
            await shows(pilot, "was damaged")


@SIZES
class TestPictures:
    def test_conversation(
        self, snap_compare: SnapCompare, app: OminixApp, kept: ChatStore, size: tuple[int, int]
    ) -> None:
        async def act(pilot: Pilot[None]) -> None:
            await open_chat(pilot)
            await pilot.press("escape", "enter")
            await shows(pilot, "on the Seine")
            await pilot.press("escape", "up", "up")
            await until_idle(pilot)

        assert snap_compare(app, terminal_size=size, run_before=act)

    def test_models(self, snap_compare: SnapCompare, app: OminixApp, kept: ChatStore, size: tuple[int, int]) -> None:
        async def act(pilot: Pilot[None]) -> None:
            await open_chat(pilot)
            await pilot.press("ctrl+o")
            await shows(pilot, "GLM-4 9B [local]")

        assert snap_compare(app, terminal_size=size, run_before=act)
