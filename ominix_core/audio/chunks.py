"""Cutting long audio where nobody speaks, and leaving out silence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from ominix_core.audio.sources import Samples

FRAME_SECONDS = 0.02
MARGIN_SECONDS = 0.2
# What is quieter than this everywhere is silence: the noise of good rooms is louder, the softest speech much louder.
SILENCE = 10 ** (-60 / 20)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of audio with sound in it; `start` is in seconds from the start of the file."""

    start: float
    samples: Samples


class ChunkCutter:
    """Collects blocks of audio and gives them back as chunks.

    Args:
        rate: Sample rate in Hz.
        shortest: A chunk is cut at the quietest moment between this many seconds and `longest`.
    """

    def __init__(self, rate: int, shortest: float, longest: float) -> None:
        self._rate = rate
        self._frame = int(rate * FRAME_SECONDS)
        self._margin = int(rate * MARGIN_SECONDS)
        self._shortest = int(rate * shortest)
        self._longest = int(rate * longest)
        self._held = np.zeros(0, np.float32)
        self._start = 0
        self._speaking = False

    @property
    def seconds(self) -> float:
        """How much audio has come in."""
        return (self._start + len(self._held)) / self._rate

    def cut(self, blocks: Iterable[Samples]) -> Iterator[Chunk]:
        """All chunks of `blocks`, which are taken one by one as chunks are asked for."""
        for block in blocks:
            self._held = np.concatenate([self._held, block])
            self._skip_silence()
            while len(self._held) >= self._longest:
                yield from self._take(self._quietest_moment())
        yield from self._take(len(self._held))

    def _skip_silence(self) -> None:
        """Drop the silence before a chunk but for a margin."""
        if self._speaking:
            return
        loud = self._loud_frames(self._held)
        self._speaking = len(loud) > 0
        begin = loud[0] * self._frame if self._speaking else len(self._held)
        self._drop(max(0, begin - self._margin))

    def _take(self, length: int) -> Iterator[Chunk]:
        """The first `length` samples, without the silence around them, as a chunk; none if they are silent."""
        piece = self._held[:length]
        loud = self._loud_frames(piece)
        if len(loud):
            start = max(0, loud[0] * self._frame - self._margin)
            end = min(length, (loud[-1] + 1) * self._frame + self._margin)
            yield Chunk((self._start + start) / self._rate, piece[start:end].copy())
        self._drop(length)
        self._speaking = False
        self._skip_silence()

    def _drop(self, length: int) -> None:
        self._held = self._held[length:]
        self._start += length

    def _loud_frames(self, samples: Samples) -> list[int]:
        loud: list[int] = np.flatnonzero(self._levels(samples) > SILENCE).tolist()
        return loud

    def _quietest_moment(self) -> int:
        first = self._shortest // self._frame
        levels = self._levels(self._held[: self._longest])
        width = max(1, self._margin // self._frame)
        smooth = np.convolve(levels, np.ones(width) / width, mode="same")[first:]
        latest = len(smooth) - 1 - int(np.argmin(smooth[::-1]))
        return min(self._longest, (first + latest) * self._frame + self._frame // 2)

    def _levels(self, samples: Samples) -> Samples:
        """The root mean square of each frame; of the last one as much as there is."""
        whole = len(samples) // self._frame * self._frame
        framed = samples[:whole].reshape(-1, self._frame)
        levels = np.sqrt(np.mean(framed * framed, axis=1))
        rest = samples[whole:]
        return np.append(levels, np.sqrt(np.mean(rest * rest))) if len(rest) else levels
