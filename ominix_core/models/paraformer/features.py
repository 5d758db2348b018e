"""What the networks hear: log mel energies of frames of 10 ms, several of them stacked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
from funasr_mlx.frontend import FbankConfig, WavFrontend

from ominix_core.audio.sources import Samples
from ominix_core.models.paraformer.files import known, read_cmvn, section
from ominix_core.models.paraformer.loading import usable

LONGEST_SECONDS = 60.0


class Features:
    """From samples to stacked and normalised frames.

    Attributes:
        rate: The sample rate in Hz.
        width: The size of a stacked frame.

    Raises:
        LoadError: The configuration or am.mvn cannot be used.
    """

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        options = known(FbankConfig, section(config, "frontend_conf"))
        # a random dither would make every run another one, and the file's path is somebody else's
        options |= {"dither": 0.0, "cmvn_file": None, "max_seconds": LONGEST_SECONDS}
        with usable(folder):
            settings = FbankConfig(**options)
        self.rate = settings.fs
        self.width = settings.n_mels * settings.lfr_m
        self._shortest = int(settings.fs * settings.frame_length / 1000)
        self._frontend = WavFrontend(settings, cmvn=read_cmvn(folder, self.width))

    def __call__(self, samples: Samples) -> mx.array:
        """Frames of `samples` in -1..1, at most LONGEST_SECONDS of them: (frames, width)."""
        missing = self._shortest - len(samples)
        frames: mx.array = self._frontend(np.pad(samples, (0, missing)) if missing > 0 else samples)
        return frames
