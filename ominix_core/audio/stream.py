"""A decoded file as the models want it: one channel, their sample rate, no sample that is not a number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from ominix_core.audio.sources import Samples, open_source

CANCELLED = 0.01
"""Of the power of the loudest channel: 8 channels of which one is in use keep more."""


class AudioStream:
    """The sound of a file in blocks of about a second; memory does not grow with its length.

    Attributes:
        rate: Sample rate in Hz.
        seconds: How long it is as far as the file tells, 0 if it does not.

    Raises:
        RequestError: The file cannot be decoded; the text says why, or what to install.
    """

    def __init__(self, path: Path, rate: int) -> None:
        self.rate = rate
        self._source = open_source(path, rate)
        self.seconds = self._source.seconds

    def blocks(self) -> Iterator[Samples]:
        """All samples in order, in -1..1."""
        mono = mixed_down(_joined(self._source.blocks(), self._source.rate))
        return mono if self._source.rate == self.rate else self._resampled(mono)

    def _resampled(self, blocks: Iterator[Samples]) -> Iterator[Samples]:
        import soxr

        resampler = soxr.ResampleStream(self._source.rate, self.rate, 1, dtype="float32")
        for block in blocks:
            yield resampler.resample_chunk(block)
        yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)

    def close(self) -> None:
        self._source.close()


def _joined(blocks: Iterator[Samples], least: int) -> Iterator[Samples]:
    """The same samples in blocks of at least so many, but for the last one: some decoders bring a few at a time."""
    parts: list[Samples] = []
    for block in blocks:
        parts.append(block)
        if sum(map(len, parts)) >= least:
            yield np.concatenate(parts)
            parts.clear()
    if parts:
        yield np.concatenate(parts)


def mixed_down(blocks: Iterable[Samples]) -> Iterator[Samples]:
    """Each block of (frames, channels) as one channel, without what is no number and what is beyond full scale.

    That is the mean of all channels. Where they cancel each other, as those of a stereo recording with one wire the
    wrong way round, it is the loudest one.
    """
    chosen = 0
    for block in blocks:
        clean = np.clip(np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0), -1.0, 1.0)
        mixed: Samples = clean.mean(axis=1, dtype=np.float32)
        power = clean.var(axis=0)  # without a constant offset, which nobody hears
        if mixed.var() < CANCELLED * power.max():
            if power[chosen] < power.max() / 2:  # else stay: between inverted channels, each change clicks
                chosen = int(power.argmax())
            mixed = clean[:, chosen]
        yield mixed
