"""The vision panel: choose images, drop them, take them out, and ask about them on real inference."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.pilot import Pilot
from textual.widgets import Button, DirectoryTree, Input, Label

from ominix_core.generation import ChatRequest, Finished, TextDelta, Usage
from ominix_core.hub import Hub
from ominix_core.memory import Machine
from ominix_core.paths import Home
from ominix_core.registry.catalogue import Registry
from ominix_core.registry.entry_json import read_entry
from ominix_core.settings import Settings
from ominix_core.states import Downloaded, Loaded
from ominix_core.stream import Generation
from ominix_core.system import System
from ominix_tui.app import OminixApp
from ominix_tui.dropped_files import dropped_files
from ominix_tui.panels.vlm_chat import VLMChatPanel
from ominix_tui.widgets.attachments import Attachments, Chip
from ominix_tui.widgets.file_picker import FilePicker
from ominix_tui.widgets.image_view import ImageView
from ominix_tui.widgets.prompt_area import PromptArea
from tests.conftest import local_entry
from tests.support.tiny_vision_models import make_tiny_vlm, picture
from tests.tui.support import answer_of, set_state, type_prompt, until, until_connected

VLM = {"category": "VLM", "ui": {"panel_type": "VLMChat", "color": "#8b5cf6"}}
DONE = Finished("stop", Usage(84, 12, 0.31, 38.5))


@pytest.fixture(scope="session")
def tiny_vlm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_vlm(tmp_path_factory.mktemp("models") / "tiny-vlm")


@pytest.fixture
def vision_hub(home: Home, tiny_vlm: Path) -> Iterator[Hub]:
    """A hub with the model "seer", on a machine that is the same everywhere."""
    runtime = {"engine": "mlx-vlm", "parameters": "0.1M", "quantization": "float32", "memory_gb": 0.1, "context": 4096}
    entry = read_entry(local_entry("seer", tiny_vlm, **VLM, runtime=runtime))
    machine = Machine(32_000_000_000, 20_400_000_000)
    system = System(machine, {}, 1_000_000_000_000, 412_000_000_000, "balanced")
    with Hub(home, Settings(isolation="thread"), Registry([entry])) as hub:
        hub.system = lambda: system  # type: ignore[method-assign]
        hub._guard.read_machine = lambda: machine
        yield hub


@pytest.fixture
def pictures(home: Home, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder with images and other files."""
    folder = home.root.parent / "me" / "Pictures"
    folder.mkdir(parents=True)
    (folder / "red kite.png").write_bytes(picture("red"))
    (folder / "blue.png").write_bytes(picture("blue", 640, 480))
    (folder / "broken.png").write_bytes(picture("blue")[:60])
    (folder / "notes.txt").write_text("no image")
    monkeypatch.setenv("HOME", str(folder.parent))
    monkeypatch.setattr(Attachments, "folder", folder)
    return folder


def app_on(hub: Hub) -> OminixApp:
    return OminixApp(lambda: hub, "seer", load_initial=False)


def panel(pilot: Pilot[None]) -> VLMChatPanel:
    return pilot.app.screen.query_one(VLMChatPanel)


def chips(pilot: Pilot[None]) -> list[str]:
    return [str(chip.label) for chip in pilot.app.screen_stack[-1].query(Chip)]


def problem(pilot: Pilot[None]) -> str:
    label = panel(pilot).query_one("#problem", Label)
    return str(label.render()) if label.display else ""


async def drop(pilot: Pilot[None], text: str) -> None:
    prompt = panel(pilot).query_one(PromptArea)
    prompt.focus()
    pilot.app.post_message(events.Paste(text))
    await pilot.pause()


def listen(hub: Hub) -> list[ChatRequest]:
    """Let the hub answer with a sentence; returns what it is asked."""
    asked: list[ChatRequest] = []

    def generate(model_id: str, request: ChatRequest) -> Generation:
        asked.append(request)
        generation = Generation("scripted", lambda _: None)
        generation.put(TextDelta("A red kite in the sky."))
        generation.put(DONE)
        return generation

    hub.generate = generate  # type: ignore[method-assign]
    return asked


