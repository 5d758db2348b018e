"""JSON as models write it, turned into valid JSON on the way: whatever comes in, what goes out can become JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from ominix_core.engines.output.json_string import JsonString

# What a client's parser can be expected to follow; deeper brackets are no arguments of a function.
DEEPEST = 100

_WORD = re.compile(r"""[^\s,:{}\[\]"'<\]]+""")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_LITERALS = {"true": "true", "false": "false", "null": "null", "True": "true", "False": "false", "None": "null"}
_SPACE = " \t\n\r"
_KEY = r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'"""
# What follows the last quote of a value in an object, and what may still become that. Models forget to escape quotes.
_AFTER_VALUE = re.compile(rf"\s*(?:[}}\]]|/[/*]|(?:,\s*)?(?:{_KEY})\s*:|,\s*(?:[}}\]]|[^\W\d]\w*\s*:))", re.DOTALL)
_PART_AFTER_VALUE = re.compile(
    rf"""\s*(?:/|(?:,\s*)?(?:(?:{_KEY})\s*|"(?:[^"\\]|\\.)*\\?|'(?:[^'\\]|\\.)*\\?)?|,\s*[^\W\d]\w*\s*)""", re.DOTALL
)
_LOOK_AHEAD = 200


class NotJson(ValueError):
    """What is written is no JSON, and what it should mean is not plain."""


