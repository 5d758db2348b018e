"""The logs screen: lines arrive as they are written, and are narrowed down by keyboard."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable

import pytest
from textual.pilot import Pilot

from ominix_core.logbook import Level, LogLine
from ominix_core.paths import Home
from ominix_tui.app import OminixApp
from ominix_tui.screens.logs import LogsScreen
from ominix_tui.widgets.log_view import MOST_LINES, LogView
from tests.tui.support import screen_text, until, until_connected

SnapCompare = Callable[..., bool]
SIZES = pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])

PROGRAM = """\
2026-01-02 10:00:00,500 INFO ominix_core.hub: qwen3-8b is being loaded
2026-01-02 10:00:04,000 WARNING ominix_core.registry: the registry could not be updated: no network
2026-01-02 10:00:05,000 ERROR ominix_core.runtime: the worker of qwen3-8b died
Traceback (most recent call last):
  File "host.py", line 7, in run
"""


@pytest.fixture
def logs(home: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Logs of the program, its server and a worker, at a fixed time of a fixed zone."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    home.logs.mkdir()
    home.log_file.write_text(PROGRAM)
    moment = {"time": 1767348003.0, "client": "127.0.0.1", "method": "POST", "seconds": 1.25}
    lines = [moment | {"path": "/v1/chat/completions", "status": 200}, moment | {"path": "/v1/x", "status": 404}]
    home.server_log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    worker = home.logs / "worker-qwen3-8b.log"
    worker.write_text("loading \x1b[31mweights\x1b[0m\n")
    os.utime(worker, (1767348002, 1767348002))
    return home


def open_logs(count: int) -> Callable[[Pilot[None]], object]:
    async def act(pilot: Pilot[None]) -> None:
        await until_connected(pilot)
        await pilot.press("f7")
        await until(pilot, lambda: isinstance(pilot.app.screen, LogsScreen))
        await until(pilot, lambda: len(view(pilot).lines) == count)
        await pilot.pause()

    return act


def view(pilot: Pilot[None]) -> LogView:
    return pilot.app.screen.query_one(LogView)


class TestPictures:
    @SIZES
    def test_lines(
        self, snap_compare: SnapCompare, catalogue_app: OminixApp, logs: Home, size: tuple[int, int]
    ) -> None:
        assert snap_compare(catalogue_app, terminal_size=size, run_before=open_logs(8))

    def test_light(self, snap_compare: SnapCompare, catalogue_app: OminixApp, logs: Home) -> None:
        catalogue_app.theme = "textual-light"
        assert snap_compare(catalogue_app, terminal_size=(120, 40), run_before=open_logs(8))

    @SIZES
    def test_nothing_yet(self, snap_compare: SnapCompare, catalogue_app: OminixApp, size: tuple[int, int]) -> None:
        assert snap_compare(catalogue_app, terminal_size=size, run_before=open_logs(0))


class TestFilter:
    async def test_words_level_and_source(self, catalogue_app: OminixApp, logs: Home) -> None:
        async with catalogue_app.run_test(size=(120, 40)) as pilot:
            await open_logs(8)(pilot)
            await pilot.press("slash", *"qwen3", "enter")
            await until(pilot, lambda: len(view(pilot).lines) == 3)
            await pilot.press("escape")
            await pilot.press("escape")
            await until(pilot, lambda: pilot.app.current_mode == "hub")
            await pilot.press("L")
            await until(pilot, lambda: isinstance(pilot.app.screen, LogsScreen))
            await pilot.press("slash", *(["backspace"] * 5), "enter")
            await until(pilot, lambda: len(view(pilot).lines) == 8)
            await pilot.press("l")
            await until(pilot, lambda: len(view(pilot).lines) == 5)
            await pilot.press("l")
            await until(pilot, lambda: len(view(pilot).lines) == 3)
            await pilot.press("l", "o")
            await pilot.pause()
            await pilot.press("down", "down", "enter")
            await until(pilot, lambda: {line.source for line in view(pilot).lines} == {"server"})

    async def test_control_codes_stay_out(self, catalogue_app: OminixApp, logs: Home) -> None:
        async with catalogue_app.run_test(size=(120, 40)) as pilot:
            await open_logs(8)(pilot)
            await until(pilot, lambda: "loading [31mweights" in screen_text(pilot))
            assert "\x1b" not in screen_text(pilot)

    async def test_copy(self, catalogue_app: OminixApp, logs: Home) -> None:
        async with catalogue_app.run_test() as pilot:
            await open_logs(8)(pilot)
            await pilot.press("slash", *"died", "enter", "c")
            assert pilot.app.clipboard == "ominix: ominix_core.runtime: the worker of qwen3-8b died"


class TestFollowing:
    @pytest.mark.slow
    async def test_new_lines_come_into_view_unless_one_scrolled_up(self, catalogue_app: OminixApp, logs: Home) -> None:
        async with catalogue_app.run_test() as pilot:
            await open_logs(8)(pilot)
            self.write(logs, 100, "first")
            await until(pilot, lambda: "first 99" in screen_text(pilot))
            await pilot.press("k", "k")
            await until(pilot, lambda: not view(pilot).following)
            self.write(logs, 10, "second")
            await until(pilot, lambda: len(view(pilot).lines) == 118)
            assert "second" not in screen_text(pilot)
            await until(pilot, lambda: "Halted" in screen_text(pilot))
            await pilot.press("f")
            await until(pilot, lambda: "second 9" in screen_text(pilot))
            await pilot.press("g")
            await until(pilot, lambda: "qwen3-8b is being loaded" in screen_text(pilot))
            await pilot.press("G")
            await until(pilot, lambda: "second 9" in screen_text(pilot))
            assert view(pilot).following

    def write(self, home: Home, count: int, word: str) -> None:
        with home.log_file.open("a") as file:
            file.writelines(f"2026-01-02 11:00:00,000 INFO test: {word} {number}\n" for number in range(count))

    async def test_memory_is_bounded(self, catalogue_app: OminixApp) -> None:
        async with catalogue_app.run_test() as pilot:
            await open_logs(0)(pilot)
            lines = [LogLine(0.0, "x", Level.INFO, f"line {number}") for number in range(MOST_LINES + 500)]
            view(pilot).add(lines)
            await until(pilot, lambda: f"line {MOST_LINES + 499}" in screen_text(pilot))
            assert len(view(pilot).lines) == MOST_LINES
