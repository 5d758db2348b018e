"""What comes from a terminal, told apart: text, keys and mouse reports, pastes, and replies, which are dropped."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

WAIT_SECONDS = 2.0
"""How long a sequence that has begun may wait for more of itself. Over a bad line its parts come far apart."""
PASTE_WAIT_SECONDS = 5.0
"""The same for a bracketed paste, whose text is not lost then."""
LATE_SECONDS = 1.0
"""So long after an Escape that has acted as a key, what looks like the rest of a reply is one."""

_ESC = "\x1b"
_KEYS = (_ESC, "\x1bO")
"""Beginnings of sequences that are keys by themselves, too."""
_PASTE_BEGINS, _PASTE_ENDS = "\x1b[200~", "\x1b[201~"
_TEXT = re.compile(r"[^\x1b]+")
_NO_UTF8 = re.compile("[\udc80-\udcff]")

# The sequences of ECMA-48, and what terminals send beside them.
_SEQUENCE = re.compile(
    r"""\x1b(?:
    \[\[[A-E]              |  # function keys of the Linux console
    \[\d+\$                |  # rxvt's keys with Shift; a mode's report has more than one number before its "$"
    \[(?!\[)[0-?]*[ -/]*[@-~] |  # CSI
    O[0-9;]*[@-~]          |  # SS3
    [PX\]^_]               |  # the beginning of a string: DCS, SOS, OSC, PM, APC
    [^\[OPX\]^_\x1b]          # Alt and a key
    )""",
    re.VERBOSE,
)
_BEGUN = re.compile(r"\x1b(?:\[\[?[0-?]*[ -/]*|O[0-9;]*)?")
_X10_MOUSE = "\x1b[M"
_X10_BYTES = 3
_STRING_ENDS = re.compile("[\x00-\x1f\x9c]")
_ENDINGS = "\x07\x18\x1a\x9c"
"""BEL, CAN, SUB, ST: what ends a string and means nothing else."""
_TERMINATOR = "\x1b\\"
# What follows the Escape of a reply, where that came so early that it has been taken for the key.
_LATE_REPLY = re.compile(r"\[(?:[<=>?]\d|\d+;\d)|\]\d+;|_G|P[\d>!]")
_IN_A_PASTE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[PX\]^_][^\x00-\x1f]*(?:\x07|\x1b\\))?|[\x00\udc80-\udcff]")


@dataclass(frozen=True, slots=True)
class Typed:
    """Characters as they come from keys that need no sequence, and from pastes that are not bracketed."""

    text: str


@dataclass(frozen=True, slots=True)
class Pasted:
    """Text from the clipboard."""

    text: str


@dataclass(frozen=True, slots=True)
class Sequence:
    """A whole control sequence that begins with Escape: a key, a mouse report, or a reply; Escape alone is the key."""

    text: str


Part = Typed | Pasted | Sequence


class InputScanner:
    """Cuts the stream of a terminal into parts, wherever its reads begin and end.

    Replies that are strings (OSC, DCS, APC, PM, SOS) end here. A sequence that has begun waits for its end and is
    dropped if that never comes: it is never typed.

    Args:
        escape_seconds: After this time without more, an Escape is the key and not the beginning of a sequence.
    """

    def __init__(self, escape_seconds: float) -> None:
        self._escape_seconds = escape_seconds
        self._rest = ""  # what may be the beginning of a sequence
        self._in_string = False
        self._paste: str | None = None
        self._last = 0.0
        self._late_until = 0.0

    def scan(self, data: str, now: float) -> Iterator[Part]:
        """The parts that are whole with `data`, which was read at `now`, in seconds."""
        if now < self._late_until and _LATE_REPLY.match(data):
            self._rest = _ESC
        self._late_until, self._last = 0.0, now
        data, self._rest = self._rest + data, ""
        while data:
            if self._paste is not None:
                data, parts = self._read_paste(data)
            elif self._in_string:
                data, parts = self._read_string(data), []
            else:
                data, parts = self._read(data)
            yield from parts

    def look(self, now: float) -> Iterator[Part]:
        """What becomes of what has begun, now that nothing waits to be read."""
        waited = now - self._last
        if self._paste is not None:
            if waited >= PASTE_WAIT_SECONDS:
                paste, self._paste = self._paste, None
                yield Pasted(_IN_A_PASTE.sub("", paste))
        elif waited >= WAIT_SECONDS:
            self._in_string, self._rest = False, ""
        elif waited >= self._escape_seconds and self._rest in _KEYS and not self._in_string:
            key, self._rest = self._rest, ""
            self._late_until = now + LATE_SECONDS
            yield Sequence(key)

    def _read(self, data: str) -> tuple[str, list[Part]]:
        """Take one part off the data; what remains of it, and the part."""
        if text := _TEXT.match(data):
            typed = _NO_UTF8.sub("", text.group())
            return data[text.end() :], [Typed(typed)] if typed else []
        if data.startswith(_X10_MOUSE):
            return self._drop_x10_mouse(data), []
        found = _SEQUENCE.match(data)
        if found is None:
            return self._read_begun(data)
        sequence, data = found.group(), data[found.end() :]
        if sequence == _PASTE_BEGINS:
            self._paste = ""
        elif sequence[1] in "PX]^_":
            self._in_string = True
        elif sequence not in (_PASTE_ENDS, _TERMINATOR):
            return data, [Sequence(sequence)]
        return data, []

    def _read_begun(self, data: str) -> tuple[str, list[Part]]:
        """Keep what has begun. If it cannot go on like this, drop it, but for an Escape before something else."""
        begun = _BEGUN.match(data)
        assert begun is not None
        rest = data[begun.end() :]
        if not rest:
            self._rest = data
        return rest, [Sequence(begun.group())] if rest and begun.group() in _KEYS else []

    def _drop_x10_mouse(self, data: str) -> str:
        """Three bytes follow, which need not be UTF-8, or may look like it. Nothing here hears of such reports."""
        size = 0
        for end, character in enumerate(data[len(_X10_MOUSE) :], len(_X10_MOUSE) + 1):
            size += len(character.encode("utf-8", "surrogateescape"))
            if size >= _X10_BYTES:
                return data[end:]
        self._rest = data
        return ""

    def _read_string(self, data: str) -> str:
        end = _STRING_ENDS.search(data)
        if end is None:
            return ""
        if data[end.start() :] == _ESC:  # its terminator, most likely
            self._rest = _ESC
            return ""
        self._in_string = False
        if data[end.start()] in _ENDINGS:
            return data[end.end() :]
        return data[end.start() :].removeprefix(_TERMINATOR)  # any other control character breaks the string off

    def _read_paste(self, data: str) -> tuple[str, list[Part]]:
        assert self._paste is not None
        before = len(self._paste)
        self._paste += data
        end = self._paste.find(_PASTE_ENDS, max(0, before - len(_PASTE_ENDS)))
        if end < 0:
            return "", []
        text, rest = self._paste[:end], self._paste[end + len(_PASTE_ENDS) :]
        self._paste = None
        return rest, [Pasted(_IN_A_PASTE.sub("", text))]
