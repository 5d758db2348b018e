"""Transcripts, and the forms in which they are written down: plain text, SubRip, WebVTT, JSON."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, Self

from ominix_core.media import Transcribed, TranscriptSegment

Form = Literal["text", "srt", "vtt", "json"]

SUFFIXES: dict[Form, str] = {"text": ".txt", "srt": ".srt", "vtt": ".vtt", "json": ".json"}
"""What a file of each form is called at its end."""

# Scripts that put no space between words; text of theirs is joined without one.
_SPACELESS = ((0x2E80, 0x9FFF), (0xF900, 0xFAFF), (0xFE30, 0xFE4F), (0xFF00, 0xFF9F), (0x20000, 0x3FFFF))


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said, when, in which language if the model tells, and how many seconds the audio lasts."""

    segments: tuple[TranscriptSegment, ...]
    language: str | None
    duration: float

    @classmethod
    def of(cls, events: Iterable[object]) -> Self:
        """The sum of a transcription's events; without its last ones it is what there is so far."""
        segments, end = [], Transcribed(None, 0.0)
        for event in events:
            if isinstance(event, TranscriptSegment):
                segments.append(event)
            elif isinstance(event, Transcribed):
                end = event
        return cls(tuple(segments), end.language, end.duration)

    @property
    def text(self) -> str:
        """The whole text on one line."""
        text = ""
        for segment in self.segments:
            text += following(text, segment.text)
        return text


def following(before: str, text: str) -> str:
    """`text` as it goes on after `before`: with a space, unless it begins or one of them is written without spaces."""
    apart = before and text and not _is_spaceless(before[-1]) and not _is_spaceless(text[0])
    return f" {text}" if apart else text


def _is_spaceless(char: str) -> bool:
    return any(first <= ord(char) <= last for first, last in _SPACELESS)


def render(transcript: Transcript, form: Form) -> str:
    """The content of a file of this form, with a newline at its end."""
    return _WRITERS[form](transcript)


def _text(transcript: Transcript) -> str:
    """A line for each segment."""
    return "".join(f"{_one_line(segment.text)}\n" for segment in transcript.segments)


def _srt(transcript: Transcript) -> str:
    cues = [
        f"{number}\n{_span(segment, ',')}\n{_cue(segment.text)}\n"
        for number, segment in enumerate(transcript.segments, 1)
    ]
    return "\n".join(cues)


def _vtt(transcript: Transcript) -> str:
    cues = [
        f"{_span(segment, '.')}\n{html.escape(_cue(segment.text), quote=False)}\n" for segment in transcript.segments
    ]
    return "\n".join(["WEBVTT\n", *cues])


def _json(transcript: Transcript) -> str:
    return json.dumps(as_object(transcript), ensure_ascii=False, indent=2) + "\n"


def as_object(transcript: Transcript) -> dict[str, Any]:
    """The transcript as plain data; words are there only where they were timed."""
    return {
        "language": transcript.language,
        "duration": round(transcript.duration, 3),
        "text": transcript.text,
        "segments": [_segment_object(segment) for segment in transcript.segments],
    }


def _segment_object(segment: TranscriptSegment) -> dict[str, Any]:
    body: dict[str, Any] = {"start": round(segment.start, 3), "end": round(segment.end, 3), "text": segment.text}
    if segment.words:
        body["words"] = [
            {"word": word.text, "start": round(word.start, 3), "end": round(word.end, 3)} for word in segment.words
        ]
    return body


_WRITERS = {"text": _text, "srt": _srt, "vtt": _vtt, "json": _json}


def clock(seconds: float, decimal: str = ".") -> str:
    """A time as 00:01:02.345."""
    milliseconds = round(max(0.0, seconds) * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02}{decimal}{milliseconds % 1000:03}"


def _span(segment: TranscriptSegment, decimal: str) -> str:
    return f"{clock(segment.start, decimal)} --> {clock(max(segment.start, segment.end), decimal)}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _cue(text: str) -> str:
    """A blank line would end the cue, and an arrow would begin one."""
    return _one_line(text.replace("-->", "→"))
