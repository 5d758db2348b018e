"""What FunASR and the tests of Paraformer are given alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]


def clip(seconds: float) -> Samples:
    """A sound whose pitch rises and whose loudness comes and goes, with some noise."""
    time = np.arange(int(seconds * 16000)) / 16000
    noise = np.random.default_rng(0).standard_normal(len(time)) * 0.01
    wave = np.sin(2 * np.pi * (200 + 150 * time) * time) * (0.1 + 0.2 * np.sin(2 * np.pi * 1.5 * time) ** 2)
    return (wave + noise).astype(np.float32)


def speech_and_pauses() -> Samples:
    """Fourteen seconds: loud, a short pause, loud, a long pause, loud, silence, loud to the end."""
    loud = clip(3.0) * 3
    pieces = [loud[:32000], np.zeros(6400), loud[:24000], np.zeros(32000), loud[:40000], np.zeros(48000), loud[:41600]]
    return np.concatenate(pieces).astype(np.float32)


def _counted(gaps: list[int], tail: int, weight: float = 1.0) -> tuple[list[float], list[float]]:
    """Weights and running sums where a token is counted after each gap, in frames."""
    weights: list[float] = []
    peaks: list[float] = []
    for gap in gaps:
        weights += [weight / gap] * gap
        peaks += [weight * (index + 1) / gap for index in range(gap)]
    return weights + [0.0] * tail, peaks + [0.0] * tail


TIMED: dict[str, tuple[list[float], list[float], int, int]] = {
    "even": (*_counted([4, 4, 5, 4, 6], 3), 4, 1),
    "late": (*_counted([9, 4, 3, 4], 9), 3, 1),
    "long": (*_counted([3, 20, 4, 15], 2), 3, 1),
    "upsampled": (*_counted([12, 9, 14, 8, 10], 12), 4, 3),
    "uncounted": ([0.21] * 40, [0.1] * 40, 6, 1),
    "one": (*_counted([5, 6], 1), 1, 1),
}

SENTENCES: tuple[tuple[str, ...], ...] = (
    ("今", "天", "天", "气"),
    ("hel@@", "lo", "world"),
    ("我", "用", "py@@", "thon", "写", "代", "码"),
    ("c", "t", "o", "is", "here"),
    ("the", "a", "s", "r", "model"),
    ("二", "零", "b", "b", "c", "新", "闻"),
    ("it", "'s"),
    ("你", "好", "</s>"),
    ("<unk>", "好"),
    ("p@@", "a@@", "ra", "for@@", "mer", "模", "型"),
)

_TEXT = "你 好 吗 hello world 好 你 吗 好 好 hello 你 你 world 吗 好 hello hello 吗 你 好 world"
WORDS = [*_TEXT.split() * 3, *_TEXT.split()[::-1], "unknown", "好"]
HOTWORDS = [[3, 4], [5, 6], [7]]