class TestImages:
    async def test_an_image_is_chosen_from_the_tree_and_taken_out_again(self, vision_hub: Hub, pictures: Path) -> None:
        async with app_on(vision_hub).run_test() as pilot:
            await until_connected(pilot)
            panel(pilot).query_one("#choose", Button).press()
            await until(pilot, lambda: isinstance(pilot.app.screen, FilePicker))
            tree = pilot.app.screen.query_one(DirectoryTree)
            await until(pilot, lambda: len(tree.root.children) == 3)
            assert [str(node.label) for node in tree.root.children] == ["blue.png", "broken.png", "red kite.png"]
            await pilot.press("down")
            facts, preview = pilot.app.screen.query_one("#facts", Label), pilot.app.screen.query_one(ImageView)
            await until(pilot, lambda: "PNG · 640 × 480 pixels" in str(facts.render()))
            await until(pilot, lambda: preview.display and preview.shows_picture)
            await pilot.press("down")
            await until(pilot, lambda: "cut short" in str(facts.render()))
            assert not preview.display
            await pilot.press("down", "enter")
            await until(pilot, lambda: chips(pilot) == ["red kite.png 80×64 ✕"])
            assert panel(pilot).holds_work
            pilot.app.screen.query_one(Chip).press()
            await until(pilot, lambda: not chips(pilot))

    async def test_a_path_is_typed(self, vision_hub: Hub, pictures: Path) -> None:
        async with app_on(vision_hub).run_test() as pilot:
            await until_connected(pilot)
            panel(pilot).query_one("#choose", Button).press()
            await until(pilot, lambda: isinstance(pilot.app.screen, FilePicker))
            await until(pilot, lambda: pilot.app.screen.query_one(DirectoryTree).has_focus)
            line = pilot.app.screen.query_one(Input)
            line.focus()
            await until(pilot, lambda: line.has_focus)
            line.value = "~/nothing.png"
            await pilot.press("enter")
            await until(pilot, lambda: "There is no file" in str(pilot.app.screen.query_one("#facts", Label).render()))
            line.value = "~/Pictures/blue.png"
            await pilot.press("enter")
            await until(pilot, lambda: chips(pilot) == ["blue.png 640×480 ✕"])

    async def test_files_that_are_dropped_on_the_prompt_are_attached(self, vision_hub: Hub, pictures: Path) -> None:
        async with app_on(vision_hub).run_test() as pilot:
            await until_connected(pilot)
            await drop(pilot, f"{pictures}/red\\ kite.png '{pictures}/blue.png'")
            await until(pilot, lambda: len(chips(pilot)) == 2)
            assert panel(pilot).query_one(PromptArea).text == ""
            await drop(pilot, "what do you see")
            assert panel(pilot).query_one(PromptArea).text == "what do you see"

    @pytest.mark.parametrize(("name", "reason"), [("broken.png", "cut short"), ("notes.txt", "not an image")])
    async def test_what_is_no_image_is_told(self, name: str, reason: str, vision_hub: Hub, pictures: Path) -> None:
        async with app_on(vision_hub).run_test() as pilot:
            await until_connected(pilot)
            await drop(pilot, str(pictures / name))
            await until(pilot, lambda: reason in problem(pilot))
            assert name in problem(pilot)
            assert not chips(pilot)

    async def test_a_model_of_one_image_takes_the_newest(self, vision_hub: Hub, pictures: Path) -> None:
        async with app_on(vision_hub).run_test() as pilot:
            await until_connected(pilot)
            panel(pilot).query_one(Attachments).limit = 1
            await drop(pilot, str(pictures / "blue.png"))
            await drop(pilot, str(pictures / "red kite.png"))
            await until(pilot, lambda: chips(pilot) == ["red kite.png 80×64 ✕"])

    async def test_more_images_than_the_model_takes_are_refused(self, vision_hub: Hub, pictures: Path) -> None:
        async with app_on(vision_hub).run_test() as pilot:
            await until_connected(pilot)
            panel(pilot).query_one(Attachments).limit = 2
            for _ in range(3):
                await drop(pilot, str(pictures / "blue.png"))
            await until(pilot, lambda: "takes 2 images" in problem(pilot))
            assert len(chips(pilot)) == 2