class JsonText:
    """Reads one JSON value in pieces, and gives back the same value as valid JSON.

    Plain faults are mended: raw control characters in strings, commas too many or too few, Python's literals and
    quotes, escapes that JSON does not have, brackets that stay open. Others raise NotJson, or with `told` (which says
    that the value's beginning is out and cannot be taken back) become strings, so that nothing is lost.

    Args:
        word: May change a number or literal; it is given the key of the outermost object to which it belongs, and it.

    Attributes:
        complete: Whether the value has ended; nothing after its end is taken.
    """

    def __init__(self, *, told: bool, word: Callable[[str, str], str] | None = None) -> None:
        self.complete = False
        self._told = told
        self._change = word
        self._stack: list[str] = []
        self._want = "value"  # value, key, colon, comma
        self._string: JsonString | None = None
        self._ahead = ""  # what follows a quote of which it is not known yet whether it ends its string
        self._is_key = False
        self._new_key: list[str] = []
        self._word = ""
        self._held = ""  # a comma that counts only if something follows, and the white space after it
        self._key = ""  # of the outermost object
        self._out: list[str] = []

    def take(self, text: str, start: int = 0, stops: str = "") -> tuple[str, int]:
        """Read `text` from `start` on, up to the value's end or to one of `stops` outside of a string.

        Returns the valid JSON that this adds, and where reading ended. Raises NotJson.
        """
        if self._ahead:
            held, self._ahead = self._ahead, ""
            written, place = self.take(held + text[start:], 0, stops)
            return written, start + place - len(held)
        place = start
        while place < len(text) and not self.complete:
            if self._string is not None:
                place = self._in_string(self._string, text, place, stops)
            elif text[place] in stops:
                break
            else:
                place = self._outside(text, place)
        return self._written(), place

    def force(self, text: str, place: int) -> tuple[str, int]:
        """Read the one character at which `take` has stopped. Raises NotJson."""
        self._add_to_word(text[place])
        return self._written(), place + 1

    def close(self) -> str:
        """The value is over, whatever is open: what makes it valid JSON. Raises NotJson."""
        written = ""
        while self._string is not None:
            self._end_string(self._string)
            held, self._ahead = self._ahead, ""
            written += self.take(held)[0]
        self._end_word()
        if self._want == "colon":
            self._out.append(": null")
        elif self._want == "value" and (not self._stack or self._stack[-1] == "}"):
            self._out.append("null" if not self._held else self._let_go() + "null")
        self._out += reversed(self._stack)
        self._stack.clear()
        self.complete = True
        return written + self._written()

    def _written(self) -> str:
        written = "".join(self._out)
        self._out.clear()
        return written

    # -- between strings -----------------------------------------------------------------------------------------

    def _outside(self, text: str, place: int) -> int:
        char = text[place]
        if self._word:
            # a word of several, such as New York, ends with its line or at the next mark
            if char in ",:{}[]\"'\n" or (char.isspace() and self._is_whole(self._word)):
                self._end_word()
                return place
            return self._more_word(text, place)
        if char in _SPACE:
            self._space(char)
        elif char in "\"'":
            self._begin_string(char)
        elif char in "{[":
            self._open(char)
        elif char in "}]":
            self._shut(char)
        elif char == ",":
            self._comma()
        elif char == ":":
            self._colon()
        elif char.isspace():
            self._space(" ")
        else:
            return self._more_word(text, place)
        return place + 1

    def _space(self, char: str) -> None:
        if self._held:
            self._held += char
        elif self._stack:
            self._out.append(char)

    def _more_word(self, text: str, place: int) -> int:
        match = _WORD.match(text, place)
        end = match.end() if match else place + 1
        self._add_to_word(text[place:end])
        return end

    def _add_to_word(self, chars: str) -> None:
        if not self._word:
            self._before()
        self._word += chars

    @staticmethod
    def _is_whole(word: str) -> bool:
        return word in _LITERALS or _NUMBER.fullmatch(word) is not None

    def _next_member(self) -> None:
        """Where a comma is missing, it is as if it were there."""
        if self._want == "comma":
            self._held = ", "
            self._want = "key" if self._stack[-1] == "}" else "value"

    def _before(self) -> None:
        """Something begins: a key, or a value."""
        self._next_member()
        if self._want == "colon":
            self._unplain()
            self._out.append(": ")
            self._want = "value"
        self._out.append(self._let_go())

    def _let_go(self) -> str:
        held, self._held = self._held, ""
        return held

    def _unplain(self) -> None:
        """What follows is not JSON, but what it means is guessed where there is no way back."""
        if not self._told:
            raise NotJson

    def _open(self, bracket: str) -> None:
        self._next_member()
        if self._want == "key" or len(self._stack) >= DEEPEST:
            self._unplain()
            return
        self._before()
        self._stack.append("}" if bracket == "{" else "]")
        self._out.append(bracket)
        self._want = "key" if bracket == "{" else "value"

    def _shut(self, bracket: str) -> None:
        if bracket not in self._stack:
            self._unplain()
            return
        while True:
            self._before_end()
            closed = self._stack.pop()
            self._out.append(closed)
            self._after_value()
            if closed == bracket:
                return
            self._unplain()

    def _before_end(self) -> None:
        if self._want == "colon":
            self._unplain()
            self._out.append(": null")
        elif self._want == "value" and self._stack[-1] == "}":
            self._unplain()
            self._out.append("null")
        self._out.append(self._let_go().replace(",", ""))

    def _after_value(self) -> None:
        self._want = "comma"
        self.complete = not self._stack

    def _comma(self) -> None:
        if self._want == "comma":
            self._held = ","
            self._want = "key" if self._stack[-1] == "}" else "value"
        elif self._want == "value" and self._stack and self._stack[-1] == "}":  # {"a":,
            self._unplain()
            self._out.append("null")
            self._after_value()
            self._comma()
        elif not self._held:
            self._unplain()

    def _colon(self) -> None:
        if self._want == "colon":
            self._out.append(":")
            self._want = "value"
        else:
            self._unplain()

    def _end_word(self) -> None:
        if not (word := self._word.rstrip()):
            return
        self._word = ""
        if self._want == "key":
            if len(self._stack) == 1:
                self._key = word
            self._out.append(json.dumps(word, ensure_ascii=False))
            self._want = "colon"
            return
        if self._is_whole(word):
            word = _LITERALS.get(word, word)
            self._out.append(self._change(self._key, word) if self._change and len(self._stack) == 1 else word)
        else:
            self._unplain()
            self._out.append(json.dumps(word, ensure_ascii=False))
        self._after_value()

    # -- strings -------------------------------------------------------------------------------------------------

    def _begin_string(self, quote: str) -> None:
        self._before()
        self._is_key = self._want == "key"
        self._string = JsonString(quote)
        self._out.append('"')

    def _in_string(self, string: JsonString, text: str, place: int, stops: str) -> int:
        if not string.at_quote:
            begin = len(self._out)
            place = string.take(text, place, self._out)
            if self._is_key and len(self._stack) == 1:
                self._new_key += self._out[begin:]
        if string.at_quote:
            ends = self._is_last(text[place : place + _LOOK_AHEAD], stops)
            if ends:
                self._end_string(string)
            elif ends is None:
                self._ahead = text[place:]
                return len(text)
            else:
                string.keep_quote(self._out)
        return place

    def _is_last(self, following: str, stops: str) -> bool | None:
        """Whether a quote with this after it is the last of its string; None if that is still open."""
        if self._is_key or self._stack[-1:] != ["}"] or _AFTER_VALUE.match(following):
            return True
        if following.lstrip()[:1] in tuple(stops):
            return True
        if _PART_AFTER_VALUE.fullmatch(following):
            return None if len(following) < _LOOK_AHEAD else True
        return False

    def _end_string(self, string: JsonString) -> None:
        begin = len(self._out)
        string.close(self._out)
        self._string = None
        if self._is_key:
            if len(self._stack) == 1:
                self._new_key += self._out[begin:]
            self._key = "".join(self._new_key)[:-1]
            self._new_key.clear()
            self._want = "colon"
        else:
            self._after_value()
