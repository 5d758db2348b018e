"""Paraformer against FunASR: the same weights and sounds must give the same numbers, times and marks.

The arrays come from tests/support/make_paraformer_golden.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ominix_core.media import SpokenWord
from ominix_core.models.paraformer.timing import running_sums, token_times
from ominix_core.models.paraformer.words import text_of, words_of
from tests.support import tiny_paraformer as tiny
from tests.support.paraformer_inputs import HOTWORDS, SENTENCES, TIMED, WORDS, clip, speech_and_pauses

Array = NDArray[Any]


def in_memory(part: Any) -> Any:
    """A part of the model with its weights."""
    from ominix_core.models.paraformer.loading import load

    load(part.parts, lambda *_: None)
    return part


@pytest.fixture(scope="module")
def golden() -> Mapping[str, Array]:
    with np.load(Path(__file__).parent / "golden" / "paraformer.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def acoustic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    weights = tiny.random_weights(tiny.acoustic_network(), 1)
    return tiny.write_part(
        tmp_path_factory.mktemp("acoustic"), tiny.ACOUSTIC, weights, tiny.TOKENS, cmvn=560, scale=0.1
    )


def heard(folder: Path, config: Mapping[str, Any], samples: Array) -> Any:
    from ominix_core.models.paraformer.features import Features

    return Features(folder, config)(samples)


def test_features(golden: Mapping[str, Array], acoustic: Path) -> None:
    found = np.array(heard(acoustic, tiny.ACOUSTIC, clip(2.0)))
    assert len(found) == golden["lengths"][1]
    np.testing.assert_allclose(found[::4], golden["features"], atol=2e-4)


def test_networks(golden: Mapping[str, Array], acoustic: Path) -> None:
    import mlx.core as mx

    from ominix_core.models.paraformer.model import Paraformer

    model = in_memory(Paraformer(acoustic))
    features = [heard(acoustic, tiny.ACOUSTIC, clip(seconds)) for seconds in (3.0, 2.0)]
    padded = mx.pad(features[1], [(0, features[0].shape[0] - features[1].shape[0]), (0, 0)])
    found = model.parts[0].network(mx.stack([features[0], padded]), mx.array(golden["lengths"].tolist()))
    assert found.token_length.tolist() == golden["counts"].tolist()
    assert min(golden["counts"]) > 3
    for index, length in enumerate(golden["lengths"]):
        np.testing.assert_allclose(
            np.array(found.encoder_out)[index, :length], golden["encoded"][index, :length], atol=2e-3
        )
        np.testing.assert_allclose(np.array(found.alphas)[index], golden["alphas"][index], atol=5e-4)
        count = int(golden["counts"][index])
        np.testing.assert_allclose(
            np.array(found.decoder_out)[index, :count], golden["scores"][index, :count], atol=5e-3
        )


def test_hotwords_and_the_finer_clock(golden: Mapping[str, Array], tmp_path: Path) -> None:
    import mlx.core as mx

    from ominix_core.models.paraformer.model import Paraformer

    folder = tiny.write_part(tmp_path, tiny.SEACO, tiny.seaco_weights(4), tiny.TOKENS, cmvn=560, scale=0.1)
    model = in_memory(Paraformer(folder))
    features = heard(folder, tiny.SEACO, clip(3.0))[None]
    lengths = mx.array([features.shape[1]])
    (plain,) = model._hear(features, lengths, [])
    (biased,) = model._hear(features, lengths, HOTWORDS)
    assert plain.ids == golden["plain_ids"].tolist()
    assert biased.ids == golden["hotword_ids"].tolist()
    assert biased.ids != plain.ids
    assert plain.upsampling == 3
    np.testing.assert_allclose(plain.weights, golden["clock_weights"], atol=2e-4)
    np.testing.assert_allclose(running_sums(golden["clock_weights"].tolist()), golden["clock_peaks"], atol=2e-4)


def test_words_of_a_batch_are_those_of_each_clip(acoustic: Path) -> None:
    from ominix_core.models.paraformer.model import Paraformer

    model = in_memory(Paraformer(acoustic))
    clips = [clip(3.0), clip(0.05), clip(2.0)]
    together = model.recognise(clips)
    for one, alone in zip(together, (model.recognise([each])[0] for each in clips), strict=True):
        assert [word.text for word in one] == [word.text for word in alone]


@pytest.mark.parametrize("name", TIMED)
def test_times(golden: Mapping[str, Array], name: str) -> None:
    weights, peaks, count, upsampling = TIMED[name]
    found = np.array(token_times(weights, peaks, count, upsampling)) * 1000
    np.testing.assert_allclose(found, np.maximum(golden[f"times_{name}"], 0), atol=1)  # FunASR cuts to milliseconds


def test_speech(golden: Mapping[str, Array], tmp_path: Path) -> None:
    from ominix_core.models.paraformer.segmentation import SpeechDetector

    folder = tiny.write_part(tmp_path, tiny.VAD, tiny.loudness_detector(), cmvn=400)
    detector = in_memory(SpeechDetector(folder))
    found = np.array(detector.speech(speech_and_pauses())) / 16
    assert found.tolist() == golden["speech_loudness"].tolist()


def test_the_network_that_finds_speech(golden: Mapping[str, Array], tmp_path: Path) -> None:
    from ominix_core.models.paraformer.segmentation import SpeechDetector

    weights = tiny.random_weights(tiny.vad_network(), 2)
    folder = tiny.write_part(tmp_path, tiny.VAD, weights, cmvn=400)
    detector = in_memory(SpeechDetector(folder))
    features = heard(folder, tiny.VAD, speech_and_pauses())
    found = np.array(detector.parts[0].network.encoder(features[None] / 16))
    np.testing.assert_allclose(found[0, ::8], golden["noise"], atol=1e-4)


def test_marks(golden: Mapping[str, Array], tmp_path: Path) -> None:
    import mlx.core as mx

    from ominix_core.models.paraformer.punctuation import Punctuator

    weights = tiny.random_weights(tiny.punctuation_network(), 3)
    folder = tiny.write_part(tmp_path, tiny.PUNCTUATION, weights, tiny.PUNCTUATION_TOKENS)
    punctuator = in_memory(Punctuator(folder))
    ids = [[tiny.PUNCTUATION_TOKENS.index(word) for word in WORDS[:20]]]
    np.testing.assert_allclose(
        np.array(punctuator.parts[0].network(mx.array(ids), [20])), golden["mark_scores"], atol=1e-4
    )
    names = ["", "", "，", "。", "？", "、"]
    latin = {"，": ",", "。": ".", "？": "?", "、": ","}
    expected = [names[mark] for mark in golden["marks"]]
    expected = [latin.get(mark, mark) if word.isascii() else mark for word, mark in zip(WORDS, expected, strict=True)]
    found = punctuator.marks(WORDS)
    assert found[:-1] == expected[:-1]
    assert found[-1] in ("。", "？")
    assert len(set(found)) > 2


def test_text(golden: Mapping[str, Array]) -> None:
    expected = json.loads(str(golden["texts"]))
    found = [text_of(word.text for word in words_of(SpokenWord(token, 0, 0) for token in said)) for said in SENTENCES]
    assert found == expected
