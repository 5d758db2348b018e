"""Speech through the hub against mlx-audio called directly, in seconds of speech per second.

    python -m tests.bench.speech_synthesis [rounds] [--kokoro]

Both speak the same sentences and stream them. Without `--kokoro` it is a tiny random Qwen3-TTS, whose own work is so
small that everything around it counts; with it the real Kokoro 82M, one sentence a round, which takes minutes on a CPU.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import psutil

from ominix_core.engines.loading import to_float32
from ominix_core.hub import Hub
from ominix_core.media import AudioChunk, SpeechRequest
from ominix_core.mlx_setup import prepare
from ominix_core.paths import Home
from ominix_core.settings import Settings
from tests.conftest import speech_entry
from tests.support.kokoro_package import provide_kokoro
from tests.support.tiny_speech import make_tiny_qwen3_tts

SENTENCES = [f"This is sentence number {number} of a text that is spoken aloud." for number in range(12)]
TOKENS = 250
"""Of each sentence: 20 seconds of Qwen3-TTS, of which the tiny model makes 0.7."""


def main() -> None:
    kokoro = "--kokoro" in sys.argv
    rounds = next((int(argument) for argument in sys.argv[1:] if argument.isdecimal()), 1 if kokoro else 7)
    sentences = SENTENCES[:1] if kokoro else SENTENCES
    with tempfile.TemporaryDirectory() as temporary:
        folder = provide_kokoro() if kokoro else make_tiny_qwen3_tts(Path(temporary, "model"), tokens=TOKENS)
        home = Home(Path(temporary, "home"))
        home.root.mkdir()
        home.registry_override.write_text(json.dumps({"models": [speech_entry("model", folder)]}))
        with Hub(home, Settings(registry_url="off", hang_seconds=3600)) as hub:
            hub.load("model").result()
            contestants = {
                "hub and worker": lambda: _through_hub(hub, sentences),
                "mlx-audio": _direct(folder, sentences, kokoro),
            }
            _compare(contestants, rounds)


def _compare(contestants: dict[str, Callable[[], float]], rounds: int) -> None:
    clocked: dict[str, list[float]] = {name: [] for name in contestants}
    computed: dict[str, list[float]] = {name: [] for name in contestants}
    if rounds > 1:
        for speak in contestants.values():
            speak()  # once to warm up
    for number in range(rounds):
        order = list(contestants) if number % 2 else list(reversed(contestants))
        for name in order:
            started, used = time.perf_counter(), _computing_time()
            seconds = contestants[name]()
            clocked[name].append(seconds / (time.perf_counter() - started))
            computed[name].append(seconds / (_computing_time() - used))
    for what, speeds in (("by the clock", clocked), ("by computing time", computed)):
        middle = {name: median(values) for name, values in speeds.items()}
        for name, values in speeds.items():
            print(f"{name:16} {middle[name]:.3f} × real time {what} ({min(values):.3f} to {max(values):.3f})")
        print(f"ratio            {middle['hub and worker'] / middle['mlx-audio']:.3f}")


def _computing_time() -> float:
    """Seconds on all cores, of this process and the hub's worker."""
    this = psutil.Process()
    times = [process.cpu_times() for process in (this, *this.children(recursive=True))]
    return sum(each.user + each.system for each in times)


def _through_hub(hub: Hub, sentences: list[str]) -> float:
    seconds = 0.0
    for event in hub.generate("model", SpeechRequest(text=" ".join(sentences), seed=1)):
        if isinstance(event, AudioChunk):
            seconds += len(event.samples) / 4 / event.sample_rate
    return seconds


def _direct(folder: Path, sentences: list[str], kokoro: bool) -> Callable[[], float]:
    prepare()
    import mlx.core as mx
    from mlx_audio.tts.utils import load_model

    model: Any = load_model(folder)
    if not mx.metal.is_available():
        to_float32(model)  # as the hub does
    speak = _kokoro_itself(model, folder) if kokoro else _family_itself(model)

    def run() -> float:
        mx.random.seed(1)
        return sum(len(np.array(audio)) / model.sample_rate for text in sentences for audio in speak(text))

    return run


def _family_itself(model: Any) -> Callable[[str], Any]:
    return lambda text: (result.audio for result in model.generate(text, voice="vivian", stream=True))


def _kokoro_itself(model: Any, folder: Path) -> Callable[[str], Any]:
    """What the library's pipeline does after its own phonemes, which need packages that are not here."""
    import mlx.core as mx

    from ominix_core.engines.phonemes import phonemes

    styles: Any = mx.load(str(next((folder / "voices").glob("*.safetensors"))))

    def speak(text: str) -> list[Any]:
        sounds = "".join(each for each in phonemes(text, "a") if each in model.vocab)
        return [model(sounds, styles["voice"][len(sounds) - 1], 1.0)[0]]

    return speak


if __name__ == "__main__":
    main()
