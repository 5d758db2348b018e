"""Transcription against mlx-audio called directly, in the same process and on the same clips.

    python -m tests.bench.speech [--rounds 3]

The model is Whisper tiny.en in float32, the clips are real speech. Every figure is the median over the rounds; in each
round the contestants take turns, so that whatever else the machine does meets them alike.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from ominix_core.engines.base import LoadOptions
from ominix_core.engines.loading import to_float32
from ominix_core.engines.transcription import TranscriptionEngine
from ominix_core.media import TranscriptionRequest, TranscriptSegment
from tests.support.piper import SENTENCES, spoken
from tests.support.real_whisper import whisper_tiny_en
from tests.support.word_errors import word_errors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    cache = Path(tempfile.gettempdir()) / "ominix-test-speech"
    cache.mkdir(exist_ok=True)
    engine = TranscriptionEngine()
    folder = whisper_tiny_en(cache)
    engine.load(folder, LoadOptions(), lambda *_: None)
    model = _loaded_directly(folder)
    clips = spoken(cache, SENTENCES)
    talk, seconds = joined(clips, cache / "talk.wav")

    def ours(path: Path) -> str:
        engine.submit("bench", TranscriptionRequest(path=str(path)))
        texts = []
        while engine.busy:
            texts += [event.text for _, event in engine.step() if isinstance(event, TranscriptSegment)]
        return " ".join(texts)

    def theirs(path: Path) -> str:
        return str(model.generate(str(path), fp16=False).text)

    print(f"Whisper tiny.en float32, {platform.machine()}, {os.cpu_count()} cores, medians of {rounds} rounds\n")
    print("| | Ominix | mlx-audio | ratio |\n|---|---|---|---|")
    clip_seconds = sum(soundfile.info(clip).duration for clip in clips[:3])
    compare("clips of 3 s, x real time", clip_seconds, rounds, ours, theirs, clips[:3])
    heard = compare(f"a talk of {seconds:.0f} s, x real time", seconds, rounds, ours, theirs, [talk])
    errors = [word_errors(" ".join(SENTENCES), text) for text in heard]
    print("| the talk's words that are wrong | " + " | ".join(f"{100 * e / n:.1f} %" for e, n in errors) + " | |")


def _loaded_directly(folder: Path) -> Any:
    """The model as mlx-audio loads it, which nothing of ours has touched, in float32 as well."""
    import mlx.core as mx
    from mlx_audio.stt import load

    model = load(folder, lazy=True)
    to_float32(model)
    mx.eval([list(module.values()) for module in model.modules()])
    return model


def joined(clips: list[Path], target: Path) -> tuple[Path, float]:
    """All clips one after the other, with pauses."""
    parts: list[np.ndarray] = []
    for clip in clips:
        samples, rate = soundfile.read(clip, dtype="float32")
        parts += [samples, np.zeros(rate // 2, np.float32)]
    soundfile.write(target, np.concatenate(parts), rate)
    return target, soundfile.info(target).duration


def compare(
    figure: str,
    seconds: float,
    rounds: int,
    ours: Callable[[Path], str],
    theirs: Callable[[Path], str],
    paths: list[Path],
) -> list[str]:
    """Print how many seconds of audio each side hears in a second, by the clock and of computing on all cores.

    Returns what each has heard.
    """
    sides = [ours, theirs]
    paces: list[list[float]] = [[], []]
    efforts: list[list[float]] = [[], []]
    heard = ["", ""]
    for number in range(rounds):
        print(f"{figure}: round {number + 1} of {rounds}", file=sys.stderr)
        for side in (0, 1) if number % 2 == 0 else (1, 0):
            started, computed = time.perf_counter(), time.process_time()
            heard[side] = " ".join(sides[side](path) for path in paths)
            efforts[side].append(seconds / (time.process_time() - computed))
            paces[side].append(seconds / (time.perf_counter() - started))
    for what, figures in (("by the clock", paces), ("by computing time", efforts)):
        mine, other = map(statistics.median, figures)
        print(f"| {figure}, {what} | {mine:.2f} | {other:.2f} | {mine / other:.2f} |", flush=True)
    return heard


if __name__ == "__main__":
    main()
