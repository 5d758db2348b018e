"""Calls that are written in notations of their own: Python's, Gemma's, and what mlx-lm alone can read."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ominix_core.engines.output.calls import CallEvent, Calls, NotACall
from ominix_core.engines.output.scan import Markers
from ominix_core.engines.output.values import is_json

Parsed = list[tuple[str, dict[str, Any], str | None]]
"""Names, arguments and ids of calls."""


class QuotedCalls:
    """Reads calls that can be told only at the end of their section, which a marker in a quoted string does not end.

    Args:
        quotes: What begins and ends strings.
        escapes: Whether a backslash makes a quote part of its string.
        begins: Matches how a section of calls may begin, as far as it is there.
        parse: The calls in a section's text. Raises ValueError if it holds none.
    """

    def __init__(
        self,
        calls: Calls,
        end: str,
        *,
        parse: Callable[[str], Parsed],
        quotes: Sequence[str] = (),
        escapes: bool = False,
        begins: re.Pattern[str] | None = None,
    ) -> None:
        self.rest: str | None = None
        self.ended_by = ""
        self._calls = calls
        self._end = end
        self._parse = parse
        self._begins = begins
        escape = ["\\"] if escapes else []
        self._outside = Markers([end, *quotes])
        self._inside = {quote: Markers([quote, *escape]) for quote in quotes}
        self._quote = ""
        self._escaped = False
        self._pieces: list[str] = []
        self._length = 0
        self._tail = ""

    def add(self, text: str) -> Iterator[CallEvent]:
        buffer, place = self._tail + text, 0
        self._tail = ""
        while place < len(buffer):
            if self._escaped:
                self._escaped, start = False, place + 1
                self._keep(buffer[place:start])
                place = start
                continue
            markers = self._inside.get(self._quote, self._outside)
            match = markers.find(buffer, place)
            if match is None:
                held = markers.held(buffer[place:])
                self._keep(buffer[place : len(buffer) - held])
                self._tail = buffer[len(buffer) - held :]
                break
            if match.group() == self._end and not self._quote:
                self._keep(buffer[place : match.start()])
                self.rest, self.ended_by = buffer[match.end() :], self._end
                yield from self._tell(allow_rest=False)
                return
            self._keep(buffer[place : match.end()])
            place = match.end()
            self._pass(match.group())
        if self._begins is not None and not self._begins.match("".join(self._pieces) + self._tail):
            raise NotACall
        if self._length > _LONGEST_BEGINNING:
            self._begins = None  # it has begun as one

    def end(self, *, cut: bool) -> Iterator[CallEvent]:
        self._keep(self._tail)
        self._tail = ""
        if cut:
            raise NotACall
        yield from self._tell(allow_rest=True)

    def untold(self) -> str:
        read = "".join(self._pieces) + self._tail
        return read if self.rest is None else read + self._end + self.rest

    def _keep(self, text: str) -> None:
        self._pieces.append(text)
        self._length += len(text)

    def _pass(self, mark: str) -> None:
        if mark == "\\" and self._quote:
            self._escaped = True
        else:
            self._quote = "" if self._quote else mark

    def _tell(self, *, allow_rest: bool) -> Iterator[CallEvent]:
        text = "".join(self._pieces)
        after = ""
        try:
            found = self._parse(text)
        except ValueError as error:
            before, mark, after = text.partition(self._end) if self._end else (text, "", "")
            if not allow_rest or not mark:
                raise NotACall from error
            found = self._parse_again(before)
        if not found or not all(name and is_json(arguments) for name, arguments, _ in found):
            raise NotACall
        if allow_rest:
            self.rest = after
        for name, arguments, call_id in found:
            yield from self._calls.whole(name, arguments, call_id)

    def _parse_again(self, text: str) -> Parsed:
        """A quote is missing, so that the marker seemed to be in a string."""
        try:
            return self._parse(text)
        except ValueError as error:
            raise NotACall from error


_LONGEST_BEGINNING = 200


# -- Python: [weather(city="Rome", days=2), clock()] -----------------------------------------------------------------

PYTHON_BEGINS = re.compile(r"\s*(?:\[\s*)?(?:[\w.]*|[\w.]+\s*\(.*)\Z", re.DOTALL)
_STRING = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'""", re.DOTALL)
_CONSTANTS = {"true": True, "false": False, "null": None}


