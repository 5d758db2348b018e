"""The vision engine against mlx-vlm called directly, in the same process, taking turns.

    python -m tests.bench.vision [--rounds 15]

The model is a random Qwen3-VL, large enough that its work outweighs Python's: what is measured is what the engine adds.
Every round brings an image that neither contestant has seen, so that nothing is remembered. A ratio is the median over
the rounds of the two runs of a round, which stand side by side in time. On a machine without a GPU, OpenBLAS works with
one thread for both (two spend much of their time waiting for each other), and CPU seconds tell more than the clock.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ominix_core.engines.base import LoadOptions
from ominix_core.engines.vision import VisionEngine
from ominix_core.generation import ChatMessage, ChatRequest, Finished, Sampling
from tests.support.tiny_vision_models import TOKEN, make_tiny_vlm, picture

TOKENS = 96
SIZE = {"hidden_size": 768, "intermediate_size": 2048, "num_hidden_layers": 8, "num_attention_heads": 12}
QUESTION = "What is to be seen here?"


@dataclass
class Timed:
    """A run: seconds to its first token and to its end, CPU seconds, and its tokens."""

    started: float = field(default_factory=time.perf_counter)
    cpu: float = field(default_factory=time.process_time)
    first: float = 0.0
    tokens: int = 0
    seconds: float = 0.0

    def end(self) -> Timed:
        self.seconds = time.perf_counter() - self.started
        self.cpu = time.process_time() - self.cpu
        self.first -= self.started
        return self


class Images:
    """Pictures of which no two are alike."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)

    def next(self) -> Path:
        number = next(self._numbers)
        path = self._folder / f"{number}.png"
        path.write_bytes(picture(f"#{number * 40503 % 2**24:06x}", 448, 448))
        return path


class Engine:
    """Our engine, step by step on this thread."""

    def __init__(self, folder: Path) -> None:
        self._engine = VisionEngine()
        self._engine.load(folder, LoadOptions(), lambda *_: None)

    def answer(self, *images: Path) -> Timed:
        """Answer a question about each, all at once."""
        timed = Timed()
        sampling = Sampling(temperature=0)
        for image in images:
            message = ChatMessage("user", QUESTION, images=(image.read_bytes(),))
            self._engine.submit(image.name, ChatRequest(messages=[message], max_tokens=TOKENS, sampling=sampling))
        while self._engine.busy:
            for _, event in self._engine.step():
                if isinstance(event, Finished):
                    timed.first = max(timed.first, timed.started + event.usage.ttft)
                    timed.tokens += event.usage.completion_tokens
        return timed.end()


class Direct:
    """mlx-vlm's own loading, template and generation."""

    def __init__(self, folder: Path) -> None:
        from mlx_vlm import load

        self._model, self._processor = load(str(folder))

    def answer(self, image: Path) -> Timed:
        from mlx_vlm import apply_chat_template, stream_generate

        timed = Timed()
        prompt = apply_chat_template(self._processor, self._model.config, QUESTION, num_images=1)
        for piece in stream_generate(
            self._model, self._processor, prompt, image=[str(image)], max_tokens=TOKENS, temperature=0.0
        ):
            timed.first = timed.first or time.perf_counter()
            timed.tokens = piece.generation_tokens
        return timed.end()


def never_end(folder: Path) -> None:
    """Silence the token that ends an answer, or else answers would differ in length."""
    import mlx.core as mx

    path = str(folder / "model.safetensors")
    weights: Any = mx.load(path)
    head = weights["language_model.lm_head.weight"]
    head[TOKEN["<|im_end|>"]] = 0
    mx.eval(weights)
    mx.save_safetensors(path, weights, metadata={"format": "mlx"})


def measure(rounds: int) -> dict[str, list[Timed]]:
    """The runs of each contestant, in the same order."""
    with tempfile.TemporaryDirectory() as root:
        folder = make_tiny_vlm(Path(root) / "model", "qwen3_vl", text=SIZE)
        never_end(folder)
        images = Images(Path(root))
        engine, direct = Engine(folder), Direct(folder)
        contestants: dict[str, Callable[[Path], Timed]] = {"engine": engine.answer, "mlx-vlm": direct.answer}
        runs: dict[str, list[Timed]] = {name: [] for name in (*contestants, "engine, four at once")}
        for warm_up in contestants.values():
            warm_up(images.next())
        for number in range(rounds):
            image = images.next()
            for name in sorted(contestants, reverse=bool(number % 2)):
                runs[name].append(contestants[name](image))
        for _ in range(min(rounds, 3)):
            runs["engine, four at once"].append(engine.answer(*(images.next() for _ in range(4))))
    return runs


def report(runs: dict[str, list[Timed]]) -> None:
    figures: dict[str, Callable[[Timed], float]] = {
        "to the first token, s": lambda run: run.first,
        "tokens/s, image and prompt included": lambda run: run.tokens / run.seconds,
        "the same per CPU second": lambda run: run.tokens / run.cpu,
    }
    for figure, of in figures.items():
        for name, each in runs.items():
            values = [of(run) for run in each]
            median = statistics.median(values)
            print(f"{f'{name}: {figure}':58} {median:8.2f}   ({min(values):.2f} to {max(values):.2f})")
        ratios = [of(ours) / of(theirs) for ours, theirs in zip(runs["engine"], runs["mlx-vlm"], strict=True)]
        print(f"{f'engine / mlx-vlm: {figure}':58} {statistics.median(ratios):8.2f}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    report(measure(parser.parse_args().rounds))


if __name__ == "__main__":
    main()
