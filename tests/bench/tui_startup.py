"""From the start of the process to the first paint and to a screen at rest, beside an empty Textual app and the peers.

    python -m tests.bench.tui_startup [--runs 5] [--peers]

Each program runs on a pseudo-terminal of 80x24 with a home of its own. "painted" is when its first frame is on the
terminal, "ready" when it has drawn the last of what it draws by itself; for Ominix that its models are listed is
checked too. Then come the resident memory of the program, that of it and its children when they have come to rest, as
Ominix's spare worker must, and the share of a core that all of them take from then on. `--peers` installs the peers,
each in an environment of its own beside the system's temporary files.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import select
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
import venv
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
LIMIT = 60.0
FRAME_BYTES = 1_000
QUIET_SECONDS = 0.45  # below the half second of a blinking cursor
IDLE_SECONDS = 5.0
AT_REST_SHARE = 0.1
PEERS = {
    "posting": ("posting", "tree-sitter<0.26"),  # with 0.26 its Textual ends with a segmentation fault
    "harlequin": ("harlequin",),
    "parllama": ("parllama",),
    "oterm": ("oterm",),
}
"""What is installed for each peer."""

EMPTY = """
from textual.app import App
from textual.widgets import Label
class Empty(App):
    def compose(self):
        yield Label("painted")
Empty().run()
"""
OURS = [sys.executable, "-m", "ominix_tui"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One start. Times in seconds from the start of the process, resident memory in MiB: of the program when it is

    ready, and of it and its children when nothing happens any more.
    """

    painted: float
    ready: float
    mib: float
    settled_mib: float
    idle: float


class Started:
    """A program on a terminal of its own, and what it has drawn."""

    def __init__(self, command: list[str], home: Path) -> None:
        self._main, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        environment = os.environ | {
            "TERM": "xterm-256color",
            "HOME": str(home),
            "OMINIX_HOME": str(home / "ominix"),
            "OMINIX_REGISTRY_URL": "off",
        }
        self.begun = time.perf_counter()
        self.process = subprocess.Popen(
            command, stdin=terminal, stdout=terminal, stderr=terminal, env=environment, cwd=ROOT, start_new_session=True
        )
        os.close(terminal)
        self.output = b""

    def read(self, seconds: float) -> bool:
        """Take what it draws within this time; False if that is nothing."""
        if not select.select([self._main], [], [], seconds)[0]:
            return False
        try:
            self.output += os.read(self._main, 65536)
        except OSError as error:
            raise RuntimeError(f"it ended: {self.output[-300:]!r}") from error
        return True

    def type(self, keys: str) -> None:
        os.write(self._main, keys.encode())

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.begun

    def idle(self, seconds: float) -> float:
        """The share of a core that the program and its children take in so many seconds while nobody does anything."""

        def used() -> float:
            return sum(sum(each.cpu_times()[:2]) for each in self.family())

        before, until = used(), time.perf_counter() + seconds
        while time.perf_counter() < until:
            self.read(0.2)
        return (used() - before) / seconds

    def end(self) -> None:
        for each in self.family():
            each.kill()
        self.process.wait()
        os.close(self._main)

    def family(self) -> list[psutil.Process]:
        process = psutil.Process(self.process.pid)
        return [*process.children(recursive=True), process]


def measure(command: list[str], mark: bytes, home: Path) -> Sample:
    """Start a program and end it; `mark` must be among what it draws."""
    program = Started(command, home)
    try:
        while len(program.output) < FRAME_BYTES:
            if not program.read(LIMIT):
                raise TimeoutError(f"it drew nothing: {program.output!r}")
        painted = ready = program.seconds
        while program.seconds < LIMIT:
            if program.read(QUIET_SECONDS):
                ready = program.seconds
            elif mark in program.output:
                break
        alone = psutil.Process(program.process.pid).memory_info().rss / 2**20
        settled = time.perf_counter() + LIMIT
        while program.idle(1.0) > AT_REST_SHARE and time.perf_counter() < settled:
            pass
        everything = sum(each.memory_info().rss for each in program.family()) / 2**20
        return Sample(painted, ready, alone, everything, program.idle(IDLE_SECONDS))
    finally:
        program.end()


def peer(name: str) -> list[str]:
    """The command of a peer, which is installed if it is not yet."""
    folder = Path(tempfile.gettempdir()) / "ominix-bench-peers" / name
    command = folder / "bin" / name
    if not command.exists():
        print(f"installing {name} in {folder} ...", file=sys.stderr)
        venv.create(folder, clear=True, with_pip=True, symlinks=True)
        subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "--quiet", *PEERS[name]], check=True)
    return [str(command)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--peers", action="store_true", help="install the peers and measure them too")
    options = parser.parse_args()
    programs = {
        "empty Textual app": ([sys.executable, "-c", EMPTY], b""),
        "ominix": (OURS, b"SmolLM2"),
    }
    for name in PEERS if options.peers else ():
        try:
            programs[name] = (peer(name), b"")
        except subprocess.CalledProcessError as error:
            print(f"{name}: could not be installed ({error})", file=sys.stderr)
    for name, (command, mark) in programs.items():
        with tempfile.TemporaryDirectory() as home:
            try:
                samples = [asdict(measure(command, mark, Path(home))) for _ in range(options.runs + 1)][1:]
            except (RuntimeError, TimeoutError) as error:
                print(f"{name:18} {error}")
                continue
        median = {key: statistics.median(sample[key] for sample in samples) for key in samples[0]}
        print(
            f"{name:18} painted {median['painted']:.2f}  ready {median['ready']:.2f}  "
            f"{median['mib']:.0f} MiB, with children {median['settled_mib']:.0f} MiB  idle {median['idle']:.1%}",
            flush=True,
        )


if __name__ == "__main__":
    main()
