"""A string of JSON as models write it, turned into a valid one on the way."""

from __future__ import annotations

import json
import re

_PLAIN = {'"': re.compile(r'[^"\\\x00-\x1f]+'), "'": re.compile(r"[^'\"\\\x00-\x1f]+")}
_UNICODE = re.compile(r"\\u[0-9a-fA-F]{4}")
_PART_OF_UNICODE = re.compile(r"\\u[0-9a-fA-F]{0,3}")


class JsonString:
    """Reads one string after its first quote: raw control characters, foreign escapes and half characters are mended.

    Attributes:
        at_quote: Whether a quote has just come that may be its last: `close` it then, or `keep_quote`.
        ended: Whether its last quote has come.
    """

    def __init__(self, quote: str) -> None:
        self.at_quote = self.ended = False
        self._quote = quote
        self._escape = ""  # an escape that has begun
        self._high = ""  # a high surrogate, which means something only with the low one after it

    def take(self, text: str, place: int, out: list[str]) -> int:
        """Read more of the string, which goes to `out` as valid JSON; returns where reading ended."""
        while place < len(text) and not self.at_quote:
            if self._escape:
                place = self._in_escape(text, place, out)
            elif (run := _PLAIN[self._quote].match(text, place)) is not None:
                self._put(run.group(), out)
                place = run.end()
            else:
                self._other(text[place], out)
                place += 1
        return place

    def close(self, out: list[str]) -> None:
        """The string is over, with its last quote or without it."""
        if self._escape:
            self._put("\\\\" + self._escape[1:], out)
        self._put('"', out)
        self.at_quote, self.ended = False, True

    def keep_quote(self, out: list[str]) -> None:
        """The quote is part of the string."""
        self._put('\\"' if self._quote == '"' else self._quote, out)
        self.at_quote = False

    def _other(self, char: str, out: list[str]) -> None:
        if char == self._quote:
            self.at_quote = True
        elif char == "\\":
            self._escape = char
        elif char == '"':
            self._put('\\"', out)
        else:
            self._put(json.dumps(char)[1:-1], out)

    def _in_escape(self, text: str, place: int, out: list[str]) -> int:
        escape = self._escape + text[place]
        if _PART_OF_UNICODE.fullmatch(escape):
            self._escape = escape
            return place + 1
        self._escape = ""
        if _UNICODE.fullmatch(escape):
            self._unicode(escape, out)
        elif escape.startswith("\\u"):  # as in C:\users; its last character is none of the escape
            self._put("\\" + escape[:-1], out)
            return place
        elif escape[1] in '"\\/bfnrt':
            self._put(escape, out)
        elif escape[1] == "'":
            self._put("'", out)
        else:  # as in the regular expression \d
            self._put("\\\\", out)
            return place
        return place + 1

    def _unicode(self, escape: str, out: list[str]) -> None:
        code = int(escape[2:], 16)
        if 0xD800 <= code < 0xDC00:
            self._put("", out)
            self._high = escape
        elif 0xDC00 <= code < 0xE000:
            high, self._high = self._high, ""
            self._put(high + escape if high else "\\ufffd", out)
        else:
            self._put(escape, out)

    def _put(self, chars: str, out: list[str]) -> None:
        if self._high:  # half a character
            out.append("\\ufffd")
            self._high = ""
        out.append(chars)
