"""Makes tests/transcription/golden with FunASR and PyTorch, from the tiny random models of tiny_paraformer.py.

python -m venv /tmp/golden && /tmp/golden/bin/pip install torch kaldi-native-fbank "mlx[cpu]" funasr-mlx msgspec soxr \
    omegaconf hydra-core kaldiio tensorboardX librosa torch_complex sentencepiece jieba rapidfuzz six jaconv jamo
/tmp/golden/bin/pip install --no-deps funasr==1.4.16
PYTHONPATH=. /tmp/golden/bin/python tests/support/make_paraformer_golden.py
"""

from __future__ import annotations

import copy
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from funasr.frontends.wav_frontend import WavFrontend
from funasr.models.bicif_paraformer import cif_predictor as _clock  # noqa: F401
from funasr.models.ct_transformer.model import CTTransformer
from funasr.models.fsmn_vad_streaming import encoder as _fsmn  # noqa: F401
from funasr.models.fsmn_vad_streaming.model import FsmnVADStreaming
from funasr.models.paraformer import cif_predictor as _predictor  # noqa: F401
from funasr.models.paraformer.model import Paraformer
from funasr.models.sanm import encoder as _sanm_encoder  # noqa: F401  registers itself
from funasr.models.seaco_paraformer.model import SeacoParaformer
from funasr.utils.postprocess_utils import sentence_postprocess
from funasr.utils.timestamp_tools import ts_prediction_lfr6_standard

from tests.support import tiny_paraformer as tiny
from tests.support.paraformer_inputs import HOTWORDS, SENTENCES, TIMED, WORDS, clip, speech_and_pauses

Outputs = dict[str, np.ndarray]


def with_weights(model: torch.nn.Module, weights: tiny.Weights) -> Any:
    model.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()}, strict=True)
    return model.eval()


def frontend(config: dict[str, Any], width: int, scale: float) -> WavFrontend:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "am.mvn"
        path.write_text(tiny.cmvn_text(np.zeros(width), np.full(width, scale)))
        return WavFrontend(cmvn_file=str(path), **config["frontend_conf"])


def features(config: dict[str, Any], samples: np.ndarray, width: int, scale: float) -> torch.Tensor:
    found, _ = frontend(config, width, scale)(torch.from_numpy(samples)[None], torch.tensor([len(samples)]))
    return found


def acoustic() -> Outputs:
    config = copy.deepcopy(tiny.ACOUSTIC)
    model = with_weights(
        Paraformer(
            input_size=560,
            vocab_size=len(tiny.TOKENS),
            **config["model_conf"],
            **{name: value for name, value in config.items() if name not in ("model_conf", "frontend_conf")},
        ),
        tiny.random_weights(tiny.acoustic_network(), 1),
    )
    clips = [features(config, clip(seconds), 560, 0.1)[0] for seconds in (3.0, 2.0)]
    lengths = torch.tensor([len(each) for each in clips])
    batch = torch.nn.utils.rnn.pad_sequence(clips, batch_first=True)
    encoded, encoded_lengths = model.encode(batch, lengths)
    embedded, counts, alphas, peaks = model.calc_predictor(encoded, encoded_lengths)[:4]
    counts = counts.round().long()
    scores = model.cal_decoder_with_predictor(encoded, encoded_lengths, embedded, counts)[0]
    return {
        "features": clips[1][::4].numpy(),
        "lengths": lengths.numpy(),
        "encoded": encoded.numpy(),
        "alphas": alphas.numpy(),
        "peaks": peaks.numpy(),
        "counts": counts.numpy(),
        "scores": scores.numpy(),
    }


def seaco() -> Outputs:
    config = copy.deepcopy(tiny.SEACO)
    model = with_weights(
        SeacoParaformer(
            input_size=560,
            vocab_size=len(tiny.TOKENS),
            **config["model_conf"],
            **{name: value for name, value in config.items() if name not in ("model_conf", "frontend_conf")},
        ),
        tiny.seaco_weights(4),
    )
    heard = features(config, clip(3.0), 560, 0.1)
    encoded, lengths = model.encode(heard, torch.tensor([heard.shape[1]]))
    embedded, counts = model.calc_predictor(encoded, lengths)[:2]
    counts = counts.round().long()
    hotwords = [*HOTWORDS, [model.sos]]
    scores = model._seaco_decode_with_ASF(encoded, lengths, embedded, counts, hw_list=hotwords)
    plain = model._seaco_decode_with_ASF(encoded, lengths, embedded, counts, hw_list=None)
    _, _, weights, peaks = model.calc_predictor_timestamp(encoded, lengths, counts)
    return {
        "hotword_ids": scores[0].argmax(-1).numpy(),
        "plain_ids": plain[0].argmax(-1).numpy(),
        "clock_weights": weights[0].numpy(),
        "clock_peaks": peaks[0].numpy(),
    }


