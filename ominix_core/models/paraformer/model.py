"""The acoustic model: from clips to words and their times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
from funasr_mlx.models import paraformer

from ominix_core.audio.sources import Samples
from ominix_core.media import SpokenWord
from ominix_core.models.paraformer.features import Features
from ominix_core.models.paraformer.files import read_config, read_tokens, section
from ominix_core.models.paraformer.loading import Part, open_checkpoint, usable
from ominix_core.models.paraformer.seaco import Clock, Hotwords
from ominix_core.models.paraformer.spelling import Speller
from ominix_core.models.paraformer.timing import running_sums, token_times
from ominix_core.models.paraformer.words import words_of


@dataclass(frozen=True)
class _Heard:
    """What the networks made of one clip: tokens, and how much of a token is in each of so many parts of a frame."""

    ids: list[int]
    weights: list[float]
    peaks: list[float]
    upsampling: int


class Paraformer:
    """The networks, their features and their vocabulary.

    Attributes:
        rate: The sample rate in Hz.
        parts: The networks, for `loading.load`.

    Raises:
        LoadError: Their files cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        config = read_config(folder)
        self._tokens = read_tokens(folder)
        self._speller = Speller(folder, self._tokens)
        self._features = Features(folder, config)
        self.rate = self._features.rate
        sizes = {"vocab_size": len(self._tokens), "input_size": self._features.width}
        config["model_conf"] = section(config, "model_conf") | sizes
        checkpoint = open_checkpoint(folder)
        self._clock: Clock | None = None
        self._hotwords: Hotwords | None = None
        with usable(folder):
            self._network = paraformer.Paraformer(paraformer.paraformer_config_from_dict(config))
            if Clock.fits(config) and checkpoint.holds("predictor.blstm."):
                self._clock = Clock(section(config, "predictor_conf"))
            if Hotwords.fits(config) and checkpoint.holds("seaco_decoder."):
                self._hotwords = Hotwords(config, len(self._tokens))
        self._silent = {self._network.blank_id, self._network.sos, self._network.eos}
        self.parts = [Part(self._network, checkpoint)]
        if self._clock is not None:
            self.parts.append(Part(self._clock, checkpoint, "predictor."))
        if self._hotwords is not None:
            self.parts.append(Part(self._hotwords, checkpoint))

    @property
    def takes_hotwords(self) -> bool:
        """Whether it came with the weights for them."""
        return self._hotwords is not None

    def recognise(self, clips: Sequence[Samples], prompt: str = "") -> list[list[SpokenWord]]:
        """The words of each clip, of at most a minute, with their times in it.

        Args:
            prompt: Hotwords, with commas between them.

        Raises:
            RequestError: There are too many hotwords, or the model cannot write any of them.
        """
        hotwords = self._speller.spelled(prompt)
        features = [self._features(clip) for clip in clips]
        longest = max(feature.shape[0] for feature in features)
        batch = mx.stack([mx.pad(feature, [(0, longest - feature.shape[0]), (0, 0)]) for feature in features])
        lengths = mx.array([feature.shape[0] for feature in features])
        return [self._words(heard) for heard in self._hear(batch, lengths, hotwords)]

    def _hear(self, batch: mx.array, lengths: Any, hotwords: list[list[int]]) -> list[_Heard]:
        network: Any = self._network
        batch = batch.astype(network.predictor.cif_output.weight.dtype)
        encoded, lengths = network.encode(batch, lengths)
        # the predictor looks a frame ahead: what is said must not hang on how long the others of the batch are
        encoded = mx.where((mx.arange(encoded.shape[1]) < lengths[:, None])[..., None], encoded, 0)
        heard, totals, weights, peaks = network.calc_predictor(encoded, lengths)
        counts: Any = mx.round(totals).astype(mx.int32)
        if not mx.max(counts).item():
            return [_Heard([], [], [], 1)] * len(batch)
        understood, _ = network.decoder(encoded, lengths, heard, counts, return_hidden=True)
        best: Any = mx.argmax(network.decoder.output_layer(understood), axis=-1)
        if self._hotwords is not None and hotwords:
            words = self._hotwords.embedded([*hotwords, [network.sos]], network.decoder.embed)
            best = self._hotwords(words, best, heard, understood, counts)
        clock = self._clock
        if clock is not None:
            weights, ends, upsampling = clock(encoded, lengths, counts), lengths * clock.times, clock.times
        else:
            ends, upsampling = lengths + 1, 1  # the frame after the last one holds what was left of the last token
        found = []
        for index, (count, end) in enumerate(zip(counts.tolist(), ends.tolist(), strict=True)):
            shares = weights[index, :end].tolist()
            sums = peaks[index, :end].tolist() if clock is None else running_sums(shares)
            found.append(_Heard(best[index, :count].tolist(), shares, sums, upsampling))
        return found

    def _words(self, heard: _Heard) -> list[SpokenWord]:
        spoken = [self._tokens[token] for token in heard.ids if token not in self._silent]
        times = token_times(heard.weights, heard.peaks, len(spoken), heard.upsampling)
        return words_of(SpokenWord(text, *span) for text, span in zip(spoken, times, strict=True))
