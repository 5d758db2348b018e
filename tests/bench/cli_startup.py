"""How long `ominix --version` and `--help` take, against `python -c "import typer"`.

python -m tests.bench.cli_startup [--rounds 15]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

from tests.support.command import COMMAND

CONTESTANTS = {
    "import typer": [sys.executable, "-c", "import typer"],
    "ominix --version": [*COMMAND, "--version"],
    "ominix --help": [*COMMAND, "--help"],
}


def seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    results: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
    for _ in range(rounds):
        for name, command in CONTESTANTS.items():
            results[name].append(seconds(command))
    reference = statistics.median(results["import typer"])
    print(f"| | median of {rounds}, ms | against import typer |\n|---|---|---|")
    for name, values in results.items():
        median = statistics.median(values)
        print(f"| {name} | {1000 * median:.0f} | {median / reference:.2f} |")


if __name__ == "__main__":
    main()
