"""Cutting long audio where nobody speaks, and leaving out silence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ominix_core.audio.sources import Samples

FRAME_SECONDS = 0.02
MARGIN_SECONDS = 0.2
# Models tell when a word begins, and may be late by this much.
LEAD_SECONDS = 0.4
# What is quieter than this everywhere is silence: the noise of good rooms is louder, the softest speech much louder.
SILENCE = 10 ** (-60 / 20)
# What is less than this many times as loud as the quietest moment around is a pause as well.
PAUSE = 2.0


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of audio with sound in it; `start` is in seconds from the start of the file."""

    start: float
    samples: Samples


class ChunkCutter:
    """Collects blocks of audio and gives them back as chunks.

    Args:
        rate: Sample rate in Hz.
        shortest: A chunk is cut in the last pause between this many seconds and `longest`.
    """

    def __init__(self, rate: int, shortest: float, longest: float) -> None:
        self._rate = rate
        self._frame = int(rate * FRAME_SECONDS)
        self._margin = int(rate * MARGIN_SECONDS)
        self._lead = int(rate * LEAD_SECONDS)
        self._shortest = int(rate * shortest)
        self._longest = int(rate * longest)
        self._held = np.zeros(0, np.float32)
        self._start = 0
        self._taken = 0
        self._speaking = False

    def cut(self, samples: Samples) -> Iterator[Chunk]:
        """All chunks of what is there at once."""
        self.add(samples)
        while chunk := self.next(ended=True):
            yield chunk

    def add(self, block: Samples) -> None:
        """Take in what follows."""
        self._held = np.concatenate([self._held, block])

    def next(self, *, ended: bool) -> Chunk | None:
        """The next chunk, or None if more audio has to come in first.

        Args:
            ended: Whether no more audio comes.
        """
        if self._taken:
            self._drop(self._taken)
        while True:
            self._skip_silence()
            if len(self._held) >= self._longest:
                length = self._latest_pause()
            elif ended and len(self._held):
                length = len(self._held)
            else:
                return None
            if chunk := self._take(length):
                return chunk

    def come_back_to(self, seconds: float) -> None:
        """Let the next chunk begin at this moment of the file, which lies in the last one, or in a pause around it."""
        moment = round(seconds * self._rate) - self._start
        loudness = self._loudness(self._held[: self._taken])
        first = max(0, moment - self._lead) // self._frame
        around = loudness[first : (moment + self._margin) // self._frame]
        if len(around) and around.min() <= max(PAUSE * loudness.min(), SILENCE):
            moment = (first + int(np.argmin(around))) * self._frame + self._frame // 2
        self._taken = min(self._taken, moment)

    def _skip_silence(self) -> None:
        """Drop the silence before a chunk but for a margin."""
        if self._speaking:
            return
        loud = self._loud_frames(self._held)
        begin = loud[0] * self._frame if loud else len(self._held)
        self._drop(max(0, begin - self._margin))
        self._speaking = bool(loud)

    def _take(self, length: int) -> Chunk | None:
        """The first `length` samples, without the silence around them; None if they are silent, which drops them."""
        piece = self._held[:length]
        loud = self._loud_frames(piece)
        if not loud:
            self._drop(length)
            return None
        start = max(0, loud[0] * self._frame - self._margin)
        end = min(length, (loud[-1] + 1) * self._frame + self._margin)
        self._taken = length
        return Chunk((self._start + start) / self._rate, piece[start:end].copy())

    def _drop(self, length: int) -> None:
        self._held = self._held[length:]
        self._start += length
        self._taken = 0
        self._speaking = False

    def _loud_frames(self, samples: Samples) -> list[int]:
        loud: list[int] = np.flatnonzero(self._levels(samples) > SILENCE).tolist()
        return loud

    def _latest_pause(self) -> int:
        """The middle of the last moment that is about as quiet as it gets: fuller chunks are fewer."""
        first = self._shortest // self._frame
        loudness = self._loudness(self._held[: self._longest])[first:]
        quiet = loudness <= max(PAUSE * loudness.min(), SILENCE)
        last = int(np.flatnonzero(quiet)[-1])
        begin = int(max(np.flatnonzero(~quiet[:last]), default=-1)) + 1
        quietest = first + begin + int(np.argmin(loudness[begin : last + 1]))
        return min(self._longest, quietest * self._frame + self._frame // 2)

    def _loudness(self, samples: Samples) -> Samples:
        """The level around each frame."""
        side = self._margin // self._frame // 2
        width = 2 * side + 1
        padded = np.pad(self._levels(samples), side, mode="edge")
        smooth: Samples = np.convolve(padded, np.full(width, 1 / width, np.float32), mode="valid")
        return smooth

    def _levels(self, samples: Samples) -> Samples:
        """The root mean square of each frame; of the last one as much as there is."""
        whole = len(samples) // self._frame * self._frame
        framed = samples[:whole].reshape(-1, self._frame)
        levels = np.sqrt(np.mean(framed * framed, axis=1))
        rest = samples[whole:]
        return np.append(levels, np.sqrt(np.mean(rest * rest))) if len(rest) else levels
