"""Where the screen invites typing, what is typed is text: nothing of it loads, deletes or makes anything."""

from __future__ import annotations

import threading
from concurrent.futures import Future

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from ominix_core.downloads.store import Usage
from ominix_core.hub import Hub
from ominix_core.states import Downloaded, Downloading, Error, Loaded, Loading, ModelState, NotDownloaded
from ominix_tui.app import OminixApp
from ominix_tui.panels.base import ModelPanel
from ominix_tui.screens.hub import HubScreen
from ominix_tui.widgets.dialogs import UnhurriedDialog
from ominix_tui.widgets.prompt_area import PromptArea
from ominix_tui.widgets.registry_tree import RegistryTree
from tests.tui.support import screen_text, set_state, until, until_connected
from tests.tui.test_typed_ahead import at_once

SENTENCE = "Say hi to dalq/?1f4"
"""Its letters open screens, load, delete, search and quit in the list of models."""
PANELS = ["qwen3-8b", "moxin-7b-vlm", "paraformer", "gpt-sovits", "flux-klein"]
INVITATION = "You can"


@pytest.fixture
def asked(catalogue_hub: Hub) -> list[str]:
    """What the hub was asked to do; loads go on until the test ends them."""
    calls: list[str] = []

    def load(model_id: str, force: bool = False) -> Future[None]:
        calls.append(f"load {model_id}")
        set_state(catalogue_hub, model_id, Loading(0.1, "loading weights"))
        return Future()

    def download(model_id: str) -> Future[None]:
        calls.append(f"get {model_id}")
        set_state(catalogue_hub, model_id, Downloading(1, 100))
        return Future()

    catalogue_hub.load = load  # type: ignore[method-assign,assignment]
    catalogue_hub.download = download  # type: ignore[method-assign,assignment]
    for name in ("unload", "remove", "verify", "cancel_download"):
        setattr(catalogue_hub, name, lambda *_, name=name: calls.append(name))
    return calls


def panel_of(pilot: Pilot[None]) -> ModelPanel:
    return next(panel for panel in pilot.app.screen.query(ModelPanel) if panel.display)


def typed(pilot: Pilot[None]) -> str | None:
    """What stands in the field of the panel that has the focus; None while no such field has it."""
    field = pilot.app.screen.focused
    if not isinstance(field, PromptArea | Input) or panel_of(pilot) not in field.ancestors:
        return None
    return field.text if isinstance(field, PromptArea) else field.value