def times() -> Outputs:
    found = {}
    for name, (alphas, peaks, count, upsampling) in TIMED.items():
        _, spans = ts_prediction_lfr6_standard(
            torch.tensor(alphas), torch.tensor(peaks), ["x"] * count, upsample_rate=upsampling
        )
        found[f"times_{name}"] = np.array(spans)
    return found


def detector() -> Outputs:
    config = copy.deepcopy(tiny.VAD)
    model = FsmnVADStreaming(encoder="FSMN", encoder_conf=config["encoder_conf"], **config["model_conf"])
    found = {}
    samples = speech_and_pauses()
    heard = features(config, samples, 400, 1.0)
    for name, weights in (
        ("loudness", tiny.loudness_detector()),
        ("random", tiny.random_weights(tiny.vad_network(), 2)),
    ):
        with_weights(model, weights)
        cache: dict[str, Any] = {}
        model.init_cache(cache)
        frames = heard.shape[1]
        waveform = torch.from_numpy(samples)[None, : (frames - 1) * 160 + 400]
        if name == "random":
            found["noise"] = model.encoder(heard / 16, cache={})[0, ::8, :].numpy()
            continue
        spans = model.forward(feats=heard, waveform=waveform, cache=cache, is_final=True, is_streaming_input=False)
        found[f"speech_{name}"] = np.array(spans[0])
    return found


class Vocabulary:
    def encode(self, tokens: list[str]) -> np.ndarray:
        ids = {token: index for index, token in enumerate(tiny.PUNCTUATION_TOKENS)}
        return np.array([ids.get(token, ids["<unk>"]) for token in tokens])


def punctuation() -> Outputs:
    config = copy.deepcopy(tiny.PUNCTUATION)
    model = with_weights(
        CTTransformer(
            vocab_size=len(tiny.PUNCTUATION_TOKENS),
            encoder=config["encoder"],
            encoder_conf=config["encoder_conf"],
            **config["model_conf"],
        ),
        tiny.random_weights(tiny.punctuation_network(), 3),
    )
    text = " ".join(WORDS)
    results, _ = model.inference([text], key=["x"], tokenizer=Vocabulary(), device="cpu")
    ids = torch.from_numpy(Vocabulary().encode(WORDS[:20]))[None]
    scores, _ = model.punc_forward(ids, torch.tensor([20]))
    return {"marks": np.array(results[0]["punc_array"]), "mark_scores": scores.numpy()}


def texts() -> Outputs:
    return {"texts": np.array(json.dumps([sentence_postprocess(list(tokens))[0] for tokens in SENTENCES]))}


def torch_files(folder: Path) -> Outputs:
    """Writes files in both of PyTorch's formats; returns what is in them."""
    numbers = torch.arange(12.0)
    state = {
        "whole": numbers.reshape(3, 4),
        "turned": numbers.reshape(3, 4).t(),
        "every_third": numbers[1::3],
        "half": (numbers / 8).half(),
        "brain": (numbers / 8).bfloat16(),
        "long": torch.arange(5),
        "parameter": torch.nn.Parameter(-numbers),
        "empty": torch.zeros(0, 3),
        "single": torch.tensor(3.5),
    }
    torch.save(state, folder / "torch.pt")
    torch.save({"epoch": 1, "state_dict": state}, folder / "torch-before-1.6.pt", _use_new_zipfile_serialization=False)
    return {f"torch_{name}": tensor.detach().float().numpy() for name, tensor in state.items()}


@torch.no_grad()
def main() -> None:
    target = Path(__file__).parents[1] / "transcription" / "golden" / "paraformer.npz"
    target.parent.mkdir(exist_ok=True)
    parts = (acoustic(), seaco(), times(), detector(), punctuation(), texts(), torch_files(target.parent))
    arrays = {name: array for part in parts for name, array in part.items()}
    np.savez_compressed(target, **arrays)
    for name, array in arrays.items():
        print(name, array.shape, array.dtype)  # noqa: T201
    print(target.stat().st_size, "bytes")  # noqa: T201


if __name__ == "__main__":
    main()
