"""Typing into the search field of the hub with 10,000 models: from each key to the last of what it draws.

python -m tests.bench.tui_search [--rounds 5]
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

from tests.bench.tui_startup import LIMIT, OURS, Started
from tests.support.catalogue import many_models

WORD = "97 instr"
AT_REST_SECONDS = 0.15
AT_REST_SHARE = 0.1


def typing(folder: Path) -> list[float]:
    """Seconds from each key of WORD to the last byte that the program draws before it rests."""
    program, delays = Started(OURS, folder), []
    try:
        while b"Needs" not in program.output:
            if not program.read(LIMIT):
                raise TimeoutError(f"it never came to its models: {program.output[-300:]!r}")
        while program.idle(1.0) > AT_REST_SHARE:  # the spare worker imports meanwhile
            pass
        program.type("/")
        for key in WORD:
            while program.read(AT_REST_SECONDS):
                pass
            pressed = drawn = time.perf_counter()
            program.type(key)
            while program.read(AT_REST_SECONDS):
                drawn = time.perf_counter()
            delays.append(drawn - pressed)
    finally:
        program.end()
    return delays


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    models = [entry.model_dump(mode="json", exclude_defaults=True) for entry in many_models(10_000)]
    delays: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "ominix"
        home.mkdir()
        (home / "models_registry_override.json").write_text(json.dumps({"models": models}))
        for _ in range(rounds):
            delays += typing(Path(folder))
    print(f"{len(delays)} keys: median {1000 * statistics.median(delays):.0f} ms, worst {1000 * max(delays):.0f} ms")
    print("the keys of the last start, ms:", *(round(1000 * delay) for delay in delays[-len(WORD) :]))


if __name__ == "__main__":
    main()
