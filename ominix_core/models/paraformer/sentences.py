"""From words and the marks between them to the segments of a transcript."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ominix_core.media import SpokenWord, TranscriptSegment
from ominix_core.models.paraformer.words import text_of

SENTENCE_ENDS = ("。", "？", "！", ".", "?", "!")


def sentences(clips: Sequence[Sequence[SpokenWord]], marks: Sequence[str] | None) -> Iterator[TranscriptSegment]:
    """A segment for each sentence, cut where a clip ends; without marks one for each clip.

    Args:
        clips: The words of each clip.
        marks: What follows each of all these words: an empty text or a mark.
    """
    following_marks = iter(marks or [""] * sum(map(len, clips)))
    begins = marks is not None
    for words in clips:
        spoken: list[SpokenWord] = []
        texts: list[str] = []
        for word, mark in zip(words, following_marks, strict=False):
            spoken.append(word)
            texts.append((word.text[:1].upper() + word.text[1:] if begins else word.text) + mark)
            begins = mark in SENTENCE_ENDS
            if begins:
                yield _segment(spoken, texts)
                spoken, texts = [], []
        if spoken:
            yield _segment(spoken, texts)


def _segment(words: list[SpokenWord], texts: list[str]) -> TranscriptSegment:
    return TranscriptSegment(words[0].start, words[-1].end, text_of(texts), tuple(words))
