"""Transcripts as text, SubRip, WebVTT and JSON."""

from __future__ import annotations

import json

import pytest

from ominix_core.media import AudioProgress, SpokenWord, Transcribed, TranscriptPartial, TranscriptSegment
from ominix_core.transcript import Transcript, render

TALK = Transcript(
    segments=(
        TranscriptSegment(0.0, 1.5, "Good morning.", (SpokenWord("Good", 0.0, 0.5), SpokenWord("morning.", 0.5, 1.5))),
        TranscriptSegment(3661.25, 3662.0, "a < b & c --> d\n\nand more"),
    ),
    language="english",
    duration=3700.0,
)
SILENT = Transcript((), None, 5.0)


def test_the_sum_of_events() -> None:
    events = [TranscriptPartial("Go"), TALK.segments[0], AudioProgress(2, 4), Transcribed("english", 4.0)]
    assert Transcript.of(events) == Transcript((TALK.segments[0],), "english", 4.0)


def test_text() -> None:
    assert TALK.text.startswith("Good morning. a < b")
    assert render(TALK, "text") == "Good morning.\na < b & c --> d and more\n"


@pytest.mark.parametrize(
    ("texts", "whole"),
    [
        (["Good", "morning."], "Good morning."),
        (["今天", "天气很好。", "走吧"], "今天天气很好。走吧"),
        (["我用", "Python", "写代码"], "我用Python写代码"),
        (["안녕", "하세요"], "안녕 하세요"),
        (["", "a", ""], "a"),
    ],
)
def test_segments_are_joined_as_their_script_wants_it(texts: list[str], whole: str) -> None:
    assert Transcript(tuple(TranscriptSegment(0, 1, text) for text in texts), None, 1).text == whole


def test_subrip() -> None:
    assert render(TALK, "srt") == (
        "1\n00:00:00,000 --> 00:00:01,500\nGood morning.\n\n2\n01:01:01,250 --> 01:01:02,000\na < b & c → d and more\n"
    )


def test_webvtt() -> None:
    assert render(TALK, "vtt") == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nGood morning.\n\n"
        "01:01:01.250 --> 01:01:02.000\na &lt; b &amp; c → d and more\n"
    )


def test_json() -> None:
    body = json.loads(render(TALK, "json"))
    assert body["language"] == "english"
    assert body["segments"][0]["words"][1] == {"word": "morning.", "start": 0.5, "end": 1.5}
    assert "words" not in body["segments"][1]


def test_nothing_was_said() -> None:
    assert render(SILENT, "text") == ""
    assert render(SILENT, "srt") == ""
    assert render(SILENT, "vtt") == "WEBVTT\n"
    assert json.loads(render(SILENT, "json")) == {"language": None, "duration": 5.0, "text": "", "segments": []}
