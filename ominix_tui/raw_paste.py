"""Pastes that the terminal does not bracket: told from typing by how much comes at once."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ominix_tui.terminal_input import Pasted, Typed

LEAST = 64
"""So many characters in one read are a paste. Nobody types that much while a line stands still."""
TOGETHER_SECONDS = 0.2
"""What comes so soon after a part of a paste is its next part, whatever it is."""
STALL_SECONDS = 2.0
"""The same for more than one character: a line may stand still in the midst of a paste."""

_STRETCHES = re.compile("(?P<text>[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]+)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]+")
_LINE_BREAKS = "\r\n"


class RawPastes:
    """Finds the pastes in what is typed, and puts the parts of each together.

    A line break within a paste is text. One that comes by itself after it, or that ends its only line, is the Enter
    key: someone pastes a line and presses Enter, or a program types both.
    """

    def __init__(self) -> None:
        self._paste = ""
        self._enter = ""  # the line breaks at its end that came by themselves
        self._has_lines = False  # as far as parts of it have been given out
        self._last = -STALL_SECONDS

    def find(self, text: str, now: float) -> Iterator[Typed | Pasted]:
        """The parts of `text`, which was read at `now`, in seconds; a paste comes when it has ended."""
        for stretch in _STRETCHES.finditer(text):
            if stretch["text"] and self._is_paste(stretch["text"], now):
                self._add(stretch["text"])
                self._last = now
            else:
                yield from self.end()
                yield Typed(stretch.group())

    def look(self, now: float) -> Iterator[Typed | Pasted]:
        """The paste that has ended, if nothing more of it came."""
        if now >= self._last + TOGETHER_SECONDS:
            yield from self.end()

    def end(self) -> Iterator[Typed | Pasted]:
        """The paste that has ended because something else follows, and the Enter after it."""
        paste, enter = self._paste, self._enter
        self._paste = self._enter = ""
        line = paste.rstrip(_LINE_BREAKS)
        self._has_lines |= any(each in line for each in _LINE_BREAKS)
        if not self._has_lines:
            enter = paste[len(line) :]
        if paste != enter:
            yield Pasted(paste.removesuffix(enter).replace("\r\n", "\n").replace("\r", "\n"))
        if enter:
            yield Typed(enter)

    def _is_paste(self, text: str, now: float) -> bool:
        if self._paste:
            return True
        if now < self._last + STALL_SECONDS and len(text) > 1:
            return True
        self._has_lines = False
        return _is_large(text)

    def _add(self, text: str) -> None:
        breaks_off = text.startswith("\n") and self._paste.endswith("\r")  # one line break, in two reads
        self._enter = "" if breaks_off or text.strip(_LINE_BREAKS) else self._enter + text
        self._paste += text


def _is_large(text: str) -> bool:
    return len(text) >= LEAST and len(set(text)) > 1  # a key that is held down repeats one character
