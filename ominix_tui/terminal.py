"""What the terminal can show, as far as its environment tells, and how to make do with less."""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.segment import Segment
from textual.filter import LineFilter

if TYPE_CHECKING:
    from textual.color import Color

WITHOUT_UNICODE = ("linux", "dumb", "vt52", "vt100", "vt102", "vt220")
"""Terminals whose fonts lack most of what the screens draw."""

_PLAIN = {
    "●": "*", "○": "o", "·": ".", "•": "*", "…": "~", "–": "-", "—": "-", "‖": "=", "↓": "v", "↑": "^", "←": "<",
    "→": ">", "◐": "%", "▶": ">", "▸": ">", "▾": "v", "▲": "^", "▼": "v", "✓": "+", "✗": "x", "×": "x", "“": '"',
    "”": '"', "‘": "'", "’": "'", "█": "#", "▓": "#", "▒": ":", "░": ".", "▔": "-", "▏": "|", "▎": "|", "▌": "|",
    "▊": "|", "▐": "|", "▕": "|", "▁": "_", "▂": "_", "▃": "_", "▄": "_", "▅": "#", "▆": "#", "▇": "#", "▀": " ",
    "╸": "-", "╺": "-", "━": "-", "⭘": "o", "⏎": "<", "¶": "<", "\u00a0": " ",
}  # fmt: skip


def speaks_unicode(environment: Mapping[str, str], encoding: str = "utf-8") -> bool:
    """Whether the terminal shows more than ASCII: not on a bare console, nor where the locale is another encoding's.

    `encoding` is what Python writes to it, which PYTHONIOENCODING may set.

    A locale that is not set at all says nothing, and most terminals of today are UTF-8.
    """
    if environment.get("TERM", "") in WITHOUT_UNICODE or not _is_utf8(encoding):
        return False
    locale = next((value for name in ("LC_ALL", "LC_CTYPE", "LANG") if (value := environment.get(name))), "utf8")
    return _is_utf8(locale)


def _is_utf8(name: str) -> bool:
    return "utf8" in name.lower().replace("-", "").replace("_", "")


class PlainText(LineFilter):
    """Draws everything in ASCII, in as many cells as before."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The segments with their text in ASCII."""
        return [
            segment if segment.text.isascii() else Segment(plain(segment.text), segment.style, segment.control)
            for segment in segments
        ]


@functools.lru_cache(4096)
def plain(text: str) -> str:
    """`text` in ASCII: lines and glyphs as signs that resemble them, letters without accents, "?" for the rest."""
    return "".join(character if character.isascii() else _plain(character) for character in text)


def _plain(character: str) -> str:
    if character in _PLAIN:
        return _PLAIN[character]
    if 0x2500 <= ord(character) < 0x2580:  # lines of boxes
        name = unicodedata.name(character)
        if "VERTICAL" in name and not any(word in name for word in ("HORIZONTAL", "RIGHT", "LEFT")):
            return "|"
        return "-" if "HORIZONTAL" in name and "VERTICAL" not in name and "DOWN" not in name else "+"
    if 0x2800 <= ord(character) < 0x2900:  # spinners made of dots
        return "*"
    base = unicodedata.normalize("NFKD", character)[0]
    return base if base.isascii() and base.isprintable() else "?" * cell_len(character)
