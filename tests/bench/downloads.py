"""Downloads against the `hf` command and `curl -Z`: the same four files of 256 MiB from the same loopback server.

    python -m tests.bench.downloads [--runs 5] [--shards 4] [--mebibytes 256] [--kills 20]

All fetch every byte; Ominix also checks the SHA-256 of every file and brings it to the disk, `hf` and curl do not.
Then downloads of 128 MiB at 80 MiB/s are killed with `kill -9` at random moments, and what is sent twice is counted.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from ominix_core.downloads.transfer import SEGMENT_BYTES
from tests.support.fixture_hub import FixtureHub
from tests.support.fixture_repo import make_model
from tests.support.killed_download import FETCH, fetch_and_kill

REPO = "bench/model"
QUIET_PERCENT = 10.0


@dataclass(frozen=True)
class Cost:
    """One run: wall and CPU seconds, peak resident memory in bytes."""

    wall: float
    cpu: float
    peak: int


def wait_until_quiet() -> None:
    """Wait, for at most two minutes, until nothing else keeps the processors busy."""
    for _ in range(120):
        if psutil.cpu_percent(1.0) < QUIET_PERCENT:
            return


def measure(command: list[str], environment: dict[str, str]) -> Cost:
    wait_until_quiet()
    begin = time.perf_counter()
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{command[0]} failed: {process.stderr.read().decode()[-2000:] if process.stderr else ''}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit)


@contextlib.contextmanager
def serving(root: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "tests.support.fixture_hub", str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


def commands(url: str, root: Path, target: Path) -> dict[str, list[str]]:
    files = sorted(path.name for path in (root / REPO).iterdir() if path.suffix in (".safetensors", ".json"))
    parallel = ["curl", "-Z", "--parallel-max", "4", "--fail", "--silent", "--create-dirs"]
    for name in files:
        parallel += ["-o", str(target / "curl" / name), f"{url}/{REPO}/resolve/main/{name}"]
    found = {
        "ominix": [sys.executable, "-c", FETCH, str(target / "ominix"), REPO, str(SEGMENT_BYTES)],
        "curl -Z": parallel,
    }
    if hf := shutil.which("hf", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"):
        found["hf download"] = [hf, "download", REPO, "--local-dir", str(target / "hf"), "--exclude", "*.md"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--shards", type=int, default=4)
    parser.add_argument("--mebibytes", type=int, default=256)
    parser.add_argument("--kills", type=int, default=20)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        root, target = folder / "hub", folder / "target"
        make_model(root / REPO, chosen.shards, chosen.mebibytes << 20)
        costs: dict[str, list[Cost]] = {}
        with serving(root) as url:
            environment = {**os.environ, "HF_ENDPOINT": url, "HF_HOME": str(folder / "hf"), "HF_HUB_DISABLE_XET": "1"}
            for _ in range(chosen.runs):
                for tool, command in commands(url, root, target).items():
                    costs.setdefault(tool, []).append(measure(command, environment))
                    shutil.rmtree(target)
        report(costs, chosen.shards * chosen.mebibytes)
        if chosen.kills:
            report_kills(folder, chosen.kills)


def report(costs: dict[str, list[Cost]], mebibytes: int) -> None:
    print(f"| {mebibytes} MiB | median s | MiB/s | CPU s | peak RSS MiB |\n|---|---|---|---|---|")
    medians = {tool: statistics.median(each.wall for each in runs) for tool, runs in costs.items()}
    for tool, runs in costs.items():
        cpu, peak = statistics.median(each.cpu for each in runs), max(each.peak for each in runs) / (1 << 20)
        print(f"| {tool} | {medians[tool]:.2f} | {mebibytes / medians[tool]:.0f} | {cpu:.2f} | {peak:.0f} |")
    ratios = {tool: round(wall / medians["ominix"], 2) for tool, wall in medians.items() if tool != "ominix"}
    print("time over Ominix's:", json.dumps(ratios))


def report_kills(folder: Path, kills: int) -> None:
    make_model(folder / "killed" / REPO, 2, 64 << 20)
    refetched = []
    with FixtureHub(folder / "killed") as hub:
        os.environ["HF_ENDPOINT"] = hub.url
        hub.fault("slow", path="*.safetensors", rate=10 << 20)
        repo = hub.repos[REPO]
        for seed in range(kills):
            hub.forget()
            home = folder / f"home-{seed}"
            fetch_and_kill(home, REPO, SEGMENT_BYTES, random.Random(seed).randrange(repo.total_bytes))
            fetch_and_kill(home, REPO, SEGMENT_BYTES, None)
            refetched.append((hub.body_bytes - repo.total_bytes) / (1 << 20))
            left = [path.name for path in (home / "models/model/.ominix").iterdir()]
            assert left == ["manifest.json"], left
            shutil.rmtree(home)
    print(f"kill -9, {kills} times: {statistics.median(refetched):.1f} MiB sent twice, {max(refetched):.1f} at most")


if __name__ == "__main__":
    main()
