"""The program as a process on a terminal of its own, for what Pilot cannot show."""

from __future__ import annotations

import array
import fcntl
import itertools
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0

PROGRAM = """
from ominix_core.hub import Hub
from ominix_tui.app import OminixApp
app = OminixApp(Hub, "tiny")
app.run()
raise SystemExit(app.return_code)
"""


class Terminal:
    """The program on a terminal of its own."""

    def __init__(self, process: subprocess.Popen[bytes], terminal: int) -> None:
        self.process = process
        self.terminal = terminal
        self.output = b""

    def wait_for(self, words: str) -> None:
        """Read until these words are on the terminal."""
        deadline = time.monotonic() + PATIENCE
        while words.encode() not in self.output:
            assert select.select([self.terminal], [], [], PATIENCE)[0], self.output[-2000:]
            # it may go on drawing other things for ever
            assert time.monotonic() < deadline, (words, self.output[-2000:])
            self.output += os.read(self.terminal, 65536)

    def type(self, keys: bytes) -> None:
        """Write this to the program, and read what it draws meanwhile: a full terminal would hold both up."""
        while keys:
            readable, writable, _ = select.select([self.terminal], [self.terminal], [], PATIENCE)
            assert readable or writable, self.output[-2000:]
            if readable:
                self.output += os.read(self.terminal, 65536)
            if writable:
                keys = keys[os.write(self.terminal, keys[:1024]) :]

    def forget(self) -> None:
        """Wait only for what is drawn from now on."""
        self.output = b""

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def fill(self) -> None:
        """Have it draw, and read nothing, until it waits for the terminal to take more."""
        sizes = itertools.cycle([(120, 40), (80, 24)])
        size = -1
        while size != (size := self._waiting()) or not size:
            for columns, lines in itertools.islice(sizes, 40):
                self.resize(columns, lines)
                time.sleep(0.02)

    def _waiting(self) -> int:
        """The bytes that have been drawn and not read."""
        count = array.array("i", [0])
        fcntl.ioctl(self.terminal, termios.FIONREAD, count)
        return count[0]

    def vanish(self) -> None:
        """Take the terminal away, as a lost connection does."""
        os.close(self.terminal)
        self.terminal = -1

    def quit(self) -> int:
        """Leave by the key for it, also with models in memory; the exit code."""
        self.forget()
        self.type(b"\x11")
        with suppress(OSError):  # it has ended: without a model in memory it asks nothing
            self.wait_for("Unload and quit")
            self.type(b"\x11")
        return self.end()

    def end(self) -> int:
        """Read on until the program has ended; its exit code."""
        try:
            while select.select([self.terminal], [], [], PATIENCE)[0] and os.read(self.terminal, 65536):
                pass
        except OSError:  # Linux tells the end of a terminal like that
            pass
        return self.process.wait(PATIENCE)


@contextmanager
def on_a_terminal(*, controlling: bool = True) -> Iterator[Terminal]:
    """Start the program with the model "tiny" on a terminal of 80x24."""
    main, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        cwd=ROOT,
        env={**os.environ, "TERM": "xterm-256color"},
        start_new_session=True,
        preexec_fn=(lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)) if controlling else None,
    )
    os.close(terminal)
    screen = Terminal(process, main)
    try:
        yield screen
    finally:
        process.kill()
        process.wait()
        if screen.terminal >= 0:
            os.close(screen.terminal)
