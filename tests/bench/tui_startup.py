"""From the start of the process to the first paint and to a usable screen, beside an empty Textual app.

    python -m tests.bench.tui_startup [runs]

Each program runs on a pseudo-terminal of 80x24 with a home of its own. "painted" is when its first words are on the
screen, "ready" when the models are listed.
"""

from __future__ import annotations

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
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIMIT = 30.0

EMPTY = """
from textual.app import App
from textual.widgets import Label
class Empty(App):
    def compose(self):
        yield Label("painted")
Empty().run()
"""
OURS = """
from ominix_tui.app import OminixApp
def make_hub():
    from ominix_core.hub import Hub
    return Hub()
OminixApp(make_hub).run()
"""
PROGRAMS = {
    "empty Textual app": (EMPTY, {"painted": b"painted"}),
    "ominix": (OURS, {"painted": b"Model Hub", "ready": b"SmolLM2"}),
}


def time_to(code: str, marks: dict[str, bytes], home: Path) -> dict[str, float]:
    """Seconds until each mark was written to the terminal, and the resident memory in MiB at the last one."""
    main, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "OMINIX_HOME": str(home), "PYTHONPATH": str(ROOT)}
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=terminal, stdout=terminal, stderr=terminal, env=environment, cwd=ROOT
    )
    os.close(terminal)
    output, found = b"", dict[str, float]()
    try:
        while len(found) < len(marks):
            if not select.select([main], [], [], LIMIT)[0]:
                raise TimeoutError(f"never drew {set(marks) - set(found)}: {output[-500:]!r}")
            output += os.read(main, 65536)
            for name, mark in marks.items():
                if name not in found and mark in output:
                    found[name] = time.perf_counter() - start
        found["MiB"] = _resident(process.pid)
    finally:
        process.kill()
        process.wait()
        os.close(main)
    return found


def _resident(pid: int) -> float:
    import psutil

    return float(psutil.Process(pid).memory_info().rss) / 2**20


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as home:
        samples: dict[str, list[dict[str, float]]] = {name: [] for name in PROGRAMS}
        for _ in range(runs + 1):
            for name, (code, marks) in PROGRAMS.items():
                samples[name].append(time_to(code, marks, Path(home)))
    for name, found in samples.items():
        warm = found[1:]
        figures = {key: statistics.median(sample[key] for sample in warm) for key in warm[0]}
        print(f"{name:18}", "  ".join(f"{key} {value:.2f}" for key, value in figures.items()))


if __name__ == "__main__":
    main()
