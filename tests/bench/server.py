"""How the server keeps answering: 200 idle keep-alive clients and 16 streams, while somebody asks whether it lives.

python -m tests.bench.server [--seconds 20] [--streams 16] [--idle 200]
python -m tests.bench.server --streams 0 --idle 0 --body-mb 50
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.conftest import local_entry
from tests.support.tiny_models import make_tiny_llm

PROGRAM = """
from ominix_core.hub import Hub
from ominix_core.server.run import serve

with Hub() as hub:
    hub.load("tiny").result()
    serve(hub, port=0, on_ready=lambda url: print(url, flush=True))
"""
LONG = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4000, "temperature": 0, "stream": True}


@dataclass
class Record:
    """What happened: seconds that `/health/live` took, tokens of the streams, bodies read, and what went wrong."""

    health: list[float] = field(default_factory=list)
    tokens: int = 0
    bodies: int = 0
    errors: list[str] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--streams", type=int, default=16)
    parser.add_argument("--idle", type=int, default=200)
    parser.add_argument("--body-mb", type=int, default=0, help="Also send requests of this size, one after the other.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        program = start_server(Path(folder))
        assert program.stdout is not None
        try:
            url = program.stdout.readline().strip()
            record = asyncio.run(measure(url, options))
        finally:
            program.terminate()
            program.wait(20)
    report(record, options)


def start_server(folder: Path) -> subprocess.Popen[str]:
    home = folder / "home"
    home.mkdir()
    models = {"models": [local_entry("tiny", make_tiny_llm(folder / "tiny"))]}
    (home / "models_registry_override.json").write_text(json.dumps(models))
    environment = {"OMINIX_HOME": str(home), "OMINIX_REGISTRY_URL": "off", "MLX_DISABLE_COMPILE": "1"}
    command = ["env", *(f"{name}={value}" for name, value in environment.items()), sys.executable, "-c", PROGRAM]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


async def measure(url: str, options: argparse.Namespace) -> Record:
    """The streams are read in a process of their own, so that reading them does not delay the clock of the others."""
    record = Record()
    idle, seconds = options.idle, options.seconds
    loop = asyncio.get_running_loop()
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=seconds + 60)
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits, trust_env=False) as crowd:
        await asyncio.gather(*(crowd.get("/health/live") for _ in range(idle)))
        end = time.monotonic() + seconds
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as other:
            reading = loop.run_in_executor(other, keep_busy, url, options)
            await ask_for_health(url, record, end)
            read = await reading
        record.tokens, record.bodies, record.errors = read.tokens, read.bodies, record.errors + read.errors
        answers = await asyncio.gather(*(crowd.get("/health/live") for _ in range(idle)))
        record.errors += [f"an idle client got {answer.status_code}" for answer in answers if not answer.is_success]
    return record


def keep_busy(url: str, options: argparse.Namespace) -> Record:
    """Read the streams, and send the large bodies."""
    record = Record()

    async def work() -> None:
        end = time.monotonic() + options.seconds
        senders = [send_bodies(url, record, end, options.body_mb)] if options.body_mb else []
        await asyncio.gather(*senders, *(stream(url, record, end) for _ in range(options.streams)))

    asyncio.run(work())
    return record


async def send_bodies(url: str, record: Record, end: float, megabytes: int) -> None:
    """Conversations with an image, which the model refuses as soon as they have been read."""
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{'A' * megabytes * 1_000_000}"}}
    body = json.dumps({"messages": [{"role": "user", "content": [image]}]}).encode()
    headers = {"content-type": "application/json"}
    async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as http:
        while time.monotonic() < end:
            response = await http.post("/v1/chat/completions", content=body, headers=headers)
            record.bodies += 1
            if "images_not_supported" not in response.text:
                record.errors.append(f"a body got {response.status_code}")


async def stream(url: str, record: Record, end: float) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as http:
        while time.monotonic() < end:
            async with http.stream("POST", "/v1/chat/completions", json=LONG) as response:
                if response.status_code != 200:
                    record.errors.append(f"a stream got {response.status_code}")
                    return
                async for line in response.aiter_lines():
                    record.tokens += line.startswith("data: {")
                    if '"error"' in line:
                        record.errors.append(line)
                    if time.monotonic() > end:
                        return


async def ask_for_health(url: str, record: Record, end: float) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as http:
        while time.monotonic() < end:
            started = time.perf_counter()
            response = await http.get("/health/live")
            record.health.append(time.perf_counter() - started)
            if response.status_code != 200:
                record.errors.append(f"/health/live answered {response.status_code}")
            await asyncio.sleep(0.02)


def report(record: Record, options: argparse.Namespace) -> None:
    times = [1000 * seconds for seconds in record.health]
    p99 = statistics.quantiles(times, n=100)[98]
    if options.body_mb:
        print(f"{record.bodies} bodies of {options.body_mb} MB were read")
    print(f"| {options.idle} idle clients, {options.streams} streams, {options.seconds:.0f} s | |\n|---|---|")
    print(f"| load average of the last minute | {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors |")
    print(f"| errors | {len(record.errors)} |")
    print(f"| pieces of text streamed a second | {record.tokens / options.seconds:.0f} |")
    print(f"| GET /health/live, median, ms | {statistics.median(times):.1f} |")
    print(f"| GET /health/live, p99, ms | {p99:.1f} |")
    print(f"| GET /health/live, worst of {len(times)}, ms | {max(times):.1f} |")
    for error in record.errors[:5]:
        print(error, file=sys.stderr)


if __name__ == "__main__":
    main()
