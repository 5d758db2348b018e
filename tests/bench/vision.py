"""The vision engine against mlx-vlm called directly, in the same process, taking turns.

    python -m tests.bench.vision [--rounds 5]

The model is a random Qwen3-VL, large enough that its work outweighs Python's: what is measured is what the engine adds.
Every figure is the median over the rounds. On a shared machine without a GPU, CPU seconds tell more than the clock.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ominix_core.engines.base import LoadOptions
from ominix_core.engines.vision import VisionEngine
from ominix_core.generation import ChatMessage, ChatRequest, Finished, ReasoningDelta, Sampling, TextDelta
from tests.support.tiny_vision_models import make_tiny_vlm, picture

TOKENS = 96
SIZE = {"hidden_size": 768, "intermediate_size": 2048, "num_hidden_layers": 8, "num_attention_heads": 12}
_nonce = itertools.count()


def question() -> str:
    return f"{next(_nonce)} What is to be seen here?"


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


class Engine:
    """Our engine, step by step on this thread."""

    def __init__(self, folder: Path) -> None:
        self._engine = VisionEngine()
        self._engine.load(folder, LoadOptions(), lambda *_: None)

    def answer(self, *conversations: list[ChatMessage]) -> Timed:
        """Answer all of them at once."""
        for number, messages in enumerate(conversations):
            request = ChatRequest(messages=messages, max_tokens=TOKENS, sampling=Sampling(temperature=0))
            self._engine.submit(str(number), request)
        timed = Timed()
        while self._engine.busy:
            for _, event in self._engine.step():
                if isinstance(event, TextDelta | ReasoningDelta):
                    timed.first = timed.first or time.perf_counter()
                elif isinstance(event, Finished):
                    timed.tokens += event.usage.completion_tokens
        return timed.end()


class Direct:
    """mlx-vlm's own loading, template and generation."""

    def __init__(self, folder: Path) -> None:
        from mlx_vlm import load

        self._model, self._processor = load(str(folder))

    def answer(self, image: Path, text: str) -> Timed:
        from mlx_vlm import apply_chat_template, stream_generate

        timed = Timed()
        prompt = apply_chat_template(self._processor, self._model.config, text, num_images=1)
        for _ in stream_generate(
            self._model, self._processor, prompt, image=[str(image)], max_tokens=TOKENS, temperature=0.0
        ):
            timed.first = timed.first or time.perf_counter()
            timed.tokens += 1
        return timed.end()


def measure(rounds: int) -> dict[str, list[float]]:
    results: dict[str, list[float]] = {}

    def note(name: str, timed: Timed) -> None:
        results.setdefault(f"{name}, to the first token, s", []).append(timed.first)
        results.setdefault(f"{name}, tokens/s, image and prompt included", []).append(timed.tokens / timed.seconds)
        results.setdefault(f"{name}, the same per CPU second", []).append(timed.tokens / timed.cpu)

    with tempfile.TemporaryDirectory() as root:
        folder = make_tiny_vlm(Path(root) / "model", "qwen3_vl", text=SIZE)
        image = Path(root) / "image.png"
        image.write_bytes(picture("red", 448, 448))
        engine, direct = Engine(folder), Direct(folder)
        alone: dict[str, Callable[[], Timed]] = {
            "engine": lambda: engine.answer(asked(image)),
            "mlx-vlm": lambda: direct.answer(image, question()),
        }
        for warm_up in alone.values():
            warm_up()
        for number in range(rounds):
            for name in sorted(alone, reverse=bool(number % 2)):
                note(name, alone[name]())
            note("engine, four at once", engine.answer(*(asked(image) for _ in range(4))))
    return results


def asked(image: Path) -> list[ChatMessage]:
    return [ChatMessage("user", question(), images=(image.read_bytes(),))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    for figure, values in measure(parser.parse_args().rounds).items():
        print(f"{figure:56} {statistics.median(values):8.2f}   ({min(values):.2f} to {max(values):.2f})")


if __name__ == "__main__":
    main()
