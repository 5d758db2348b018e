"""Hotwords as tokens: Latin words are spelled in pieces, as a list of the model says."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from ominix_core.errors import RequestError

MOST_HOTWORDS = 50
_SEPARATORS = re.compile(r"[,，、;；:：.。!！?？\n]+")
_PIECES = "seg_dict"


class Speller:
    """The vocabulary, and how words are made of it."""

    def __init__(self, folder: Path, tokens: Iterable[str]) -> None:
        self._ids = {token: index for index, token in enumerate(tokens)}
        self._path = folder / _PIECES
        self._pieces: dict[str, list[str]] | None = None

    def spelled(self, prompt: str) -> list[list[int]]:
        """Each of the hotwords in `prompt`, which stand between commas or the like, as tokens.

        Raises:
            RequestError: There are too many, or the model cannot write any of them.
        """
        hotwords = [word.strip() for word in _SEPARATORS.split(prompt) if word.strip()]
        spelled = [tokens for word in hotwords if (tokens := self._tokens(word))]
        if hotwords and not spelled:
            raise RequestError(f"This model cannot write any of the hotwords: {prompt[:100]}.", "unsupported_option")
        if len(spelled) > MOST_HOTWORDS:
            raise RequestError(f"{len(spelled)} hotwords are too many: {MOST_HOTWORDS} at most.", "unsupported_option")
        return spelled

    def _tokens(self, hotword: str) -> list[int]:
        """Nothing if there is no way to write it."""
        pieces = [piece for word in hotword.lower().split() for piece in self._written(word)]
        ids = [self._ids.get(piece) for piece in pieces]
        return [index for index in ids if index is not None] if None not in ids else []

    def _written(self, word: str) -> list[str]:
        if self._pieces is None:
            self._pieces = _read_pieces(self._path)
        if word in self._pieces:
            return self._pieces[word]
        return [word] if word in self._ids else [piece for char in word for piece in self._pieces.get(char, [char])]


def _read_pieces(path: Path) -> dict[str, list[str]]:
    """FunASR's list: a word and its pieces in each line."""
    try:
        lines = [line.split() for line in path.read_text("utf-8").splitlines()]
    except (OSError, ValueError):
        return {}
    return {line[0]: line[1:] for line in lines if len(line) > 1}
