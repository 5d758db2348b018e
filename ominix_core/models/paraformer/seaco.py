"""What SeACo-Paraformer has beside the common network: hotwords, and a finer clock for the times of tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from funasr_mlx.models.paraformer import ParaformerDecoderConfig, ParaformerSANMDecoder

from ominix_core.models.paraformer.loading import known, section

# Without a hotword in sight the network says this token; the configuration may name another one.
_NO_HOTWORD = 8377


class LSTM(nn.Module):
    """One layer or more with PyTorch's names of weights, and batches first."""

    def __init__(self, width: int, layers: int = 1, *, both_ways: bool = False) -> None:
        super().__init__()
        self._layers = layers
        self._suffixes = ("", "_reverse") if both_ways else ("",)
        for layer in range(layers):
            for suffix in self._suffixes:
                incoming = width if layer == 0 else width * len(self._suffixes)
                self[f"weight_ih_l{layer}{suffix}"] = mx.zeros((4 * width, incoming))
                self[f"weight_hh_l{layer}{suffix}"] = mx.zeros((4 * width, width))
                self[f"bias_ih_l{layer}{suffix}"] = mx.zeros(4 * width)
                self[f"bias_hh_l{layer}{suffix}"] = mx.zeros(4 * width)

    def __call__(self, x: mx.array) -> mx.array:
        """(batch, time, width) to (batch, time, width), or twice the width if it goes both ways."""
        for layer in range(self._layers):
            x = mx.concatenate([self._run(x, f"l{layer}{suffix}", suffix) for suffix in self._suffixes], axis=-1)
        return x

    def _run(self, x: mx.array, name: str, suffix: str) -> mx.array:
        gates = x @ self[f"weight_ih_{name}"].T + self[f"bias_ih_{name}"] + self[f"bias_hh_{name}"]
        recurrent = self[f"weight_hh_{name}"].T
        hidden = cell = mx.zeros((x.shape[0], recurrent.shape[0]), x.dtype)
        outputs = []
        steps = range(x.shape[1])
        for step in reversed(steps) if suffix else steps:
            let_in, keep, new, show = mx.split(gates[:, step] + hidden @ recurrent, 4, axis=-1)
            cell = mx.sigmoid(keep) * cell + mx.sigmoid(let_in) * mx.tanh(new)
            hidden = mx.sigmoid(show) * mx.tanh(cell)
            outputs.append(hidden)
        return mx.stack(outputs[::-1] if suffix else outputs, axis=1)


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

    def __call__(self, encoded: mx.array, tokens: int) -> list[float]:
        """The weights of one clip, (frames, width), scaled to hold so many tokens."""
        raw = self.cif_output2(self.blstm(self.upsample_cnn(encoded[None])))
        weights = mx.maximum(mx.sigmoid(raw[0, :, 0]) * self._factor - self._threshold, 0)
        scaled: Any = weights * (tokens / mx.maximum(mx.sum(weights), 1e-9))
        return list(scaled.tolist())

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
        outputs = self.bias_encoder(embedding(padded))
        return outputs[mx.arange(len(words)), mx.array([len(word) - 1 for word in words])]

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
