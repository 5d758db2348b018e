"""From the tokens that Paraformer recognises to words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ominix_core.media import SpokenWord
from ominix_core.transcript import following

_CONTINUED = "@@"
_SPECIAL = re.compile(r"<[^<>]+>")
# Letters that are spelled out one by one, and the digits of a number, are each one word.
_SPELLED = re.compile(r"[A-Za-z]")
_DIGIT = re.compile(r"[0-9]")


def words_of(tokens: Iterable[SpokenWord]) -> list[SpokenWord]:
    """Tokens and their times joined to words: "hel@@" "lo" to "hello", "a" "s" "r" to "ASR", "4" "2" to "42".

    A character of a script without spaces is a word of its own. Marks such as `<unk>` are left out.
    """
    spoken = (token for token in tokens if token.text != _CONTINUED and not _SPECIAL.fullmatch(token.text))
    return list(_runs_joined(_pieces_joined(spoken)))


def _pieces_joined(tokens: Iterable[SpokenWord]) -> Iterator[SpokenWord]:
    open_word: SpokenWord | None = None
    for token in tokens:
        text = token.text.removesuffix(_CONTINUED)
        if open_word is not None and not text.isascii():  # the end of the word was not recognised
            yield open_word
            open_word = None
        word = SpokenWord(text, token.start, token.end)
        joined = word if open_word is None else _joined(open_word, word)
        if token.text.endswith(_CONTINUED):
            open_word = joined
        else:
            yield joined
            open_word = None
    if open_word is not None:
        yield open_word


def _runs_joined(words: Iterable[SpokenWord]) -> Iterator[SpokenWord]:
    run: list[SpokenWord] = []
    kind: re.Pattern[str] | None = None
    for word in words:
        own = next((pattern for pattern in (_SPELLED, _DIGIT) if pattern.fullmatch(word.text)), None)
        if run and own is not kind:
            yield _run_joined(run)
            run = []
        kind = own
        if own is None:
            yield word
        else:
            run.append(word)
    if run:
        yield _run_joined(run)


def _run_joined(run: list[SpokenWord]) -> SpokenWord:
    text = "".join(word.text for word in run)
    return SpokenWord(text.upper() if len(run) > 1 else text, run[0].start, run[-1].end)


def _joined(before: SpokenWord, after: SpokenWord) -> SpokenWord:
    return SpokenWord(before.text + after.text, before.start, after.end)


def text_of(words: Iterable[str]) -> str:
    """Words as one line, with spaces where their scripts use them."""
    text = ""
    for word in words:
        text += following(text, word)
    return text
