"""Images and text files in the chat screen: attached, shown, sent with every turn, kept; and their pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from textual import events
from textual.pilot import Pilot
from textual.widgets import DirectoryTree, Input

from ominix_core.chat_tree import Answer
from ominix_core.chats import ChatStore
from ominix_core.generation import ChatRequest, Finished, TextDelta, Usage
from ominix_core.hub import Hub
from ominix_core.images import read_image
from ominix_core.settings import Provider
from ominix_core.states import Loaded
from ominix_core.stream import Generation
from ominix_tui.app import OminixApp
from ominix_tui.screens.chat import ChatScreen
from ominix_tui.widgets.attachments import Attachments, Chip
from ominix_tui.widgets.file_picker import FilePicker
from ominix_tui.widgets.image_dialog import ImageDialog
from ominix_tui.widgets.image_view import ImageView
from tests.support.tiny_vision_models import picture
from tests.tui.support import notices, screen_text, set_state, settled, until, until_connected

SnapCompare = Callable[..., bool]
SIZES = pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
BIG = (120, 40)
DONE = Finished("stop", Usage(prompt_tokens=23, completion_tokens=187, ttft=0.21, decode_tps=42.13))


@pytest.fixture
def files(catalogue_hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two images, a text and something else, where the file picker begins."""
    folder = catalogue_hub.home.root.parent / "files"
    folder.mkdir()
    (folder / "red kite.png").write_bytes(picture("red"))
    (folder / "sea.png").write_bytes(picture("blue", 640, 480))
    (folder / "notes.py").write_text("print('hello')\n")
    (folder / "data.bin").write_bytes(b"\0\1\2")
    monkeypatch.setattr(Attachments, "folder", folder)
    return folder


@pytest.fixture
def asked(catalogue_hub: Hub) -> list[ChatRequest]:
    """What the hub is asked; it answers every request with a sentence."""
    requests: list[ChatRequest] = []

    def generate(model_id: str, request: ChatRequest) -> Generation:
        requests.append(request)
        generation = Generation("scripted", lambda _: None)
        generation.put(TextDelta("A kite."))
        generation.put(DONE)
        return generation

    for model_id in ("moxin-7b-vlm", "qwen3-8b"):
        set_state(catalogue_hub, model_id, Loaded())
    catalogue_hub.generate = generate  # type: ignore[method-assign, assignment]
    return requests


def app_on(hub: Hub, model: str = "moxin-7b-vlm") -> OminixApp:
    return OminixApp(lambda: hub, model, load_initial=False)


def chat_screen(pilot: Pilot[None]) -> ChatScreen:
    return cast("ChatScreen", pilot.app.screen)


def chips(pilot: Pilot[None]) -> list[str]:
    return [str(chip.label) for chip in pilot.app.screen.query(Chip)]


async def open_chat(pilot: Pilot[None]) -> None:
    await until_connected(pilot)
    await pilot.press("ctrl+t")
    await until(pilot, lambda: isinstance(pilot.app.screen, ChatScreen) and chat_screen(pilot)._store)
    await settled(pilot)


async def drop(pilot: Pilot[None], *paths: Path) -> None:
    """As a terminal does when files are dropped on it."""
    count = len(chips(pilot))
    pilot.app.post_message(events.Paste(" ".join(f"'{path}'" for path in paths)))
    await until(pilot, lambda: len(chips(pilot)) == count + len(paths))


async def ask(pilot: Pilot[None], text: str, requests: list[ChatRequest]) -> None:
    """Ask, and wait until the answer is kept."""
    count = len(requests)
    await pilot.press(*text, "enter")
    await until(pilot, lambda: len(requests) > count and not chat_screen(pilot).pane.answering)
    await settled(pilot)
    await pilot.pause()


