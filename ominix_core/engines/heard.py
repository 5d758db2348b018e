"""What a speech recognition model of mlx-audio has heard, whatever its family returns."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ominix_core.engines.languages import name_of
from ominix_core.media import SpokenWord, TranscriptSegment


@dataclass(frozen=True)
class Heard:
    """What was said in a chunk; times are in seconds from its start.

    Attributes:
        language: A name in lower case, if the model tells.
        until: Up to when the chunk was heard; the next chunk begins there.
        last: What was said right before `until`, where that helps to understand how it goes on.
    """

    segments: list[TranscriptSegment]
    language: str | None
    until: float = math.inf
    last: str = ""


def heard_in(result: Any, seconds: float, word_times: bool) -> Heard:
    """What `generate` returned; families differ in how they tell of times."""
    language = language_name(getattr(result, "language", None))
    if (sentences := getattr(result, "sentences", None)) is not None:
        found = (_aligned_segment(sentence, seconds, word_times) for sentence in sentences)
        return Heard([segment for segment in found if segment.text], language)
    pieces = [piece for piece in result.segments or [] if isinstance(piece, dict) and piece.get("start") is not None]
    if not pieces:
        return Heard(one_segment(result.text, seconds), language)
    found = (timed_segment(piece, seconds) for piece in pieces)
    return Heard([segment for segment in found if segment.text], language)


def one_segment(text: str, seconds: float) -> list[TranscriptSegment]:
    """The text of a whole chunk, untimed; none if there is no text."""
    return [TranscriptSegment(0.0, seconds, text.strip())] if text.strip() else []


def timed_segment(piece: dict[str, Any], seconds: float) -> TranscriptSegment:
    """A segment of mlx-audio, in a chunk of so many seconds."""
    start = _within(piece["start"], seconds)
    end = max(start, _within(piece.get("end", seconds), seconds))
    words = tuple(
        SpokenWord(word["word"].strip(), _within(word["start"], seconds), _within(word["end"], seconds))
        for word in piece.get("words") or ()
    )
    return TranscriptSegment(start, end, str(piece.get("text", "")).strip(), words)


def _aligned_segment(sentence: Any, seconds: float, word_times: bool) -> TranscriptSegment:
    start = _within(sentence.start, seconds)
    end = max(start, _within(sentence.end, seconds))
    words = tuple(_words(sentence.tokens, seconds)) if word_times else ()
    return TranscriptSegment(start, end, sentence.text.strip(), words)


def _words(tokens: list[Any], seconds: float) -> Iterator[SpokenWord]:
    """Tokens joined to words: each word begins with a space."""
    text, start, end = "", 0.0, 0.0
    for token in tokens:
        if token.text.startswith(" ") and text.strip():
            yield SpokenWord(text.strip(), start, end)
            text = ""
        if not text.strip():
            start = _within(token.start, seconds)
        text += token.text
        end = _within(token.end, seconds)
    if text.strip():
        yield SpokenWord(text.strip(), start, end)


def _within(time: float, seconds: float) -> float:
    return min(max(0.0, float(time)), seconds)


def language_name(language: Any) -> str | None:
    """The name in lower case of what a model tells as a code, a name, or a list of them: one for each of its chunks."""
    if isinstance(language, list):
        language = language[0] if language else None
    if not isinstance(language, str) or language.lower() in ("", "none", "auto", "unknown"):
        return None
    return name_of(language)
