"""Finding speech with FSMN-VAD."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlx.core as mx
from funasr_mlx.models.fsmn_vad import FsmnEncoderConfig, FsmnVadModel, VadOptions

from ominix_core.audio.sources import Samples
from ominix_core.models.paraformer.features import Features
from ominix_core.models.paraformer.files import known, read_config, section
from ominix_core.models.paraformer.loading import Part, open_checkpoint, usable

# The network's detector takes the logarithm of both the probability of noise and that of speech.
_CERTAIN = 1e-6


class SpeechDetector:
    """The network and its features.

    Attributes:
        rate: The sample rate in Hz.
        parts: The network, for `loading.load`.

    Raises:
        LoadError: Their files cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        config = read_config(folder)
        self._features = Features(folder, config)
        self.rate = self._features.rate
        with usable(folder):
            options = VadOptions(**known(VadOptions, section(config, "model_conf")))
            encoder = FsmnEncoderConfig(**known(FsmnEncoderConfig, section(config, "encoder_conf")))
            self._network = _Detector(encoder, options)
        self._options = options
        self.parts = [Part(self._network, open_checkpoint(folder))]

    def speech(self, samples: Samples) -> list[tuple[int, int]]:
        """Where speech begins and ends, in samples, in a piece of at most a minute."""
        frame, shift = self._options.frame_sample_length, self._options.frame_shift_length
        if len(samples) < frame:
            return []
        features = self._features(samples)
        heard = mx.array(samples[: (features.shape[0] - 1) * shift + frame])
        found: list[list[int]] = self._network.detect(features[None], heard)
        per_ms = self.rate // 1000
        return [(start * per_ms, min(len(samples), end * per_ms)) for start, end in found if start < end]


class _Detector(FsmnVadModel):
    """One that survives a network which is sure of itself."""

    def compute_scores(self, feats: mx.array, cache: dict[str, Any]) -> None:
        super().compute_scores(feats, cache)
        stats = cache["stats"]
        stats.noise_scores = [min(max(score, _CERTAIN), 1 - _CERTAIN) for score in stats.noise_scores]
