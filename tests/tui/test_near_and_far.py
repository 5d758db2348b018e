"""The screen on a hub of another program, and what it leaves behind when it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from ominix_core.downloads.download import QueueItem, Stage
from ominix_core.hub import Hub
from ominix_core.paths import Home
from ominix_core.remote.address import address_of, server_here
from ominix_core.remote.hub import RemoteHub
from ominix_core.server.run import ApiServer
from ominix_core.settings import Settings
from ominix_core.states import Downloaded, Downloading, Loaded, Paused
from ominix_tui import local_server
from ominix_tui.app import OminixApp
from ominix_tui.widgets.quit_dialog import QuitDialog
from tests.conftest import local_entry
from tests.server.conftest import api_server, running
from tests.tui.support import answer, answer_of, screen_text, set_state, type_prompt, until, until_connected


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ominix_core.remote.watch.FIRST_DELAY", 0.1)
    monkeypatch.setattr("ominix_core.remote.watch.LONGEST_DELAY", 0.5)


@pytest.fixture
def server(hub: Hub) -> Iterator[ApiServer]:
    with running(api_server(hub)) as server:
        yield server


def told(app: OminixApp) -> list[str]:
    """What the app has notified of."""
    return [notification.message for notification in app._notifications]


class TestFar:
    async def test_a_load_and_an_answer(self, server: ApiServer, hub: Hub) -> None:
        address = address_of(server.url)
        app = OminixApp(lambda: RemoteHub(lambda: address), "tiny", load_initial=False, notice="Mind who listens.")
        async with app.run_test(size=(120, 40)) as pilot:
            await until_connected(pilot)
            await until(pilot, lambda: "Mind who listens." in told(app))
            await until(pilot, lambda: "Ominix on localhost" in screen_text(pilot))
            await until(pilot, lambda: "free" in screen_text(pilot))
            await pilot.press("l")
            await until(pilot, lambda: isinstance(hub.state("tiny"), Loaded))
            await until(pilot, lambda: "● Loaded" in screen_text(pilot))
            await type_prompt("Hello")(pilot)
            await pilot.press("enter")
            await until(pilot, lambda: answer_of(pilot))
            await until(pilot, lambda: "tokens" in screen_text(pilot))
            await pilot.press("ctrl+q")
            await until(pilot, lambda: not app.is_running)
        assert isinstance(hub.state("tiny"), Loaded), "leaving a server is no reason to unload"

    async def test_a_lost_line_is_told_until_it_is_back(self, hub: Hub, quick_retries: None) -> None:
        urls: list[str] = []
        app = OminixApp(lambda: RemoteHub(lambda: address_of(urls[-1])), "tiny", load_initial=False)
        with running(api_server(hub)) as server:
            urls.append(server.url)
            async with app.run_test(size=(120, 40)) as pilot:
                await until_connected(pilot)
                server.stop()
                await until(pilot, lambda: any("lost, trying again in" in text for text in told(app)))
                await until(pilot, lambda: "Ominix ✗ localhost" in screen_text(pilot))
                set_state(hub, "tiny-two", Loaded())
                with running(api_server(hub)) as again:
                    urls.append(again.url)
                    await until(pilot, lambda: f"Connected to {address_of(again.url).name} again" in told(app))
                    await until(pilot, lambda: "Ominix on localhost" in screen_text(pilot))
                    await until(pilot, lambda: "1 loaded" in screen_text(pilot))


class TestQuitting:
    async def test_it_asks_only_when_models_would_be_lost(self, catalogue_app: OminixApp, catalogue_hub: Hub) -> None:
        async with catalogue_app.run_test() as pilot:
            await until_connected(pilot)
            set_state(catalogue_hub, "qwen3-8b", Loaded())
            await pilot.press("ctrl+q")
            await until(pilot, lambda: isinstance(pilot.app.screen, QuitDialog))
            await until(pilot, lambda: "Qwen3 8B is in memory." in screen_text(pilot))
            await pilot.press("escape")
            await until(pilot, lambda: not isinstance(pilot.app.screen, QuitDialog))
            assert catalogue_app.is_running
            await pilot.press("ctrl+q")
            await until(pilot, lambda: isinstance(pilot.app.screen, QuitDialog))
            await answer(pilot, "j", "enter")
            await until(pilot, lambda: not catalogue_app.is_running)
        assert catalogue_app.handover is None

    async def test_quitting_twice_does_not_wait_for_an_answer(
        self, catalogue_app: OminixApp, catalogue_hub: Hub
    ) -> None:
        async with catalogue_app.run_test() as pilot:
            await until_connected(pilot)
            set_state(catalogue_hub, "qwen3-8b", Loaded())
            await pilot.press("ctrl+q")
            await until(pilot, lambda: isinstance(pilot.app.screen, QuitDialog))
            await pilot.press("ctrl+q")
            await until(pilot, lambda: not catalogue_app.is_running)

    async def test_a_server_that_cannot_start_loses_nothing(
        self, catalogue_app: OminixApp, catalogue_hub: Hub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OMINIX_HOST", "192.0.2.1")
        async with catalogue_app.run_test(size=(120, 40)) as pilot:
            await until_connected(pilot)
            set_state(catalogue_hub, "qwen3-8b", Loaded())
            await pilot.press("ctrl+q")
            await until(pilot, lambda: isinstance(pilot.app.screen, QuitDialog))
            await answer(pilot, "enter")
            await until(pilot, lambda: any("The server could not be started." in text for text in told(catalogue_app)))
            assert "Cannot listen on 192.0.2.1" in told(catalogue_app)[-1] or "API key" in told(catalogue_app)[-1]
            assert catalogue_app.is_running

    async def test_serving_goes_on_in_the_background(
        self, home: Home, add_models: Callable[..., None], tiny_llm: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OMINIX_PORT", "0")
        add_models(local_entry("tiny", tiny_llm))
        hub = Hub(home, Settings(isolation="thread"))
        app = OminixApp(lambda: hub, "tiny")
        async with app.run_test() as pilot:
            await until(pilot, lambda: isinstance(hub.state("tiny"), Loaded))
            await pilot.press("ctrl+q")
            await until(pilot, lambda: isinstance(pilot.app.screen, QuitDialog))
            await answer(pilot, "enter")
            await until(pilot, lambda: not app.is_running)
        assert hub.state("tiny") == Downloaded()
        assert app.handover is not None
        try:
            app.handover.finish()
            with RemoteHub(lambda: server_here(home)) as server:
                assert isinstance(server.state("tiny"), Loaded)
        finally:
            local_server.stop(home)


class TestQuittingWithDownloads:
    @pytest.fixture
    def getting(self, catalogue_hub: Hub) -> Hub:
        """A hub with a download that runs, one that waits, and one that was paused."""
        stages = {"moxin-7b-vlm": Stage.RUNNING, "flux-klein": Stage.WAITING, "paraformer": Stage.PAUSED}
        for model_id, stage in stages.items():
            state = Paused(1, 2) if stage is Stage.PAUSED else Downloading(1, 2)
            set_state(catalogue_hub, model_id, state)
        catalogue_hub.download_queue = lambda: tuple(  # type: ignore[method-assign]
            QueueItem(model_id, stage, catalogue_hub.state(model_id)) for model_id, stage in stages.items()
        )
        return catalogue_hub

    @pytest.mark.parametrize("key", ["q", "ctrl+q", "palette"])
    async def test_it_asks_first_however_one_quits(self, getting: Hub, key: str) -> None:
        app = OminixApp(lambda: getting)
        async with app.run_test() as pilot:
            await until_connected(pilot)
            if key == "palette":
                await pilot.press("ctrl+p", *"quit")
                await until(pilot, lambda: "Leave, or detach" in screen_text(pilot))
                await pilot.press("enter")
            else:
                await pilot.press(key)
            await until(pilot, lambda: isinstance(pilot.app.screen, QuitDialog))
            await until(pilot, lambda: "Moxin-7B VLM and FLUX.2-klein are being downloaded." in screen_text(pilot))
            assert "Go on downloading in the background" in screen_text(pilot)
            await pilot.press("escape")
            await until(pilot, lambda: not isinstance(pilot.app.screen, QuitDialog))
            assert app.is_running
            await pilot.press("ctrl+q")
            await until(pilot, lambda: isinstance(pilot.app.screen, QuitDialog))
            await answer(pilot, "down", "enter")
            await until(pilot, lambda: not app.is_running)
        assert app.handover is None

    async def test_ctrl_c_ends_nothing(self, getting: Hub) -> None:
        app = OminixApp(lambda: getting)
        async with app.run_test() as pilot:
            await until_connected(pilot)
            await pilot.press("ctrl+c")
            await pilot.pause()
            assert app.is_running

    async def test_a_server_goes_on_with_them(self, getting: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("ominix_tui.handover._start_server", lambda home: None)
        app = OminixApp(lambda: getting)
        async with app.run_test() as pilot:
            await until_connected(pilot)
            await pilot.press("q")
            await until(pilot, lambda: isinstance(pilot.app.screen, QuitDialog))
            await answer(pilot, "enter")
            await until(pilot, lambda: not app.is_running)
        assert app.handover is not None
        assert app.handover.downloads == ("moxin-7b-vlm", "flux-klein")

    async def test_the_next_start_tells_and_one_key_goes_on_with_all(self, catalogue_hub: Hub) -> None:
        asked: list[str] = []
        catalogue_hub.download = lambda model_id: asked.append(model_id)  # type: ignore[method-assign,assignment,return-value]
        for model_id in ("moxin-7b-vlm", "flux-klein"):
            set_state(catalogue_hub, model_id, Paused(1, 2))
        app = OminixApp(lambda: catalogue_hub)
        async with app.run_test() as pilot:
            await until_connected(pilot)
            await until(pilot, lambda: "2 paused: P resumes" in screen_text(pilot))
            await pilot.press("P")
            await until(pilot, lambda: asked == ["moxin-7b-vlm", "flux-klein"])
            await until(pilot, lambda: "2 downloads going on." in told(app))

    async def test_a_start_on_another_screen_tells_it_too(self, catalogue_hub: Hub) -> None:
        set_state(catalogue_hub, "moxin-7b-vlm", Paused(1, 2))
        catalogue_hub.home.screen_state.write_text('{"place": "logs"}')
        app = OminixApp(lambda: catalogue_hub)
        async with app.run_test() as pilot:
            await until(pilot, lambda: told(app))
            assert told(app) == [
                "Moxin-7B VLM is only half downloaded. P in the Hub (F2) goes on with all that is paused."
            ]


class TestSnapshots:
    def test_the_question_about_downloads(
        self, catalogue_app: OminixApp, catalogue_hub: Hub, snap_compare: Callable[..., bool]
    ) -> None:
        async def quit_while_downloading(pilot: Pilot[None]) -> None:
            await until_connected(pilot)
            set_state(catalogue_hub, "moxin-7b-vlm", Downloading(4 * 10**9, 95 * 10**8))
            item = QueueItem("moxin-7b-vlm", Stage.RUNNING, catalogue_hub.state("moxin-7b-vlm"))
            catalogue_hub.download_queue = lambda: (item,)  # type: ignore[method-assign]
            await pilot.press("ctrl+q")
            await until(pilot, lambda: isinstance(pilot.app.screen, QuitDialog))
            await until(pilot, lambda: "being downloaded" in screen_text(pilot))

        assert snap_compare(catalogue_app, run_before=quit_while_downloading, terminal_size=(80, 24))

    def test_the_question_before_the_end(
        self, catalogue_app: OminixApp, catalogue_hub: Hub, snap_compare: Callable[..., bool]
    ) -> None:
        async def quit_with_models(pilot: Pilot[None]) -> None:
            await until_connected(pilot)
            for model_id in ("qwen3-8b", "glm4-9b"):
                set_state(catalogue_hub, model_id, Loaded(9_500_000_000))
            await pilot.press("ctrl+q")
            await until(pilot, lambda: isinstance(pilot.app.screen, QuitDialog))
            await until(pilot, lambda: "2 loaded" in screen_text(pilot))

        assert snap_compare(catalogue_app, run_before=quit_with_models, terminal_size=(80, 24))

    @pytest.mark.parametrize("line_is_down", [False, True], ids=["connected", "lost"])
    def test_whose_models_these_are(
        self, catalogue_app: OminixApp, snap_compare: Callable[..., bool], line_is_down: bool
    ) -> None:
        async def be_elsewhere(pilot: Pilot[None]) -> None:
            await until_connected(pilot)
            catalogue_app.place, catalogue_app.line_is_down = "mac.local", line_is_down
            await until(pilot, lambda: ("✗ mac.local" if line_is_down else "on mac.local") in screen_text(pilot))

        assert snap_compare(catalogue_app, run_before=be_elsewhere, terminal_size=(80, 24))
