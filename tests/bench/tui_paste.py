"""Pastes into a prompt, bracketed and not: from the first byte to the frame that shows the end of the text.

python -m tests.bench.tui_paste [--rounds 3]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

import psutil

from tests.conftest import local_entry
from tests.support.tiny_models import make_tiny_llm
from tests.tui.terminal import on_a_terminal

END = "endmark"
TEXTS = {
    "5 kB, one line": "word " * 1000,
    "20 kB, one line": "word " * 4000,
    "100 kB, one line": "word " * 20_000,
    "20 kB, many lines": "a line of words\r" * 1250,
    "20 kB, Chinese lines": "一行文字，再来一行\r" * 714,
}


def seconds_of(paste: bytes) -> tuple[float, float]:
    """The seconds that a paste takes, by the clock and of the program's processor."""
    with on_a_terminal() as screen:
        screen.wait_for("New line")  # the prompt has the focus
        program = psutil.Process(screen.process.pid)
        used, begun = sum(program.cpu_times()[:2]), time.perf_counter()
        screen.type(paste)
        screen.wait_for(END)
        return time.perf_counter() - begun, sum(program.cpu_times()[:2]) - used


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    print("| | median s | worst s | CPU s |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        model = make_tiny_llm(Path(folder) / "tiny")
        for name, text in TEXTS.items():
            for kind, paste in (("", f"{text}{END}"), (", bracketed", f"\x1b[200~{text}{END}\x1b[201~")):
                samples = []
                for number in range(rounds):
                    home = Path(folder) / f"{name}{kind}{number}"
                    home.mkdir()
                    registry = {"version": "1.0.0", "models": [local_entry("tiny", model)]}
                    (home / "models_registry_override.json").write_text(json.dumps(registry))
                    os.environ |= {"OMINIX_HOME": str(home), "OMINIX_REGISTRY_URL": "off"}
                    samples.append(seconds_of(paste.encode()))
                clock, used = zip(*samples, strict=True)
                middle = statistics.median
                print(f"| {name}{kind} | {middle(clock):.2f} | {max(clock):.2f} | {middle(used):.2f} |", flush=True)


if __name__ == "__main__":
    main()
