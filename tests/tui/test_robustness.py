"""What terminals do to programs: pastes, resizes, re-attached sessions, lost lines. Nothing is lost or left behind."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from ominix_core.paths import Home
from tests.conftest import local_entry
from tests.tui.terminal import PATIENCE, PROGRAM, ROOT, on_a_terminal
from tests.tui.test_terminal_input import REPLIES

PROMPT = "New line"
"""What the footer says while the prompt has the focus."""


@pytest.fixture(autouse=True)
def model(add_models: Callable[..., None], tiny_llm: Path) -> None:
    add_models(local_entry("tiny", tiny_llm))


def drafts(home: Home) -> list[str]:
    return list(json.loads(home.screen_state.read_text())["drafts"].values())


class TestTerminal:
    def test_a_paste_of_a_megabyte(self, home: Home) -> None:
        text = "".join(f"line {number:07}\n" for number in range(1_000_000 // 13)) + "the end of it"
        with on_a_terminal() as screen:
            screen.wait_for(PROMPT)
            screen.type(b"\x1b[200~" + text.encode() + b"\x1b[201~")
            screen.wait_for("the end of it")
            assert screen.quit() == 0
        assert drafts(home) == [text]

    def test_a_paste_that_is_not_bracketed(self, home: Home) -> None:
        """As tmux's paste-buffer sends it, and terminals in the browser. A line break in it sends nothing."""
        lines = [f"line {number:04}, 一行文字" for number in range(1000)] + ["the end of it"]
        with on_a_terminal() as screen:
            screen.wait_for(PROMPT)
            screen.type("\r".join(lines).encode())
            screen.wait_for("the end of it")
            assert screen.quit() == 0
        assert drafts(home) == ["\n".join(lines)]

    def test_what_the_terminal_says_is_not_typed(self, home: Home) -> None:
        with on_a_terminal() as screen:
            screen.type(b"".join(REPLIES.values()))  # before there is a screen: to what was asked before
            screen.wait_for(PROMPT)
            screen.forget()
            for reply in REPLIES.values():
                screen.type(b"a" + reply)
            screen.type(b" end")
            screen.wait_for("end")
            assert screen.quit() == 0
        assert drafts(home) == ["a" * len(REPLIES) + " end"]

    def test_a_storm_of_resizes(self) -> None:
        with on_a_terminal() as screen:
            screen.wait_for(PROMPT)
            for number in range(200):
                screen.resize(20 + number * 2, 5 + number % 60)
            screen.resize(1, 1)
            screen.resize(120, 40)
            screen.forget()
            screen.type(b"\x1b[14~")  # F4
            screen.wait_for("On this machine")
            assert screen.quit() == 0

    @pytest.mark.parametrize("controlling", [True, False])
    def test_a_terminal_that_vanishes(self, home: Home, controlling: bool) -> None:
        with on_a_terminal(controlling=controlling) as screen:
            screen.wait_for(PROMPT)
            workers = psutil.Process(screen.process.pid).children(recursive=True)
            assert workers
            screen.forget()
            screen.type(b"do not lose this")
            screen.wait_for("this")
            screen.vanish()
            screen.process.wait(PATIENCE)
            assert psutil.wait_procs(workers, timeout=PATIENCE)[1] == []
        assert drafts(home) == ["do not lose this"]

    @pytest.mark.slow
    def test_a_kill_costs_no_more_than_the_last_seconds(self, home: Home) -> None:
        with on_a_terminal() as screen:
            screen.wait_for(PROMPT)
            workers = psutil.Process(screen.process.pid).children(recursive=True)
            screen.type(b"kept")
            _wait_for(lambda: home.screen_state.exists() and drafts(home) == ["kept"])
            screen.process.kill()
            assert psutil.wait_procs(workers, timeout=PATIENCE)[1] == []


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
class TestTmux:
    @pytest.fixture
    def tmux(self, tmp_path: Path) -> Iterator[Callable[..., str]]:
        """Run tmux commands on a server of this test's own."""

        environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}

        def run(*arguments: str) -> str:
            command = ["tmux", "-S", str(tmp_path / "tmux"), "-f", "/dev/null", *arguments]
            return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT, env=environment).stdout

        yield run
        subprocess.run(["tmux", "-S", str(tmp_path / "tmux"), "kill-server"], capture_output=True, check=False)

    def test_detached_and_attached_again_at_another_size(self, tmux: Callable[..., str], home: Home) -> None:
        tmux("new-session", "-d", "-x", "80", "-y", "24", sys.executable, "-c", PROGRAM)
        (pid,) = tmux("list-panes", "-F", "#{pane_pid}").split()
        process = psutil.Process(int(pid))

        def shows(words: str) -> None:
            _wait_for(lambda: words in tmux("capture-pane", "-p"), lambda: tmux("capture-pane", "-p"))

        shows(PROMPT)
        tmux("send-keys", "-l", "a draft before")
        shows("a draft before")
        tmux("resize-window", "-x", "132", "-y", "50")
        _wait_for(
            lambda: any(len(line) > 120 for line in tmux("capture-pane", "-p").splitlines()),
            lambda: tmux("display", "-p", "#{window_width}") + tmux("capture-pane", "-p"),
        )
        tmux("send-keys", "-l", " and after")
        shows("a draft before and after")
        tmux("resize-window", "-x", "60", "-y", "20")
        tmux("send-keys", "F1")
        shows("Keys")
        workers = process.children(recursive=True)
        tmux("kill-session")
        assert psutil.wait_procs([process, *workers], timeout=PATIENCE)[1] == []
        assert drafts(home) == ["a draft before and after"]


def _wait_for(condition: Callable[[], object], picture: Callable[[], str] = str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, picture()
        time.sleep(0.05)
