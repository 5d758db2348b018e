"""Pastes that the terminal does not bracket: told from typing by how much comes at once."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ominix_tui.terminal_input import Pasted, Typed

LEAST = 64
"""So many characters in one read are a paste. Nobody types that much while a line stands still."""
TOGETHER_SECONDS = 0.2
"""What comes so soon after a part of a paste is its next part."""

_STRETCHES = re.compile("(?P<text>[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]+)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]+")
_LINE_BREAK = re.compile("\r\n?")
_LINE_BREAKS = "\r\n"


class RawPastes:
    """Finds the pastes in what is typed.

    A line break within a paste is text. One that comes by itself after it, or that ends its only line, is the Enter
    key: someone pastes a line and presses Enter, or a program types both. It waits for a moment to see that no other
    line follows.
    """

    def __init__(self) -> None:
        self._held = ""  # the line break that may be the Enter key
        self._has_lines = False  # the paste so far is more than one line
        self._half_break = False  # and ends with CR, which LF may follow
        self._until = 0.0

    def find(self, text: str, now: float) -> Iterator[Typed | Pasted]:
        """The parts of `text`, which was read at `now`, in seconds."""
        text, self._held = self._held + text, ""
        for stretch in _STRETCHES.finditer(text):
            if stretch["text"] and (now < self._until or _is_large(stretch["text"])):
                yield from self._paste(stretch["text"], now)
            else:
                yield from self.release()
                yield Typed(stretch.group())

    def release(self) -> Iterator[Typed]:
        """The key that waited, because something else follows."""
        held, self._held = self._held, ""
        if held:
            yield Typed(held)

    def look(self, now: float) -> Iterator[Typed]:
        """The key that waited, if it has waited long enough."""
        if now >= self._until:
            yield from self.release()

    def _paste(self, text: str, now: float) -> Iterator[Pasted]:
        if now >= self._until:
            self._has_lines = self._half_break = False
        self._until = now + TOGETHER_SECONDS
        if self._half_break:
            text = text.removeprefix("\n")
        line = text.rstrip(_LINE_BREAKS)
        self._has_lines |= any(character in line for character in _LINE_BREAKS)
        if not (line and self._has_lines):
            text, self._held = line, text[len(line) :]
        self._half_break = text.endswith("\r")
        if text:
            yield Pasted(_LINE_BREAK.sub("\n", text))


def _is_large(text: str) -> bool:
    return len(text) >= LEAST and len(set(text)) > 1  # a key that is held down repeats one character
