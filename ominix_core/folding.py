"""Text as searches compare it: case, accents, and how letters are put together make no difference."""

from __future__ import annotations

import unicodedata

ACCENTS = range(200, 256)
"""Combining classes of the marks above, below and through letters."""
POINTS = range(10, 37)
"""Those of the vowel signs that Hebrew and Arabic may leave out. Other scripts' marks make other letters: か, が."""


class _Foldings(dict[int, str]):
    """What each character becomes, found out when it is first met."""

    def __missing__(self, code: int) -> str:
        self[code] = _fold(chr(code))
        return self[code]


_FOLDINGS = _Foldings()


def folded(text: str) -> str:
    """`text` for a comparison: "Café", "cafe" and "CAFE\N{COMBINING ACUTE ACCENT}" are one, and so are ß and ss.

    Character by character, so that a part of a text, folded, is a part of the folded text.
    """
    return text.lower() if text.isascii() else text.translate(_FOLDINGS)


def _fold(character: str) -> str:
    parts = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())
    if " " in parts and not character.isspace():  # an accent that stands alone is made of a space and a mark
        return character
    return "".join(part for part in parts if not _is_accent(part))


def _is_accent(character: str) -> bool:
    kind = unicodedata.combining(character)
    return kind in ACCENTS or kind in POINTS
