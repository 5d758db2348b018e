"""The life of the program on the screen: it starts without its Hub, says what it lacks, and leaves nothing behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
import pytest
from textual.binding import Binding
from textual.css.stylesheet import Stylesheet

from ominix_core.chats import ChatStore
from ominix_core.errors import RegistryError
from ominix_core.hub import Hub
from ominix_core.paths import Home
from ominix_core.registry.catalogue import Registry
from ominix_core.registry.entry_json import read_entry
from ominix_core.states import Loaded, Loading
from ominix_tui.app import OminixApp
from ominix_tui.panels.llm_chat import LLMChatPanel
from ominix_tui.places import PLACES
from ominix_tui.screens.chat import ChatScreen
from ominix_tui.screens.hub import HubScreen
from ominix_tui.widgets.chat_pane import ChatPane
from ominix_tui.widgets.chat_transcript import ChatTranscript
from ominix_tui.widgets.dialogs import ChoiceDialog, TextDialog
from ominix_tui.widgets.prompt_area import PromptArea
from ominix_tui.widgets.quit_dialog import QuitDialog
from ominix_tui.widgets.registry_tree import RegistryTree
from ominix_tui.widgets.titles import Titles
from tests.conftest import local_entry
from tests.support.fixture_hub import FixtureHub
from tests.tui.support import screen_text, set_state, settled, until, until_connected, visible_panel
from tests.tui.terminal import PATIENCE, Terminal, on_a_terminal


class TestPlaces:
    async def test_a_screen_opens_without_every_style_sheet_being_parsed_again(
        self, catalogue_app: OminixApp, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        parsed: list[Stylesheet] = []
        async with catalogue_app.run_test() as pilot:
            await until_connected(pilot)
            monkeypatch.setattr(Stylesheet, "reparse", parsed.append)
            for place in (*PLACES[1:], PLACES[0]):
                catalogue_app.action_show(place.name)
                await until(pilot, lambda name=place.name: catalogue_app.current_mode == name)
                await settled(pilot)
        assert not parsed, "that takes 50 to 100 ms of the event loop"


class TestStart:
    async def test_the_screen_stands_before_the_hub_is_made(self, catalogue_hub: Hub) -> None:
        may_open = threading.Event()

        def make_hub() -> Hub:
            may_open.wait(PATIENCE)
            return catalogue_hub

        app = OminixApp(make_hub)
        async with app.run_test() as pilot:
            await until(pilot, lambda: "Reading the registry" in screen_text(pilot))
            may_open.set()
            await until_connected(pilot)
            await until(pilot, lambda: "Qwen3 8B" in screen_text(pilot))

    async def test_a_hub_that_cannot_be_made_ends_the_program_with_its_message(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def make_hub() -> Hub:
            raise RegistryError("The registry [/x] is broken.")

        app = OminixApp(make_hub)
        async with app.run_test() as pilot:
            await until(pilot, lambda: not app.is_running)
        assert app.return_code == 1
        assert "The registry [/x] is broken." in capsys.readouterr().err

    async def test_an_unknown_initial_model_ends_it_too(self, catalogue_hub: Hub) -> None:
        app = OminixApp(lambda: catalogue_hub, "qwen3-8c")
        async with app.run_test() as pilot:
            await until(pilot, lambda: not app.is_running)
        assert app.return_code == 1

    async def test_an_empty_registry_says_so(self, hub: Hub) -> None:
        hub.registry = Registry([])
        app = OminixApp(lambda: hub)
        async with app.run_test() as pilot:
            await until(pilot, lambda: "The registry holds no models." in screen_text(pilot))

    def test_importing_the_app_imports_nothing_heavy(self) -> None:
        code = "import sys, ominix_tui.main, ominix_tui.commands.tui, ominix_tui.app; print(*sys.modules)"
        modules = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.split()
        heavy = {"pydantic", "mlx", "mlx_lm", "httpx", "huggingface_hub", "msgspec", "typer", "markdown_it"}
        assert not heavy & set(modules)


class TestModels:
    async def test_states_reach_the_list_and_the_header_from_any_thread(self, catalogue_hub: Hub) -> None:
        app = OminixApp(lambda: catalogue_hub, "qwen3-8b", load_initial=False)
        async with app.run_test() as pilot:
            await until_connected(pilot)
            thread = threading.Thread(
                target=lambda: set_state(catalogue_hub, "glm4-9b", Loading(0.65, "loading weights"))
            )
            thread.start()
            thread.join()
            await until(pilot, lambda: "◐ GLM-4 9B        65 %" in screen_text(pilot))
            set_state(catalogue_hub, "glm4-9b", Loaded())
            await until(pilot, lambda: "1 loaded · 2 on disk · 7 models" in screen_text(pilot))

    async def test_names_are_text_and_nothing_else(self, catalogue_hub: Hub) -> None:
        entry = read_entry(local_entry("odd", Path("/nowhere")) | {"name": "[red]x[/red]\x1b[2J"})
        catalogue_hub.registry = Registry([entry])
        app = OminixApp(lambda: catalogue_hub)
        async with app.run_test(size=(120, 40)) as pilot:
            await until_connected(pilot)
            await until(pilot, lambda: "[red]x[/red][2J" in screen_text(pilot))
            assert "\x1b" not in screen_text(pilot)

    async def test_an_action_that_cannot_be_done_is_told(
        self, catalogue_hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        app = OminixApp(lambda: catalogue_hub, "qwen3-235b-moe")
        (tmp_path / "no-repositories").mkdir()
        with FixtureHub(tmp_path / "no-repositories") as web:
            monkeypatch.setenv("HF_ENDPOINT", web.url)
            async with app.run_test(size=(120, 40)) as pilot:
                await until_connected(pilot)
                await pilot.press("g")
                await until(pilot, lambda: "! Error" in screen_text(pilot))
                await until(pilot, lambda: "mlx/qwen3-235b-moe" in screen_text(pilot))

    async def test_looking_through_the_list_leaves_no_panels_behind(self, catalogue_hub: Hub) -> None:
        app = OminixApp(lambda: catalogue_hub, "qwen3-8b", load_initial=False)
        async with app.run_test() as pilot:
            await until_connected(pilot)
            await pilot.press("j", "j", "k", "k")
            await pilot.pause()
            assert len(app.screen.query(LLMChatPanel)) == 1


class TestKeys:
    def test_every_key_is_named_and_explained(self) -> None:
        hub = (OminixApp, HubScreen, LLMChatPanel, PromptArea, RegistryTree)
        chat = (ChatScreen, ChatPane, ChatTranscript, Titles, TextDialog, ChoiceDialog, QuitDialog)
        bindings = [binding for cls in (*hub, *chat) for binding in cls.BINDINGS]
        assert all(isinstance(binding, Binding) for binding in bindings)
        assert all(binding.id and binding.description and binding.tooltip for binding in bindings)  # type: ignore[union-attr]
        ids = [binding.id for binding in bindings if not str(binding.id).startswith("list.")]  # type: ignore[union-attr]
        ids.remove("dialog.cancel")  # both dialogs have it
        assert len(set(ids)) == len(ids)

    async def test_q_is_text_in_a_field_and_quits_elsewhere(self, catalogue_app: OminixApp) -> None:
        async with catalogue_app.run_test() as pilot:
            await until_connected(pilot)
            await pilot.press("enter", "q")
            assert visible_panel(pilot).query_one(PromptArea).text == "q"
            assert catalogue_app.is_running
            await pilot.press("escape", "q")
            await until(pilot, lambda: not catalogue_app.is_running)

    async def test_ctrl_q_quits_from_a_field(self, catalogue_app: OminixApp) -> None:
        async with catalogue_app.run_test() as pilot:
            await until_connected(pilot)
            await pilot.press("enter", "ctrl+q")
            await until(pilot, lambda: not catalogue_app.is_running)


class TestOnATerminal:
    @pytest.fixture
    def start(self, add_models: Callable[..., None], tiny_llm: Path) -> Callable[[], AbstractContextManager[Terminal]]:
        add_models(local_entry("tiny", tiny_llm))
        return on_a_terminal

    @pytest.mark.parametrize("ending", ["key", "SIGTERM", "SIGHUP"])
    def test_it_leaves_no_process_behind(
        self, start: Callable[[], AbstractContextManager[Terminal]], ending: str
    ) -> None:
        with start() as screen:
            screen.wait_for("Unload")
            workers = psutil.Process(screen.process.pid).children(recursive=True)
            assert workers
            if ending == "key":
                assert screen.quit() == 0
            else:
                screen.process.send_signal(signal.Signals[ending])
                assert screen.end() == 0
            assert psutil.wait_procs(workers, timeout=PATIENCE)[1] == []

    def test_a_signal_ends_it_while_its_terminal_takes_no_output(
        self, start: Callable[[], AbstractContextManager[Terminal]]
    ) -> None:
        with start() as screen:
            screen.wait_for("Unload")
            workers = psutil.Process(screen.process.pid).children(recursive=True)
            screen.fill()
            screen.process.terminate()
            assert screen.process.wait(PATIENCE) == 0
            assert psutil.wait_procs(workers, timeout=PATIENCE)[1] == []

    def test_a_terminal_that_vanishes_leaves_no_process_and_loses_no_conversation(
        self,
        start: Callable[[], AbstractContextManager[Terminal]],
        home: Home,
        add_models: Callable[..., None],
        endless_llm: Path,
    ) -> None:
        add_models(local_entry("tiny", endless_llm))
        with start() as screen:
            screen.wait_for("Unload")
            processes = psutil.Process(screen.process.pid).children(recursive=True)
            screen.output = b""
            screen.type(b"\x14")
            screen.wait_for("[local]")  # the new conversation has its model
            screen.wait_for("Send")
            screen.type(b"Hello out there\r")
            screen.wait_for("Stop")
            screen.vanish()
            screen.process.wait(PATIENCE)
            assert psutil.wait_procs(processes, timeout=PATIENCE)[1] == []
        store = ChatStore(home)
        (conversation,) = store.conversations("")
        assert store.load(conversation.id).branch[0].content == "Hello out there"
        store.close()

    @pytest.mark.usefixtures("no_server")
    def test_no_single_byte_ends_it(self, start: Callable[[], AbstractContextManager[Terminal]]) -> None:
        keys_that_quit = {0x11, ord("q")}
        with start() as screen:
            screen.wait_for("Unload")
            for byte in sorted(set(range(256)) - keys_that_quit):
                screen.type(bytes([byte]))
            assert screen.quit() == 0
