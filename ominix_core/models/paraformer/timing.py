"""When each token was spoken, from the moments at which the predictor counted them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

FRAME_SECONDS = 0.06
# A token is counted this many frames after it began.
_SHIFT = -1.5
# In frames: what is longer after the last token is silence in part, and what is longer of a token is silence.
_LONGEST_EDGE, _LONGEST_TOKEN = 5, 12
_FULL = 1.0 - 1e-4


def token_times(
    weights: Sequence[float], peaks: Sequence[float], count: int, upsampling: int = 1
) -> list[tuple[float, float]]:
    """Start and end of `count` tokens, in seconds.

    Args:
        weights: How much of a token each frame holds.
        peaks: Their running sum, less one at every token; a token is counted where it is 1 or more.
        upsampling: How many of these frames are one of the encoder's.
    """
    if not count:
        return []
    moments = [index + _SHIFT for index, peak in enumerate(peaks) if peak >= _FULL]
    if len(moments) != count + 1:  # the end of the sentence counts as one more token, but may not have been found
        moments = [index + _SHIFT for index in _counted(weights, count + 1)]
    frames, scale = len(peaks), FRAME_SECONDS / upsampling
    if not moments:
        return [(0.0, frames * scale)] * count
    moments = [*moments, *[float(frames)] * (count + 1)][: count + 1]
    spans = [(start, min(end, start + _LONGEST_TOKEN)) for start, end in itertools.pairwise(moments)]
    silence = frames - moments[-1]
    if spans[-1][1] == moments[-1]:
        spans[-1] = (spans[-1][0], frames - (silence / 2 if silence > _LONGEST_EDGE else 0))
    return [(max(0.0, start) * scale, max(0.0, end) * scale) for start, end in spans]


def running_sums(weights: Sequence[float]) -> list[float]:
    """How much of a token there is after each frame; one is taken off where it is full."""
    sums, filled = [], 0.0
    for weight in weights:
        filled += weight
        sums.append(filled)
        if filled >= _FULL:
            filled -= _FULL
    return sums


def _counted(weights: Sequence[float], count: int) -> list[int]:
    """Where tokens are counted if the weights are scaled to hold `count` of them."""
    total = sum(weights)
    scaled = [weight / total * count for weight in weights] if total else []
    return [index for index, filled in enumerate(running_sums(scaled)) if filled >= _FULL]