class TestAttaching:
    async def test_a_file_is_chosen_and_taken_out_by_keyboard(
        self, catalogue_hub: Hub, files: Path, asked: list[ChatRequest]
    ) -> None:
        async with app_on(catalogue_hub).run_test(size=BIG) as pilot:
            await open_chat(pilot)
            await pilot.press("ctrl+f")
            await until(pilot, lambda: isinstance(pilot.app.screen, FilePicker))
            tree = pilot.app.screen.query_one(DirectoryTree)
            await until(pilot, lambda: len(tree.root.children) == 4 and tree.has_focus)
            await pilot.press("G", "k", "enter")
            await until(pilot, lambda: chips(pilot) == ["red kite.png 80×64 ✕"])
            assert chat_screen(pilot).pane.prompt.area.has_focus
            await drop(pilot, files / "sea.png", files / "notes.py")
            await pilot.press("shift+tab", "backspace")
            await until(pilot, lambda: len(chips(pilot)) == 2)
            await pilot.press("backspace")
            await until(pilot, lambda: chips(pilot) == ["red kite.png 80×64 ✕"])
            await pilot.press("backspace")
            await until(pilot, lambda: not chips(pilot))
            await until(pilot, lambda: chat_screen(pilot).pane.prompt.area.has_focus)

    async def test_a_path_is_typed_in_the_tree(self, catalogue_hub: Hub, files: Path, asked: list[ChatRequest]) -> None:
        async with app_on(catalogue_hub).run_test(size=BIG) as pilot:
            await open_chat(pilot)
            await pilot.press("ctrl+f")
            await until(pilot, lambda: isinstance(pilot.app.screen, FilePicker))
            await until(pilot, lambda: pilot.app.screen.query_one(DirectoryTree).has_focus)
            await pilot.press("/")
            line = pilot.app.screen.query_one(Input)
            await until(pilot, lambda: line.has_focus and line.value == "/")
            line.value = str(files / "sea.pn")
            await pilot.press("end", "g", "enter")
            await until(pilot, lambda: chips(pilot) == ["sea.png 640×480 ✕"])

    async def test_what_is_neither_image_nor_text_is_refused(
        self, catalogue_hub: Hub, files: Path, asked: list[ChatRequest]
    ) -> None:
        async with app_on(catalogue_hub).run_test(size=BIG, notifications=True) as pilot:
            await open_chat(pilot)
            pilot.app.post_message(events.Paste(str(files / "data.bin")))
            await until(pilot, lambda: "data.bin: This is not an image" in notices(pilot))
            assert not chips(pilot)

    async def test_a_text_file_goes_into_the_question(
        self, catalogue_hub: Hub, files: Path, asked: list[ChatRequest]
    ) -> None:
        async with app_on(catalogue_hub, "qwen3-8b").run_test(size=BIG, notifications=True) as pilot:
            await open_chat(pilot)
            await drop(pilot, files / "notes.py")
            assert chips(pilot) == ["notes.py 15 B ✕"]
            await pilot.press("enter")
            await until(pilot, lambda: "Type what you want to know" in notices(pilot))
            await ask(pilot, "explain", asked)
            assert asked[-1].messages[-1].content == "explain\n\nnotes.py\n```py\nprint('hello')\n```"
            assert chat_screen(pilot).pane.chat.conversation.title == "explain"


class TestTalking:
    async def test_images_go_with_every_turn_and_are_kept(
        self, catalogue_hub: Hub, files: Path, asked: list[ChatRequest]
    ) -> None:
        kite, sea = (files / "red kite.png").read_bytes(), (files / "sea.png").read_bytes()
        async with app_on(catalogue_hub).run_test(size=BIG) as pilot:
            await open_chat(pilot)
            await drop(pilot, files / "red kite.png", files / "sea.png")
            await ask(pilot, "what?", asked)
            assert asked[-1].messages[-1].images == (kite, sea)
            assert not chips(pilot)
            await until(pilot, lambda: "red kite.png 80×64 · sea.png 640×480" in screen_text(pilot))
            assert "▀" in screen_text(pilot)
            await ask(pilot, "sure?", asked)
            assert [len(message.images) for message in asked[-1].messages] == [2, 0, 0]
            # Its images go with an edited question too, and with an answer that is asked for again.
            await pilot.press("escape", "up", "up", "e")
            await until(pilot, lambda: "Edit and send again" in screen_text(pilot))
            await pilot.press("!", "enter")
            await until(pilot, lambda: len(asked) == 3 and not chat_screen(pilot).pane.answering)
            await settled(pilot)
            assert (asked[-1].messages[-1].content, asked[-1].messages[-1].images) == ("sure?!", ())
            assert asked[-1].messages[0].images == (kite, sea)

    async def test_they_are_viewed_large(self, catalogue_hub: Hub, files: Path, asked: list[ChatRequest]) -> None:
        async with app_on(catalogue_hub).run_test(size=BIG) as pilot:
            await open_chat(pilot)
            await drop(pilot, files / "red kite.png", files / "sea.png")
            await ask(pilot, "what?", asked)
            await pilot.press("escape", "v")
            await until(pilot, lambda: isinstance(pilot.app.screen, ImageDialog))
            view = pilot.app.screen.query_one(ImageView)
            await until(pilot, lambda: view.shows_picture and "PNG · 80 × 64 pixels · 1 of 2" in screen_text(pilot))
            await pilot.press("right")
            await until(pilot, lambda: "640 × 480 pixels · 2 of 2" in screen_text(pilot))
            await pilot.press("escape")
            await until(pilot, lambda: isinstance(pilot.app.screen, ChatScreen))

    async def test_a_model_that_reads_text_only_says_so_before_and_the_question_stays(
        self, catalogue_hub: Hub, files: Path, asked: list[ChatRequest]
    ) -> None:
        async with app_on(catalogue_hub, "qwen3-8b").run_test(size=BIG, notifications=True) as pilot:
            await open_chat(pilot)
            await drop(pilot, files / "sea.png")
            await until(pilot, lambda: "! Qwen3 8B cannot look at images" in screen_text(pilot))
            await pilot.press(*"what?", "enter")
            await until(pilot, lambda: "Qwen3 8B reads text only" in notices(pilot))
            assert (len(chips(pilot)), chat_screen(pilot).pane.prompt.area.text) == (1, "what?")
            assert not asked

    async def test_it_goes_on_without_the_images_of_former_turns(
        self, catalogue_hub: Hub, files: Path, asked: list[ChatRequest]
    ) -> None:
        async with app_on(catalogue_hub).run_test(size=BIG) as pilot:
            await open_chat(pilot)
            await drop(pilot, files / "sea.png")
            await ask(pilot, "what?", asked)
            chat_screen(pilot).pane.use_model("qwen3-8b")
            await until(pilot, lambda: "! Qwen3 8B cannot look at images" in screen_text(pilot))
            await ask(pilot, "so?", asked)
            assert [len(message.images) for message in asked[-1].messages] == [0, 0, 0]

    async def test_a_provider_is_offered_them(self, catalogue_hub: Hub, files: Path) -> None:
        catalogue_hub.settings.providers["near"] = Provider("http://127.0.0.1:9/v1", models=("seer",))
        async with app_on(catalogue_hub, "qwen3-8b").run_test(size=BIG, notifications=True) as pilot:
            await open_chat(pilot)
            chat_screen(pilot).pane.use_model("near/seer")
            await until(pilot, lambda: "seer [near]" in screen_text(pilot))
            await drop(pilot, files / "sea.png")
            await pilot.press(*"what?", "enter")
            await until(pilot, lambda: "near cannot be reached" in notices(pilot))
            await settled(pilot)
            [image] = chat_screen(pilot).pane.chat.images_to(chat_screen(pilot).pane.chat.conversation.head)
            assert image.name == "sea.png"