class TestAnswers:
    async def test_the_question_and_its_images_are_sent(self, vision_hub: Hub, pictures: Path) -> None:
        asked = listen(vision_hub)
        async with app_on(vision_hub).run_test() as pilot:
            await until_connected(pilot)
            set_state(vision_hub, "seer", Loaded())
            await drop(pilot, str(pictures / "blue.png"))
            await until(pilot, lambda: chips(pilot))
            await type_prompt("What is this?")(pilot)
            await pilot.press("enter")
            await until(pilot, lambda: answer_of(pilot) == "A red kite in the sky.")
            (message,) = asked[0].messages
            assert (message.content, message.images) == ("What is this?", ((pictures / "blue.png").read_bytes(),))
            assert chips(pilot), "the next question may be about the same image"

    async def test_a_model_looks_and_answers(self, vision_hub: Hub, pictures: Path) -> None:
        async with app_on(vision_hub).run_test() as pilot:
            await until_connected(pilot)
            await pilot.press("l")
            await until(pilot, lambda: isinstance(vision_hub.state("seer"), Loaded))
            await until(pilot, lambda: panel(pilot).query_one(Attachments).limit == 64)
            await drop(pilot, str(pictures / "red kite.png"))
            await until(pilot, lambda: chips(pilot))
            await type_prompt("What is this?")(pilot)
            await pilot.press("enter")
            response = panel(pilot).query_one("#response")
            await until(pilot, lambda: "tokens/s · TTFT" in str(response.border_subtitle))
            vision_hub.unload("seer")
            await until(pilot, lambda: isinstance(vision_hub.state("seer"), Downloaded))


class TestDroppedFiles:
    def test_paths_are_read_as_terminals_write_them(self, pictures: Path) -> None:
        kite, blue = pictures / "red kite.png", pictures / "blue.png"
        escaped = str(kite).replace(" ", "\\ ")
        for text in (escaped, f"'{kite}'", f'"{kite}" ', f"file://{str(kite).replace(' ', '%20')}", f"{kite}\n"):
            assert dropped_files(text) == [kite], text
        assert dropped_files(f"{kite}\n{blue}") == [kite, blue]
        assert dropped_files(f"{escaped} {blue}") == [kite, blue]
        assert dropped_files("~/Pictures/blue.png") == [blue]

    @pytest.mark.parametrize(
        "text", ["", "what is blue.png?", "blue.png", "/nowhere/blue.png", "it's", "\0", "x" * 10_000]
    )
    def test_other_text_stays_text(self, text: str, pictures: Path) -> None:
        assert dropped_files(text) == []

    def test_a_path_in_a_sentence_stays_text(self, pictures: Path) -> None:
        assert dropped_files(f"compare {pictures}/blue.png") == []


class TestPictures:
    @pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
    def test_an_answer_about_an_image(
        self, size: tuple[int, int], vision_hub: Hub, pictures: Path, snap_compare: Callable[..., bool]
    ) -> None:
        listen(vision_hub)

        async def act(pilot: Pilot[None]) -> None:
            await until_connected(pilot)
            set_state(vision_hub, "seer", Loaded())
            for name in ("red kite.png", "blue.png"):
                await drop(pilot, str(pictures / name))
            await until(pilot, lambda: len(chips(pilot)) == 2)
            await type_prompt("What is this?")(pilot)
            await pilot.press("enter")
            await until(pilot, lambda: answer_of(pilot) == "A red kite in the sky.")
            await pilot.pause()

        assert snap_compare(app_on(vision_hub), run_before=act, terminal_size=size)

    @pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
    def test_choosing_an_image(
        self, size: tuple[int, int], vision_hub: Hub, pictures: Path, snap_compare: Callable[..., bool]
    ) -> None:
        async def act(pilot: Pilot[None]) -> None:
            await until_connected(pilot)
            panel(pilot).query_one("#choose", Button).press()
            await until(pilot, lambda: isinstance(pilot.app.screen, FilePicker))
            screen: Any = pilot.app.screen
            await until(pilot, lambda: len(screen.query_one(DirectoryTree).root.children) == 3)
            await pilot.press("down")
            await until(pilot, lambda: screen.query_one(ImageView).shows_picture)
            await pilot.pause()

        assert snap_compare(app_on(vision_hub), run_before=act, terminal_size=size)
