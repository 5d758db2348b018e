"""Chat over HTTP against `mlx_lm.server` and against mlx-lm's BatchGenerator without a server, in the same run.

    python -m tests.bench.chat [--rounds 5]

The model is SmolLM2-135M in float32. Every figure is the median over the rounds; in each round the contestants take
turns, so that whatever else the machine does meets them alike.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import platform
import random
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from ominix_core.generation import ChatMessage, ChatRequest, Sampling, TextDelta
from ominix_core.hub import Hub
from ominix_core.paths import Home
from tests.support.demo import MODEL, provide_demo_model

PARAGRAPH = "The harbour wakes before the town: ropes creak, gulls argue, and the first boats slide out into the fog. "
STORY = "Tell a long story about the sea."
_nonce = itertools.count(int(time.time()))


@dataclass
class Server:
    """A contestant that speaks the chat completions API."""

    name: str
    url: str
    model: str
    results: dict[str, list[float]] = field(default_factory=dict)

    def note(self, figure: str, value: float) -> None:
        self.results.setdefault(figure, []).append(value)

    def stream(self, messages: list[dict[str, str]], max_tokens: int) -> Iterator[str]:
        """The pieces of an answer, as they arrive."""
        body = {"model": self.model, "messages": messages, "max_tokens": max_tokens, "temperature": 0, "stream": True}
        with (
            httpx.Client(timeout=300) as client,
            client.stream("POST", f"{self.url}/v1/chat/completions", json=body) as response,
        ):
            response.raise_for_status()
            for line in response.iter_lines():
                if not line.startswith("data: {"):
                    continue
                choices = json.loads(line[6:])["choices"]
                if choices and (text := choices[0]["delta"].get("content")):
                    yield text


@dataclass
class Timed:
    """When the pieces of one answer arrived, in seconds since it was asked for."""

    arrivals: list[float]
    text: str

    @property
    def ttft(self) -> float:
        return self.arrivals[0]

    @property
    def decode_tps(self) -> float:
        return decode_tps(self.arrivals)


def decode_tps(arrivals: list[float]) -> float:
    """Tokens a second from the second one on: the first comes out of the prefill here, and a step later elsewhere."""
    return (len(arrivals) - 2) / (arrivals[-1] - arrivals[1])


def ask(server: Server, messages: list[dict[str, str]], max_tokens: int) -> Timed:
    started = time.perf_counter()
    arrivals, text = [], ""
    for piece in server.stream(messages, max_tokens):
        arrivals.append(time.perf_counter() - started)
        text += piece
    return Timed(arrivals, text)


def question(text: str = STORY, filler: int = 3) -> list[dict[str, str]]:
    """A conversation that no cache has seen."""
    return [{"role": "user", "content": f"{next(_nonce)} {PARAGRAPH * filler}{text}"}]


def single_stream(server: Server) -> None:
    answer = ask(server, question(), 64)
    server.note("1 stream, decode, tokens/s", answer.decode_tps)
    server.note("1 stream, TTFT, s", answer.ttft)
    server.note("1 stream, 64 tokens from the question to the last one, s", answer.arrivals[-1])


def eight_streams(server: Server) -> None:
    started = time.perf_counter()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ask(server, question(), 48), range(8)))
    tokens = sum(len(answer.arrivals) for answer in answers)
    server.note("8 streams, all tokens over all time, tokens/s", tokens / (time.perf_counter() - started))


def short_while_another_decodes(server: Server) -> None:
    """Asked at any moment of the other's answer: some servers look for new requests only now and then."""
    began = threading.Event()

    def long() -> None:
        for _ in server.stream(question(), 128):
            began.set()

    thread = threading.Thread(target=long)
    thread.start()
    began.wait()
    for _ in range(3):
        time.sleep(random.random())
        server.note("TTFT of a short request beside another, s", ask(server, question("Hi", 0), 4).ttft)
    thread.join()


def second_turn(server: Server) -> None:
    first = question("Describe this harbour.", 12)
    answer = ask(server, first, 32)
    turns = [*first, {"role": "assistant", "content": answer.text}, {"role": "user", "content": "And at night?"}]
    server.note("TTFT of turn 2 with its prefix cached, s", ask(server, turns, 4).ttft)


def cancelled_prefill(server: Server) -> None:
    idle = ask(server, question("Hi", 0), 2).ttft
    long = question(STORY, 68)

    def leave() -> None:
        body = {"model": server.model, "messages": long, "max_tokens": 8, "stream": True}
        with contextlib.suppress(httpx.TimeoutException):
            httpx.post(f"{server.url}/v1/chat/completions", json=body, timeout=0.7)

    leave()
    busy = ask(server, question("Hi", 0), 2).ttft
    server.note("free again after leaving a 1,500-token prefill, s", max(0.0, busy - idle))


def models_listing(server: Server) -> None:
    """`GET /v1/models` while eight streams run."""
    stop = threading.Event()
    delays: list[float] = []

    def poll() -> None:
        with httpx.Client() as client:
            while not stop.is_set():
                started = time.perf_counter()
                client.get(f"{server.url}/v1/models").raise_for_status()
                delays.append(1000 * (time.perf_counter() - started))
                stop.wait(0.02)

    thread = threading.Thread(target=poll)
    thread.start()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: ask(server, question(), 24), range(8)))
    stop.set()
    thread.join()
    server.note("GET /v1/models beside 8 streams, p99, ms", statistics.quantiles(delays, n=100)[98])