class _JsonConstants(ast.NodeTransformer):
    """Templates show values as JSON, so models write true, false and null among Python."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Constant(_CONSTANTS[node.id]) if node.id in _CONSTANTS else node


def parse_python(text: str) -> Parsed:
    """Calls of functions with named arguments, alone or in a list. Raises ValueError."""
    source = _STRING.sub(lambda match: match.group().replace("\n", "\\n").replace("\r", "\\r"), text.strip())
    try:
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(source, mode="eval").body
            nodes = tree.elts if isinstance(tree, ast.List | ast.Tuple) else [tree]
            return [_python_call(node) for node in nodes]
    except (SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise ValueError(str(error)) from error


def _python_call(node: ast.expr) -> tuple[str, dict[str, Any], str | None]:
    if not isinstance(node, ast.Call) or node.args:
        raise ValueError("no call with named arguments")
    arguments = {}
    for keyword in node.keywords:
        if keyword.arg is None:
            raise ValueError("no call with named arguments")
        arguments[keyword.arg] = ast.literal_eval(_JsonConstants().visit(keyword.value))
    return ast.unparse(node.func), arguments, None


# -- Gemma: call:weather{city:<|"|>Rome<|"|>,days:2} -----------------------------------------------------------------

GEMMA_BEGINS = re.compile(r"\s*(?:c|ca|cal|call|call:.*)?\Z", re.DOTALL)
_GEMMA_NAME = re.compile(r"\s*call:\s*([\w.:/-]+)\s*(?=\{)")
_GEMMA_KEY = re.compile(r"\s*,?\s*([^\s:,{}\[\]]+)\s*:\s*")
_GEMMA_WORD = re.compile(r"[^,{}\[\]]*")
_GEMMA_SPACE = re.compile(r"[\s,]*")


def gemma_parser(quote: str) -> Callable[[str], Parsed]:
    """Reads calls whose strings stand between two of `quote`; raises ValueError."""

    def parse(text: str) -> Parsed:
        found: Parsed = []
        place = 0
        while (match := _GEMMA_NAME.match(text, place)) is not None:
            arguments, place = _gemma_value(text, match.end(), quote, 0)
            found.append((match[1], arguments, None))
            place = _skip_space(text, place)
        if not found or text[place:].strip():
            raise ValueError("no call")
        return found

    return parse


def _skip_space(text: str, place: int) -> int:
    match = _GEMMA_SPACE.match(text, place)
    return match.end() if match else place


def _gemma_value(text: str, place: int, quote: str, depth: int) -> tuple[Any, int]:
    """The value at `place`, and where it ends."""
    if depth > 50:
        raise ValueError("too deep")
    if text.startswith(quote, place):
        end = text.index(quote, place + len(quote))
        return text[place + len(quote) : end], end + len(quote)
    if text.startswith("{", place):
        return _gemma_object(text, place + 1, quote, depth)
    if text.startswith("[", place):
        items = []
        place = _skip_space(text, place + 1)
        while not text.startswith("]", place):
            item, place = _gemma_value(text, place, quote, depth + 1)
            items.append(item)
            place = _skip_space(text, place)
        return items, place + 1
    word = _GEMMA_WORD.match(text, place)
    if word is None or not word.group():
        raise ValueError("no value")
    return _gemma_word(word.group().strip()), word.end()


def _gemma_object(text: str, place: int, quote: str, depth: int) -> tuple[dict[str, Any], int]:
    members = {}
    place = _skip_space(text, place)
    while not text.startswith("}", place):
        key = _GEMMA_KEY.match(text, place)
        if key is None:
            raise ValueError("no key")
        members[key[1].replace(quote, "").strip("\"'")], place = _gemma_value(text, key.end(), quote, depth + 1)
        place = _skip_space(text, place)
    return members, place + 1


def _gemma_word(word: str) -> Any:
    try:
        return json.loads(word)
    except ValueError:
        return {"True": True, "False": False, "None": None}.get(word, word)


# -- what mlx-lm reads ------------------------------------------------------------------------------------------------


def foreign_parser(parse: Callable[..., Any], tools: list[dict[str, Any]]) -> Callable[[str], Parsed]:
    """Reads calls with a parser of mlx-lm's that is not known here; raises ValueError."""

    def read(text: str) -> Parsed:
        try:
            found = parse(text, tools)
            calls = found if isinstance(found, list) else [found]
            return [(call["name"], call.get("arguments") or {}, call.get("id")) for call in calls]
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise ValueError(str(error)) from error

    return read
