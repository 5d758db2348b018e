"""Seconds per image against mlx-vlm called directly, and the server's reflexes while an image is made.

    python -m tests.bench.images [--rounds 5]

The model is a tiny random FLUX.2 klein. The contestants take turns; both give a PNG. Each makes the same picture.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from ominix_core.hub import Hub
from ominix_core.media import ImageMade, ImageRequest
from ominix_core.mlx_setup import prepare
from ominix_core.paths import Home
from ominix_core.server.run import ApiServer
from ominix_core.settings import Settings
from tests.images.conftest import image_entry
from tests.support.tiny_images import make_tiny_flux2

PROMPT = "a red fox in the snow"
SIDE = 256  # mlx-vlm's smallest
SEED = 5


def direct_pipeline(folder: Path) -> Any:
    """mlx-vlm's own pipeline over the same weights; its loader knows only the published sizes."""
    prepare()
    import mlx.core as mx
    from mlx_vlm.models.flux2.pipeline import Flux2Image, Flux2RuntimeConfig

    from ominix_core.engines.diffusion.flux2 import Flux2

    model = Flux2(folder, "klein-4b", mx.float32)
    model.load(0, lambda *_: None)
    pipeline = Flux2Image.__new__(Flux2Image)
    pipeline.runtime_config = Flux2RuntimeConfig(evict_text_encoder=False, tiled_vae="off")
    pipeline.prompt_cache = {}
    pipeline.tokenizer, pipeline.text_encoder = model._tokenizer, model._encoder
    pipeline.transformer, pipeline.vae = model._transformer, model._vae
    return pipeline


def make_directly(pipeline: Any, steps: int) -> bytes:
    pipeline.prompt_cache.clear()
    file = io.BytesIO()
    pipeline.generate(PROMPT, seed=SEED, steps=steps, width=SIDE, height=SIDE).save(file, "PNG")
    return file.getvalue()


def make_here(hub: Hub, steps: int, prompt: str = PROMPT) -> bytes:
    request = ImageRequest(prompt=prompt, width=SIDE, height=SIDE, steps=steps, seed=SEED)
    return next(event.png for event in hub.generate("flux", request) if isinstance(event, ImageMade))


def forget_prompt(hub: Hub) -> None:
    """The engine keeps what the encoder made of the last prompts; both contestants are to read theirs anew."""
    for number in range(8):
        list(hub.generate("flux", ImageRequest(prompt=f"{number}", width=64, height=64, steps=1, seed=SEED)))


def compare(hub: Hub, pipeline: Any, steps: int, rounds: int) -> None:
    from PIL import Image

    pictures = [make_here(hub, steps), make_directly(pipeline, steps)]
    ours, theirs = (np.array(Image.open(io.BytesIO(png))).astype(int) for png in pictures)
    assert np.abs(ours - theirs).max() <= 1, "not the same picture"
    times: dict[str, list[float]] = {"here": [], "direct": []}
    for _ in range(rounds):
        forget_prompt(hub)
        started = time.perf_counter()
        make_here(hub, steps)
        between = time.perf_counter()
        make_directly(pipeline, steps)
        times["here"].append(between - started)
        times["direct"].append(time.perf_counter() - between)
    here, direct = (statistics.median(times[name]) for name in ("here", "direct"))
    print(f"| {SIDE}², {steps} steps, s per image | {here:.2f} | {direct:.2f} | {direct / here:.2f} |", flush=True)


def live_while_making(hub: Hub, seconds: float) -> list[float]:
    """Milliseconds that `/health/live` takes while images are made."""
    server = ApiServer(hub, Settings(port=0, drain_seconds=0.0))
    ready, done = threading.Event(), threading.Event()
    thread = threading.Thread(target=server.run, args=(ready.set,))
    thread.start()
    ready.wait(30)
    body = {"model": "flux", "prompt": PROMPT, "size": f"{SIDE}x{SIDE}", "steps": 8}

    def make() -> None:
        while not done.is_set():
            httpx.post(f"{server.url}/v1/images/generations", json=body, timeout=300).raise_for_status()

    maker = threading.Thread(target=make)
    maker.start()
    delays = []
    with httpx.Client(base_url=server.url, timeout=30) as client:
        client.get("/health/live")
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            started = time.perf_counter()
            client.get("/health/live").raise_for_status()
            delays.append(1000 * (time.perf_counter() - started))
            time.sleep(0.02)
    done.set()
    maker.join()
    server.stop()
    thread.join()
    return delays


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        folder = make_tiny_flux2(Path(name) / "tiny-flux2")
        home = Home(Path(name) / "home")
        home.root.mkdir()
        entry = image_entry("flux", folder, "flux2", "klein-4b")
        home.registry_override.write_text(json.dumps({"models": [entry]}))
        with Hub(home, Settings(isolation="process")) as hub:
            hub.load("flux").result(120)
            pipeline = direct_pipeline(folder)
            print(f"{platform.machine()}, {os.cpu_count()} cores, medians of {rounds} rounds\n")
            print("| | Ominix | mlx-vlm | ratio |\n|---|---|---|---|")
            for steps in (4, 60):
                compare(hub, pipeline, steps, rounds)
            delays = live_while_making(hub, seconds=20)
    p99 = statistics.quantiles(delays, n=100)[98]
    print(f"\n`/health/live` while images are made: median {statistics.median(delays):.1f} ms, p99 {p99:.1f} ms")


if __name__ == "__main__":
    main()