MEASURES = [
    single_stream,
    eight_streams,
    short_while_another_decodes,
    second_turn,
    cancelled_prefill,
    models_listing,
]

RAW = """
import json, sys, time
from ominix_core.mlx_setup import prepare
prepare()
import mlx.core as mx
from mlx_lm import load
from mlx_lm.generate import BatchGenerator
model, tokenizer = load(sys.argv[1])
model.set_dtype(mx.float32)
for line in sys.stdin:
    prompt = tokenizer.apply_chat_template(json.loads(line), add_generation_prompt=True)
    batch = BatchGenerator(model, prefill_step_size=512)
    batch.insert([prompt], max_tokens=[64])
    arrivals = []
    while len(arrivals) < 64:
        _, tokens = batch.next()
        arrivals += [time.perf_counter() for _ in tokens]
    print(json.dumps(arrivals), flush=True)
"""


def without_http(home: Path, folder: Path, environment: dict[str, str], rounds: int) -> tuple[list[float], list[float]]:
    """Decoding speed, in tokens/s, of a Hub in this process and of BatchGenerator alone, in turns."""
    ours: list[float] = []
    raw: list[float] = []
    with (
        Hub(Home(home)) as hub,
        subprocess.Popen(
            [sys.executable, "-c", RAW, str(folder)],
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as batch,
    ):
        assert batch.stdin is not None
        assert batch.stdout is not None
        hub.load(MODEL).result()
        for _ in range(rounds):
            batch.stdin.write(json.dumps(question()) + "\n")
            batch.stdin.flush()
            raw.append(decode_tps(json.loads(batch.stdout.readline())))
            (turn,) = question()
            request = ChatRequest(
                messages=[ChatMessage("user", turn["content"])], max_tokens=64, sampling=Sampling(temperature=0)
            )
            deltas = (event for event in hub.generate(MODEL, request) if isinstance(event, TextDelta))
            ours.append(decode_tps([time.perf_counter() for _ in deltas]))
        batch.stdin.close()
    return ours, raw


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextlib.contextmanager
def running(command: list[str], environment: dict[str, str], url: str) -> Iterator[None]:
    """A server process, from its first answer to its end."""
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            with contextlib.suppress(httpx.TransportError):
                httpx.get(f"{url}/v1/models", timeout=5)
                break
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(20)


def environment_for(home: Path) -> dict[str, str]:
    """Both sides get OpenBLAS and no kernel compiler, which is the fastest that MLX runs on a Linux CPU."""
    blas = {"LD_PRELOAD": "libopenblas.so.0"} if sys.platform == "linux" else {}
    return {**os.environ, **blas, "OMINIX_HOME": str(home), "MLX_DISABLE_COMPILE": "1", "HF_HUB_OFFLINE": "1"}


def load(server: Server) -> None:
    """Load our model, and see how the listing answers meanwhile."""
    delays: list[float] = []
    with httpx.Client(timeout=300) as client, client.stream("POST", f"{server.url}/v1/models/{MODEL}/load") as stream:
        done = threading.Event()

        def poll() -> None:
            with httpx.Client() as other:
                while not done.is_set():
                    started = time.perf_counter()
                    other.get(f"{server.url}/v1/models").raise_for_status()
                    delays.append(1000 * (time.perf_counter() - started))

        thread = threading.Thread(target=poll)
        thread.start()
        stream.read()
        done.set()
        thread.join()
    server.note("GET /v1/models during a load, p99, ms", statistics.quantiles(delays, n=100)[98])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    home = provide_demo_model()
    folder, environment = home / "models" / MODEL, environment_for(home)
    ours = Server("ominix serve", f"http://127.0.0.1:{free_port()}", MODEL)
    theirs = Server("mlx_lm.server", f"http://127.0.0.1:{free_port()}", str(folder))
    with (
        running(
            [sys.executable, "-m", "ominix_tui", "serve", "--port", ours.url.rsplit(":")[-1]], environment, ours.url
        ),
        running(
            [sys.executable, "-m", "mlx_lm.server", "--model", str(folder), "--port", theirs.url.rsplit(":")[-1]],
            environment,
            theirs.url,
        ),
    ):
        load(ours)
        for server in (ours, theirs):
            ask(server, question(), 4)
        for round_number in range(rounds):
            print(f"round {round_number + 1} of {rounds}", file=sys.stderr)
            for measure in MEASURES:
                for server in (ours, theirs):
                    measure(server)
    report(ours, theirs, *without_http(home, folder, environment, rounds), rounds)


def report(ours: Server, theirs: Server, hub: list[float], raw: list[float], rounds: int) -> None:
    print(f"SmolLM2-135M float32, {platform.machine()}, {os.cpu_count()} cores, medians of {rounds} rounds\n")
    print(f"| | {ours.name} | {theirs.name} | ratio |\n|---|---|---|---|")
    for figure, values in ours.results.items():
        mine = statistics.median(values)
        other = statistics.median(theirs.results[figure]) if figure in theirs.results else None
        ratio = f"{mine / other:.2f}" if other else ""
        print(f"| {figure} | {mine:.2f} | {'' if other is None else f'{other:.2f}'} | {ratio} |")
    mine, bare = statistics.median(hub), statistics.median(raw)
    print("\n| | Hub, without HTTP | BatchGenerator alone | ratio |\n|---|---|---|---|")
    print(f"| 1 stream, decode, tokens/s | {mine:.2f} | {bare:.2f} | {mine / bare:.2f} |")


if __name__ == "__main__":
    main()