@pytest.fixture
def kept(catalogue_hub: Hub, files: Path, asked: list[ChatRequest]) -> ChatStore:
    """A conversation about two images."""
    store = ChatStore(catalogue_hub.home)
    conversation = store.create(model_id="moxin-7b-vlm")
    images = [read_image(files / name) for name in ("red kite.png", "sea.png")]
    question = store.ask(conversation.id, None, "What do these show?", images)
    text = "The first one is a **kite**, the second one the sea."
    store.answer(conversation.id, question.id, Answer(text, "moxin-7b-vlm", usage=DONE.usage))
    return store


@SIZES
class TestPictures:
    def test_a_conversation_about_images(
        self, snap_compare: SnapCompare, catalogue_hub: Hub, files: Path, kept: ChatStore, size: tuple[int, int]
    ) -> None:
        async def act(pilot: Pilot[None]) -> None:
            await open_chat(pilot)
            await pilot.press("escape", "enter")
            await until(pilot, lambda: "42.1 tokens" in screen_text(pilot))
            await drop(pilot, files / "red kite.png", files / "notes.py")
            await pilot.press(*"And these?")
            await settled(pilot)

        assert snap_compare(app_on(catalogue_hub), terminal_size=size, run_before=act)

    def test_an_image_as_large_as_it_goes(
        self, snap_compare: SnapCompare, catalogue_hub: Hub, kept: ChatStore, size: tuple[int, int]
    ) -> None:
        async def act(pilot: Pilot[None]) -> None:
            await open_chat(pilot)
            await pilot.press("escape", "enter")
            await until(pilot, lambda: "42.1 tokens" in screen_text(pilot))
            await pilot.press("escape", "v")
            screen: Any = pilot.app
            await until(pilot, lambda: any(view.shows_picture for view in screen.screen.query(ImageView)))
            await pilot.pause()

        assert snap_compare(app_on(catalogue_hub), terminal_size=size, run_before=act)

    def test_a_text_only_model_with_an_image(
        self, snap_compare: SnapCompare, catalogue_hub: Hub, files: Path, asked: Any, size: tuple[int, int]
    ) -> None:
        async def act(pilot: Pilot[None]) -> None:
            await open_chat(pilot)
            await drop(pilot, files / "sea.png")
            await until(pilot, lambda: "cannot look at images" in screen_text(pilot))

        assert snap_compare(app_on(catalogue_hub, "qwen3-8b"), terminal_size=size, run_before=act)
