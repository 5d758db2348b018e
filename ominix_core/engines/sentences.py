"""Cuts text into the pieces that a speech model is given one after the other: sentences, unless they are too long."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

FIRST_WEIGHT = 120
LONGEST_WEIGHT = 300
"""How long a piece may be; a Latin letter weighs 1. The first one is shorter, so that it is heard sooner."""
SHORTEST_WEIGHT = 16
"""A shorter sentence is spoken together with its neighbour: alone it would sound clipped."""
LONGEST_WORD = 20
_WIDE_WEIGHT = 4  # a Chinese character is a syllable and takes about as long as four Latin letters

_CLOSERS = "\"'”’»)\\]}」』）】》〉"
_END = re.compile(
    rf"(?P<wide>[。！？｡]+[{_CLOSERS}]*)"  # ends a sentence wherever it stands
    rf"|[.!?…]+[{_CLOSERS}]*(?=\s|$)"  # a dot inside 3.14 or example.com does not
)
_CLAUSE_END = re.compile(r"[,;:—–](?=\s)|[，、；：…]")
_LAST_WORD = re.compile(r"[^\W\d_](?:[\w.]*\w)?\.$")

_BEFORE_A_NAME = {
    "mr", "mrs", "ms", "dr", "prof", "st", "mt", "gen", "col", "capt", "lt", "sgt", "rev", "sen", "rep",
    "messrs",
}  # fmt: skip
_INSIDE_A_SENTENCE = {
    "e.g", "i.e", "vs", "cf", "no", "nos", "vol", "fig", "figs", "pp", "approx", "z.b", "d.h", "bzw", "ca",
    "nr",
}  # fmt: skip
_PERHAPS_AT_THE_END = {
    "etc", "a.m", "p.m", "inc", "ltd", "co", "corp", "jr", "bros", "usw",
}  # fmt: skip


def pieces(text: str, longest: int = LONGEST_WEIGHT) -> Iterator[str]:
    """The text in order, without what cannot be spoken; each piece weighs no more than `longest`."""
    limit = min(FIRST_WEIGHT, longest)
    for paragraph in text.splitlines():
        held = ""
        for sentence in _sentences(" ".join(paragraph.split())):
            held = f"{held} {sentence}".strip()
            if _weight(held) < SHORTEST_WEIGHT:
                continue
            for piece in _cut(held, limit, longest):
                limit = longest
                yield piece
            held = ""
        if _is_spoken(held):
            limit = longest
            yield held


def _sentences(paragraph: str) -> Iterator[str]:
    start = 0
    for match in _END.finditer(paragraph):
        end = match.end()
        following = paragraph[end : end + 2].lstrip()
        if following and not match["wide"] and _goes_on(paragraph[max(start, end - LONGEST_WORD) : end], following):
            continue
        yield paragraph[start:end].strip()
        start = end
    if rest := paragraph[start:].strip():
        yield rest


def _goes_on(sentence: str, following: str) -> bool:
    """Whether what stands before `following` does not end with the dot that it ends with."""
    if following[0].islower():
        return True
    return ends_with_abbreviation(sentence, following)


def ends_with_abbreviation(text: str, following: str = "") -> bool:
    """Whether the last dot belongs to an abbreviation that does not end a sentence, as far as `following` tells."""
    word = _LAST_WORD.search(text[-LONGEST_WORD:])
    if word is None:
        return False
    abbreviation = word.group()[:-1]
    name = abbreviation.lower()
    if name in _PERHAPS_AT_THE_END:
        return not following or following[0].islower()
    if name in _BEFORE_A_NAME or name in _INSIDE_A_SENTENCE:
        return name != "no" or following[:1].isdigit()
    is_initial = len(abbreviation) == 1 and abbreviation.isupper() and abbreviation != "I"
    return is_initial or "." in abbreviation


def _cut(sentence: str, limit: int, longest: int) -> Iterator[str]:
    """A sentence that is too long, at the ends of clauses, else between words, else anywhere."""
    while (room := _letters_in(sentence, limit)) < len(sentence):
        at = max(
            (match.end() for match in _CLAUSE_END.finditer(sentence, 0, room + 1) if match.end() <= room), default=0
        )
        if at < room // 3:
            at = sentence.rfind(" ", 0, room + 1)
        if at <= 0:
            at = room
        head, sentence = sentence[:at].strip(), sentence[at:].strip()
        if _is_spoken(head):
            yield head
        limit = longest
    if _is_spoken(sentence):
        yield sentence


def _letters_in(text: str, weight: int) -> int:
    """How many letters from the start weigh no more than that, at least one."""
    for index, letter in enumerate(text):
        weight -= _weight_of(letter)
        if weight < 0:
            return max(1, index)
    return len(text)


def _weight(text: str) -> int:
    return sum(map(_weight_of, text))


def _weight_of(letter: str) -> int:
    return _WIDE_WEIGHT if unicodedata.east_asian_width(letter) in "WF" else 1


def _is_spoken(text: str) -> bool:
    return any(letter.isalnum() for letter in text)
