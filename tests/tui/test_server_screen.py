"""The server screen: a real `ominix serve` is started, watched and stopped; keys are made and revoked."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psutil
import pytest
from textual.pilot import Pilot

from ominix_core.hub import Hub
from ominix_core.paths import Home
from ominix_core.server.keys import KeyStore
from ominix_tui import local_server
from ominix_tui.app import OminixApp
from ominix_tui.local_server import ServedModel, ServerStatus
from ominix_tui.screens.server import ServerScreen
from tests.tui.support import answer, notices, screen_text, until, until_connected

SnapCompare = Callable[..., bool]
SIZES = pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])

BUSY = ServerStatus(
    url="http://127.0.0.1:8080",
    pid=4321,
    version="0.1.0",
    uptime_seconds=4 * 3600 + 7 * 60,
    models=(
        ServedModel("qwen3-8b", 9_500_000_000, 2, 42.5),
        ServedModel("moxin-7b-vlm", 5_100_000_000, 0, None),
    ),
    requests=(("qwen3-8b", 0), ("qwen3-8b", 0)),
)


async def open_server(pilot: Pilot[None]) -> None:
    await until_connected(pilot)
    await pilot.press("f5")
    await until(pilot, lambda: isinstance(pilot.app.screen, ServerScreen))
    await until(pilot, lambda: "runs on this machine" in screen_text(pilot) or "Serving at" in screen_text(pilot))
    await pilot.pause()


@pytest.fixture
def busy_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that answers two requests, which began a minute ago."""
    monkeypatch.setattr(local_server, "status", lambda home: BUSY)
    monkeypatch.setattr("ominix_tui.widgets.server_status.time.time", lambda: 61.0)


@pytest.fixture
def keys(home: Home, monkeypatch: pytest.MonkeyPatch) -> KeyStore:
    """Two keys, with the ids that pictures show."""
    ids = iter(["0a1b2c3d", "4e5f6a7b"])
    store = KeyStore(home.api_keys)
    with monkeypatch.context() as patch:
        patch.setattr("ominix_core.server.keys.secrets.token_hex", lambda size: next(ids))
        patch.setattr("ominix_core.server.keys.time.time", lambda: 1_760_000_000.0)
        store.create("Continue in VS Code")
        store.create("the phone", ("use", "manage"))
    return store


class TestPictures:
    @SIZES
    def test_not_running(self, snap_compare: SnapCompare, catalogue_app: OminixApp, size: tuple[int, int]) -> None:
        assert snap_compare(catalogue_app, terminal_size=size, run_before=open_server)

    @SIZES
    def test_busy(
        self, snap_compare: SnapCompare, catalogue_app: OminixApp, busy_server: None, keys: KeyStore,
        size: tuple[int, int],
    ) -> None:  # fmt: skip
        assert snap_compare(catalogue_app, terminal_size=size, run_before=open_server)

    def test_light(
        self, snap_compare: SnapCompare, catalogue_app: OminixApp, busy_server: None, keys: KeyStore
    ) -> None:
        catalogue_app.theme = "textual-light"
        assert snap_compare(catalogue_app, terminal_size=(120, 40), run_before=open_server)

    def test_new_key(self, snap_compare: SnapCompare, catalogue_app: OminixApp) -> None:
        async def ask(pilot: Pilot[None]) -> None:
            await open_server(pilot)
            await pilot.press("a", *"phone")

        assert snap_compare(catalogue_app, terminal_size=(80, 24), run_before=ask)

    def test_secret(self, snap_compare: SnapCompare, catalogue_app: OminixApp, monkeypatch: pytest.MonkeyPatch) -> None:
        async def make(pilot: Pilot[None]) -> None:
            await open_server(pilot)
            monkeypatch.setattr("ominix_core.server.keys.new_secret", lambda: "omx-" + "A1b2C3d4" * 5)
            monkeypatch.setattr("ominix_core.server.keys.secrets.token_hex", lambda size: "0a1b2c3d")
            monkeypatch.setattr("ominix_core.server.keys.time.time", lambda: 1_760_000_000.0)
            await pilot.press("a", *"phone", "enter")
            await until(pilot, lambda: "omx-" in screen_text(pilot))
            await pilot.pause()

        assert snap_compare(catalogue_app, terminal_size=(80, 24), run_before=make)


