"""What SeACo-Paraformer has beside the common network: hotwords, and a finer clock for the times of tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from funasr_mlx.models.paraformer import ParaformerDecoderConfig, ParaformerSANMDecoder

from ominix_core.models.paraformer.files import known, section

# Without a hotword in sight the network says this token; the configuration may name another one.
_NO_HOTWORD = 8377
_LITTLE = 1e-9


class LSTM(nn.Module):
    """One layer or more with PyTorch's names of weights, and batches first."""

    def __init__(self, width: int, layers: int = 1, *, both_ways: bool = False) -> None:
        super().__init__()
        self._layers = layers
        self._both_ways = both_ways
        directions = ("", "_reverse") if both_ways else ("",)
        for layer in range(layers):
            incoming = width if layer == 0 else width * len(directions)
            for suffix in directions:
                self[f"weight_ih_l{layer}{suffix}"] = mx.zeros((4 * width, incoming))
                self[f"weight_hh_l{layer}{suffix}"] = mx.zeros((4 * width, width))
                self[f"bias_ih_l{layer}{suffix}"] = mx.zeros(4 * width)
                self[f"bias_hh_l{layer}{suffix}"] = mx.zeros(4 * width)

    def __call__(self, x: mx.array, lengths: mx.array) -> mx.array:
        """(batch, time, width) to (batch, time, width), or twice the width if it goes both ways.

        Args:
            lengths: How much of the time each of the batch fills; what comes out after it has no meaning.
        """
        backwards = mx.maximum(lengths[:, None] - 1 - mx.arange(x.shape[1]), 0)[..., None]
        for layer in range(self._layers):
            outputs = [self._run(x, f"l{layer}")]
            if self._both_ways:
                turned = self._run(mx.take_along_axis(x, backwards, axis=1), f"l{layer}_reverse")
                outputs.append(mx.take_along_axis(turned, backwards, axis=1))
            x = mx.concatenate(outputs, axis=-1)
        return x

    def _run(self, x: mx.array, name: str) -> mx.array:
        gates = x @ self[f"weight_ih_{name}"].T + self[f"bias_ih_{name}"] + self[f"bias_hh_{name}"]
        recurrent = self[f"weight_hh_{name}"].T
        hidden = cell = mx.zeros((x.shape[0], recurrent.shape[0]), x.dtype)
        outputs = []
        for step in range(x.shape[1]):
            let_in, keep, new, show = mx.split(gates[:, step] + hidden @ recurrent, 4, axis=-1)
            cell = mx.sigmoid(keep) * cell + mx.sigmoid(let_in) * mx.tanh(new)
            hidden = mx.sigmoid(show) * mx.tanh(cell)
            outputs.append(hidden)
        return mx.stack(outputs, axis=1)


class _Upsampling(nn.Module):
    """A transposed convolution whose kernel is as long as its stride: each frame becomes several."""

    def __init__(self, width: int, times: int) -> None:
        super().__init__()
        self.weight = mx.zeros((width, times, width))
        self.bias = mx.zeros(width)

    def __call__(self, x: mx.array) -> mx.array:
        width = x.shape[-1]
        return (x @ self.weight.reshape(width, -1)).reshape(len(x), -1, width) + self.bias


class Clock(nn.Module):
    """The second head of the predictor: how much of a token is in each third of a frame."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        super().__init__()
        width = int(options["idim"])
        self.times = int(options.get("upsample_times", 5))
        self._factor = float(options.get("smooth_factor2", 1.0))
        self._threshold = float(options.get("noise_threshold2", 0.0))
        self.upsample_cnn = _Upsampling(width, self.times)
        self.blstm = LSTM(width, both_ways=True)
        self.cif_output2 = nn.Linear(2 * width, 1)

    def __call__(self, encoded: mx.array, lengths: mx.array, tokens: mx.array) -> mx.array:
        """The weights of each clip, (clips, parts of frames), scaled to hold so many tokens in its length in frames."""
        lengths = lengths * self.times
        raw = self.cif_output2(self.blstm(self.upsample_cnn(encoded), lengths))[..., 0]
        weights = mx.maximum(mx.sigmoid(raw) * self._factor - self._threshold, 0)
        weights = mx.where(mx.arange(weights.shape[1]) < lengths[:, None], weights, 0)
        return weights * (tokens / mx.maximum(mx.sum(weights, axis=1), _LITTLE))[:, None]

    @staticmethod
    def fits(config: Mapping[str, Any]) -> bool:
        """Whether the configuration tells of such a head."""
        options = section(config, "predictor_conf")
        uses_encoder = not options.get("use_cif1_cnn", True)
        is_known = uses_encoder and options.get("upsample_type") == "cnn_blstm"
        return config.get("predictor") == "CifPredictorV3" and is_known


class Hotwords(nn.Module):
    """The second decoder: it looks for given words in what was heard."""

    def __init__(self, config: Mapping[str, Any], vocabulary: int) -> None:
        super().__init__()
        options = section(config, "model_conf")
        width = int(options.get("inner_dim", 256))
        self._no_hotword = int(options.get("NO_BIAS", _NO_HOTWORD))
        conf = ParaformerDecoderConfig(**known(ParaformerDecoderConfig, section(config, "seaco_decoder_conf")))
        self.bias_encoder = LSTM(width, layers=2)
        self.seaco_decoder = ParaformerSANMDecoder(vocabulary, width, conf)
        self.hotword_output_layer = nn.Linear(width, vocabulary)

    def embedded(self, words: Sequence[Sequence[int]], embedding: nn.Module) -> mx.array:
        """Hotwords, given as tokens, as (words, width)."""
        longest = max(map(len, words))
        padded = mx.array([[*word, *[0] * (longest - len(word))] for word in words])
        lengths = mx.array([len(word) for word in words])
        return self.bias_encoder(embedding(padded), lengths)[mx.arange(len(words)), lengths - 1]

    def __call__(
        self, words: mx.array, best: mx.array, heard: mx.array, understood: mx.array, counts: mx.array
    ) -> mx.array:
        """The tokens `best`, (clips, tokens), with hotwords in their places.

        Args:
            words: From `embedded`; the last one stands for none.
            heard: What the predictor made of each token.
            understood: What the decoder made of it.
        """
        clips = best.shape[0]
        memory = mx.broadcast_to(words, (clips, *words.shape))
        lengths = mx.array([words.shape[0]] * clips)
        found = [self.seaco_decoder(memory, lengths, hidden, counts)[0] for hidden in (heard, understood)]
        biased = mx.argmax(self.hotword_output_layer(found[0] + found[1]), axis=-1)
        return mx.where(biased == self._no_hotword, best, biased)

    @staticmethod
    def fits(config: Mapping[str, Any]) -> bool:
        """Whether the configuration tells of such a decoder."""
        options = section(config, "model_conf")
        kind = (options.get("bias_encoder_type"), options.get("bias_encoder_bid", False))
        return config.get("seaco_decoder") == "ParaformerSANMDecoder" and kind == ("lstm", False)
