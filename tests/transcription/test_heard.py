"""What families of models return becomes segments, words and a language."""

from __future__ import annotations

from typing import Any

import pytest

from ominix_core.engines.heard import Heard, heard_in, language_name
from ominix_core.media import SpokenWord, TranscriptSegment
from ominix_core.mlx_setup import prepare

prepare()
from mlx_audio.stt.models.base import STTOutput  # noqa: E402  after MLX has been set up
from mlx_audio.stt.models.nemo.alignment import AlignedResult, AlignedSentence, AlignedToken  # noqa: E402


def test_tokens_with_times_become_words() -> None:
    tokens = [
        AlignedToken(1, " Hel", 0.1, 0.2),
        AlignedToken(2, "lo", 0.3, 0.1),
        AlignedToken(3, " there", 0.5, 0.3),
        AlignedToken(4, ".", 0.8, 0.5),
    ]
    result = AlignedResult(" Hello there.", [AlignedSentence(" Hello there.", tokens)])
    words = (SpokenWord("Hello", 0.1, 0.4), SpokenWord("there.", 0.5, 1.0))
    (segment,) = heard_in(result, 1.0, word_times=True).segments
    assert (segment.start, segment.end, segment.text) == (0.1, 1.0, "Hello there.")
    assert [(word.text, round(word.start, 3), round(word.end, 3)) for word in segment.words] == [
        (word.text, word.start, word.end) for word in words
    ]
    assert heard_in(result, 1.0, word_times=False).segments[0].words == ()


def test_text_without_times_is_one_segment() -> None:
    untimed: Any = [{"text": "hi", "language": "en"}]
    assert heard_in(STTOutput(" hi ", untimed, "en"), 3.0, False) == Heard([TranscriptSegment(0, 3, "hi")], "english")
    assert heard_in(STTOutput("  "), 3.0, False) == Heard([], None)


def test_times_stay_within_the_chunk_and_empty_pieces_go() -> None:
    pieces: Any = [
        {"start": -1.0, "end": 2.0, "text": " one"},
        {"start": 2.0, "end": 2.0, "text": " "},
        {"start": 2.5, "end": 30.0, "text": " two"},
    ]
    segments = heard_in(STTOutput("one two", pieces), 5.0, False).segments
    assert segments == [TranscriptSegment(0, 2, "one"), TranscriptSegment(2.5, 5, "two")]


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ("en", "english"),
        ("German", "german"),
        (["French", "English"], "french"),
        ("zh-CN", "chinese"),
        ("Klingon", "klingon"),
        ("None", None),
        ("auto", None),
        ([], None),
        (None, None),
    ],
)
def test_languages(told: Any, name: str | None) -> None:
    assert language_name(told) == name
