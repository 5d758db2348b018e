"""Whisper hears a window at a time, goes on where a sentence was cut, and encodes a window once."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ominix_core.engines.base import LoadOptions
from ominix_core.engines.transcription import TranscriptionEngine
from ominix_core.engines.whisper import Whisper, pieces_between_marks
from ominix_core.generation import Failed, GenerationEvent
from ominix_core.media import AudioProgress, TranscriptionRequest, TranscriptSegment
from tests.support.sounds import silence, tone, write_audio
from tests.support.whisper import scripted_whisper

MARK = 1000
"""The mark of 0 seconds; a mark follows every 0.02 seconds."""


def at(seconds: float) -> int:
    return MARK + round(seconds * 50)


class TestPieces:
    def cut(self, *tokens: int, seconds: float = 20.0) -> tuple[list[tuple[float, float, list[int]]], float]:
        pieces, until = pieces_between_marks(list(tokens), MARK, seconds)
        words = [[token for token in piece["tokens"] if token < MARK] for piece in pieces]
        return [(piece["start"], piece["end"], said) for piece, said in zip(pieces, words, strict=True)], until

    def test_two_marks_in_a_row_part_two_pieces(self) -> None:
        pieces, until = self.cut(at(0), 1, 2, at(4), at(5), 3, at(9))
        assert pieces == [(0.0, 4.0, [1, 2]), (5.0, 9.0, [3])]
        assert until == math.inf

    @pytest.mark.parametrize("unfinished", [(), (3,), (3, 4, 5)])
    def test_what_is_not_finished_is_left_for_later(self, unfinished: tuple[int, ...]) -> None:
        assert self.cut(at(0), 1, 2, at(4), at(4), *unfinished) == ([(0.0, 4.0, [1, 2])], 4.0)

    def test_what_would_hardly_bring_it_forward_is_taken_as_it_is(self) -> None:
        assert self.cut(at(0), 1, at(0.5), at(0.6), 2) == ([(0.0, 0.5, [1]), (0.6, 20.0, [2])], math.inf)

    def test_text_without_an_end_lasts_as_long_as_the_audio(self) -> None:
        assert self.cut(at(1), 1, 2) == ([(1.0, 20.0, [1, 2])], math.inf)

    def test_nothing(self) -> None:
        assert self.cut() == ([], math.inf)
        assert self.cut(at(0)) == ([(0.0, 20.0, [])], math.inf)


@pytest.fixture
def engine_with() -> Callable[[Path], TranscriptionEngine]:
    def load(folder: Path) -> TranscriptionEngine:
        engine = TranscriptionEngine()
        engine.load(folder, LoadOptions(), lambda *_: None)
        return engine

    return load


def heard(engine: TranscriptionEngine, path: Path, **options: Any) -> list[GenerationEvent]:
    engine.submit("r", TranscriptionRequest(path=str(path), **options))
    events: list[GenerationEvent] = []
    while engine.busy:
        events += [event for _, event in engine.step()]
    return events


def model_of(engine: TranscriptionEngine) -> Any:
    listener = engine._listener
    assert isinstance(listener, Whisper)
    return listener._model


def test_a_sentence_that_was_cut_is_heard_again_with_what_came_before(
    engine_with: Callable[[Path], TranscriptionEngine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_with(scripted_whisper(tmp_path / "hasty", "hello world", unfinished=True))
    model = model_of(engine)
    decode, prompts = model.decode, []
    monkeypatch.setattr(model, "decode", lambda audio, how: (prompts.append(how.prompt), decode(audio, how))[1])
    talk = np.concatenate([tone(0.9), silence(0.2), tone(0.9), silence(0.2), tone(0.9)])
    events = heard(engine, write_audio(tmp_path / "talk.wav", talk), prompt="Greetings:")
    segments = [event for event in events if isinstance(event, TranscriptSegment)]
    assert [segment.start for segment in segments] == pytest.approx([0.0, 1.0, 2.1], abs=0.2)
    assert {segment.text for segment in segments} == {"hello world"}
    assert prompts == ["Greetings:", "Greetings: hello world", "Greetings: hello world"]
    assert all(before.end <= after.start for before, after in itertools.pairwise(segments))
    done = [event.done for event in events if isinstance(event, AudioProgress)]
    assert done == sorted(done)
    assert done[-1] == pytest.approx(3.1)


def test_a_window_is_encoded_once_whatever_is_asked(
    engine_with: Callable[[Path], TranscriptionEngine],
    german_whisper: Path,
    clip: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = engine_with(german_whisper)
    encoder = type(model_of(engine).encoder)
    encode, runs = encoder.__call__, []
    monkeypatch.setattr(encoder, "__call__", lambda self, x: (runs.append(x.shape), encode(self, x))[1])
    events = heard(engine, clip, word_times=True)
    assert [event.text for event in events if isinstance(event, TranscriptSegment)] == ["guten Tag"]
    assert runs == [(1, 3000, 80)]


def test_weights_without_numbers_end_a_request(
    engine_with: Callable[[Path], TranscriptionEngine], tmp_path: Path
) -> None:
    import mlx.core as mx

    folder = scripted_whisper(tmp_path / "ill", "hello world")
    (path,) = folder.glob("*.safetensors")
    weights = mx.load(str(path))
    assert isinstance(weights, dict)
    name = "model.decoder.layer_norm.weight"
    mx.save_safetensors(str(path), weights | {name: mx.full(weights[name].shape, float("nan"))})
    engine = engine_with(folder)
    failed = heard(engine, write_audio(tmp_path / "talk.wav", tone(1.0)))[-1]
    assert isinstance(failed, Failed)
    assert "yield no numbers (NaN)" in failed.message