class TestKeys:
    async def test_a_key_is_made_shown_once_and_revoked(self, catalogue_app: OminixApp, home: Home) -> None:
        store = KeyStore(home.api_keys)
        async with catalogue_app.run_test(size=(120, 40)) as pilot:
            await open_server(pilot)
            await pilot.press("a", *"phone", "tab", "right", "shift+tab", "enter")
            await until(pilot, lambda: "nothing can show it again" in screen_text(pilot))
            (key,) = store.all()
            assert key.name == "phone"
            assert key.scopes == ("use", "manage")
            await pilot.press("c")
            assert store.find(catalogue_app.clipboard) == key
            await pilot.press("enter")
            await until(pilot, lambda: key.id in screen_text(pilot))
            assert catalogue_app.clipboard not in screen_text(pilot)
            catalogue_app.screen.query_one("#keys").focus()
            await pilot.press("d")
            await until(pilot, lambda: "are refused from then on" in screen_text(pilot))
            await answer(pilot, "y")
            await until(pilot, lambda: not store.all())
            await until(pilot, lambda: "There is no key" in screen_text(pilot))

    async def test_escape_makes_none(self, catalogue_app: OminixApp, home: Home) -> None:
        async with catalogue_app.run_test() as pilot:
            await open_server(pilot)
            await pilot.press("a", *"x", "escape")
            await pilot.pause()
        assert not home.api_keys.exists()


class TestServing:
    @pytest.fixture
    def free_port(self, home: Home) -> Iterator[None]:
        home.config.write_text("port = 0\nwarm_spare = false\n")
        yield
        if home.server_file.exists():
            local_server.stop(home)

    @pytest.mark.slow
    async def test_it_starts_outlives_this_program_and_stops(
        self, catalogue_hub: Hub, home: Home, free_port: None
    ) -> None:
        async with OminixApp(lambda: catalogue_hub).run_test(size=(120, 40)) as pilot:
            await open_server(pilot)
            await pilot.press("s")
            await until(pilot, lambda: "Serving at http://127.0.0.1:" in screen_text(pilot))
            status = local_server.status(home)
            await pilot.press("c")
            assert pilot.app.clipboard == f"{status.url}/v1"
        assert psutil.pid_exists(status.pid)
        async with OminixApp(lambda: catalogue_hub).run_test(size=(120, 40)) as pilot:
            await open_server(pilot)
            await pilot.press("s")
            await until(pilot, lambda: "No server runs" in screen_text(pilot))
        assert not psutil.pid_exists(status.pid)

    async def test_a_server_that_cannot_start_says_why(self, catalogue_hub: Hub, home: Home) -> None:
        home.config.write_text('host = "0.0.0.0"\nport = 0\n')
        async with OminixApp(lambda: catalogue_hub).run_test(notifications=True) as pilot:
            await open_server(pilot)
            await pilot.press("s")
            await until(pilot, lambda: "it takes an API key" in notices(pilot))
            await until(pilot, lambda: "No server runs" in screen_text(pilot))

    async def test_what_stopping_would_cut_short_is_asked(
        self, catalogue_app: OminixApp, busy_server: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stopped: list[Home] = []
        monkeypatch.setattr(local_server, "stop", stopped.append)
        async with catalogue_app.run_test() as pilot:
            await open_server(pilot)
            await pilot.press("s")
            await until(pilot, lambda: "2 answers are being written" in screen_text(pilot))
            await answer(pilot, "n")
            await pilot.press("s")
            await until(pilot, lambda: "2 answers are being written" in screen_text(pilot))
            assert not stopped
            await answer(pilot, "y")
            await until(pilot, lambda: stopped)