async def test_enter_before_the_model_is_there(catalogue_hub: Hub, asked: list[str]) -> None:
    app = OminixApp(lambda: catalogue_hub, "qwen3-8b", load_initial=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await until_connected(pilot)
        at_once(pilot, "sSay hi\r")
        await until(pilot, lambda: "is still on its way into memory. Press" in screen_text(pilot))
        set_state(catalogue_hub, "qwen3-8b", Loading(0.5, "loading weights"))
        await pilot.pause()
        assert "Enter again" in screen_text(pilot)
        set_state(catalogue_hub, "qwen3-8b", Loaded())
        await until(pilot, lambda: "Enter again" not in screen_text(pilot))
        assert typed(pilot) == "Say hi"


@pytest.mark.parametrize("key", ["s", pytest.param("l", marks=pytest.mark.slow)])
@pytest.mark.parametrize("model", PANELS)
async def test_after_use_and_load(catalogue_hub: Hub, asked: list[str], model: str, key: str) -> None:
    set_state(catalogue_hub, model, Downloaded())
    app = OminixApp(lambda: catalogue_hub, model, load_initial=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await until_connected(pilot)
        assert INVITATION not in screen_text(pilot)
        at_once(pilot, key + SENTENCE)
        await until(pilot, lambda: typed(pilot) == SENTENCE)
        assert asked == [f"load {model}"]
        await until(pilot, lambda: INVITATION in screen_text(pilot))
        for end in (Error("It broke."), Downloaded(), Loaded()):
            set_state(catalogue_hub, model, end)
            await pilot.press("d")
        assert typed(pilot) == SENTENCE + "ddd"
        assert asked == [f"load {model}"]
        assert app.screen_stack == [app.screen]


async def test_from_the_palette(catalogue_hub: Hub, asked: list[str]) -> None:
    app = OminixApp(lambda: catalogue_hub, "qwen3-8b", load_initial=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await until_connected(pilot)
        await pilot.press("ctrl+p", *"use")
        await until(pilot, lambda: "Go to the model's panel" in screen_text(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: asked)
        await until(pilot, lambda: isinstance(app.screen, HubScreen) and isinstance(app.screen.focused, PromptArea))
        await pilot.press(*"said")
        assert typed(pilot) == "said"


async def test_another_screen_meanwhile(catalogue_hub: Hub, asked: list[str]) -> None:
    app = OminixApp(lambda: catalogue_hub, "qwen3-8b", load_initial=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await until_connected(pilot)
        await pilot.press("s", *"one", "f7", "f2")
        await until(pilot, lambda: isinstance(app.screen, HubScreen))
        set_state(catalogue_hub, "qwen3-8b", Loaded())
        await pilot.press(*"two")
        await until(pilot, lambda: typed(pilot) == "onetwo")
        assert asked == ["load qwen3-8b"]


class TestGet:
    """The prompt is where one waits for a model; Escape leads back to the list, for the next one."""

    async def test_one_after_the_other(self, catalogue_hub: Hub, asked: list[str]) -> None:
        for model in ("moxin-7b-vlm", "paraformer"):
            set_state(catalogue_hub, model, NotDownloaded())
        app = OminixApp(lambda: catalogue_hub, "moxin-7b-vlm", load_initial=False)
        async with app.run_test(size=(120, 40)) as pilot:
            await until_connected(pilot)
            await pilot.press("g")
            await until(pilot, lambda: "on its way to this machine" in screen_text(pilot))
            await pilot.press("escape")
            await until(pilot, lambda: "Enter lets you" in screen_text(pilot))
            assert INVITATION not in screen_text(pilot)
            await pilot.press("down", "down", "g")
            await until(pilot, lambda: asked == ["get moxin-7b-vlm", "get paraformer"])

    async def test_a_sentence_is_text(self, catalogue_hub: Hub, asked: list[str]) -> None:
        set_state(catalogue_hub, "moxin-7b-vlm", NotDownloaded())
        app = OminixApp(lambda: catalogue_hub, "moxin-7b-vlm", load_initial=False)
        async with app.run_test(size=(120, 40)) as pilot:
            await until_connected(pilot)
            await pilot.press("g", *"Say lads")
            await until(pilot, lambda: INVITATION in screen_text(pilot))
            assert typed(pilot) == "Say lads"
            assert asked == ["get moxin-7b-vlm"]


class TestInTheList:
    """Who types a sentence there opens questions, which the rest of the sentence does not answer."""

    @pytest.mark.parametrize("slowly", [False, True])
    @pytest.mark.parametrize("sentence", ["describe my lovely day\r", "dying\r", "quick, any news?\r"])
    async def test_a_sentence_answers_no_question(
        self, catalogue_hub: Hub, asked: list[str], sentence: str, slowly: bool
    ) -> None:
        disk_usage = catalogue_hub.disk_usage
        may_answer = threading.Event()

        def slow_disk() -> list[Usage]:
            may_answer.wait()
            return disk_usage()

        catalogue_hub.disk_usage = slow_disk  # type: ignore[method-assign]
        set_state(catalogue_hub, "paraformer", Loaded())
        app = OminixApp(lambda: catalogue_hub, "paraformer", load_initial=False)
        async with app.run_test(size=(80, 24)) as pilot:
            await until_connected(pilot)
            if slowly:
                may_answer.set()
                at_once(pilot, sentence[0])
                await until(pilot, lambda: isinstance(app.screen, UnhurriedDialog) and app.screen.listens)
                at_once(pilot, "x" + sentence[1:])
            else:
                at_once(pilot, sentence)
                await pilot.pause()
                may_answer.set()
            await until(pilot, lambda: isinstance(app.screen, UnhurriedDialog))
            await pilot.pause()
            assert app.is_running
            assert isinstance(app.screen, UnhurriedDialog)
            assert asked == []
            await pilot.press("escape")
            await until(pilot, lambda: isinstance(app.screen, HubScreen))


class TestKeyLine:
    """It shows no key that would write itself into the field with the focus."""

    async def test_in_the_list_and_in_a_prompt(self, catalogue_hub: Hub) -> None:
        app = OminixApp(lambda: catalogue_hub, "qwen3-8b", load_initial=False)
        async with app.run_test(size=(120, 40)) as pilot:
            await until_connected(pilot)
            await until(pilot, lambda: "s Use" in last_line(pilot) and "/ Find" in last_line(pilot))
            await pilot.press("enter")
            await until(pilot, lambda: "Send" in last_line(pilot))
            assert "/ Find" not in last_line(pilot)
            assert "s Use" not in last_line(pilot)

    @pytest.mark.parametrize("field", ["#generate", "#more-line"])
    async def test_beside_the_fields_no_letter_is_a_command(
        self, catalogue_hub: Hub, asked: list[str], field: str
    ) -> None:
        state: ModelState = Loaded()
        set_state(catalogue_hub, "qwen3-8b", state)
        app = OminixApp(lambda: catalogue_hub, "qwen3-8b", load_initial=False)
        async with app.run_test(size=(120, 40)) as pilot:
            await until_connected(pilot)
            panel_of(pilot).query_one(field).focus()
            await pilot.press("d", "u", "v", "i")
            await pilot.pause()
            assert asked == []
            assert app.screen_stack == [app.screen]
            assert "Remove" not in last_line(pilot)

    async def test_on_the_line_of_a_category_there_is_no_model(self, catalogue_hub: Hub, asked: list[str]) -> None:
        set_state(catalogue_hub, "qwen3-8b", Loaded())
        app = OminixApp(lambda: catalogue_hub, "qwen3-8b", load_initial=False)
        async with app.run_test(size=(120, 40)) as pilot:
            await until_connected(pilot)
            await until(pilot, lambda: "u Unload" in last_line(pilot))
            await pilot.press("up")
            await until(pilot, lambda: app.screen.query_one(RegistryTree).at_cursor is None)
            await until(pilot, lambda: "u Unload" not in last_line(pilot))
            await pilot.press("u", "d")
            await pilot.pause()
            assert asked == []


def last_line(pilot: Pilot[None]) -> str:
    return screen_text(pilot).rstrip("\n").splitlines()[-1]
