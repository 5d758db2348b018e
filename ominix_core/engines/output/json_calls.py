"""Calls whose arguments are written as JSON, told while they are written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ominix_core.engines.output.call_objects import ARGUMENTS, NAMES, call_in, text_in
from ominix_core.engines.output.calls import CallEvent, Calls, NotACall
from ominix_core.engines.output.json_text import JsonText, NotJson
from ominix_core.engines.output.scan import Markers

_KEY = re.compile(r"""[\s,]*(?:"([^"\\\n]*)"|'([^'\\\n]*)'|([A-Za-z_]\w*))\s*:\s*(?=\S)""")
_LONGEST_MARK = 64
_CLOSE = re.compile(r"[\s,]*\}")
# What may still become a key, or the end of the object.
_PART_OF_KEY = re.compile(
    r"""[\s,]*(?:"[^"\\\n]{0,200}(?:"\s*:?\s*)?|'[^'\\\n]{0,200}(?:'\s*:?\s*)?|\w{0,200}\s*:?\s*)"""
)


@dataclass(frozen=True)
class Head:
    """How a call begins whose name stands before its arguments.

    Attributes:
        whole: Matches it; its groups `name` and `id` are the call's.
        part: Matches what may still become one.
    """

    whole: re.Pattern[str]
    part: re.Pattern[str]


class JsonCalls:
    """Reads objects with a name and arguments, or names with an object after them.

    Args:
        ends: The markers of which each ends the section, outside of strings.
        skipped: Markers between calls that say nothing.
        head: How a call begins where its name is no part of an object.
        name: The function's name where it stands before the section, which then is the arguments alone.
    """

    def __init__(
        self,
        calls: Calls,
        ends: tuple[str, ...] = (),
        *,
        skipped: tuple[str, ...] = (),
        head: Head | None = None,
        name: str | None = None,
    ) -> None:
        self.rest: str | None = None
        self.ended_by = ""
        self._calls = calls
        self._ends = Markers(ends)
        self._skipped = Markers(skipped)
        self._stops = "".join({end[0] for end in ends})
        self._head = head
        self._text = ""
        self._place = 0
        self._raw: list[str] = []
        self._some_told = False
        self._direct = name is not None  # whether the arguments stand alone, in no object
        self._state: Callable[[], Iterator[CallEvent]] = self._between
        self._alone = name is not None
        self._name = name or ""
        self._id: str | None = None
        self._told = False  # whether the call that is being read has been told
        self._members: dict[str, str] = {}
        self._key = ""
        self._value = JsonText(told=False)
        self._pieces: list[str] = []
        if self._alone:
            self._state = self._before_arguments

    def add(self, text: str) -> Iterator[CallEvent]:
        if self._state != self._in_arguments:
            self._raw.append(text)
        self._text = self._text[self._place :] + text
        self._place = 0
        try:
            while self.rest is None and not self._calls.full:
                before = self._place, self._state
                yield from self._state()
                if (self._place, self._state) == before:
                    return
        except NotJson as error:
            raise NotACall from error

    def end(self, *, cut: bool) -> Iterator[CallEvent]:
        if self._state == self._in_arguments:
            if not cut:
                yield from self._calls.more(self._value.close())
            yield self._finish()
        elif self._state == self._between:
            left = self._text[self._place :].strip(" \t\r\n,;[]")
            if left and not self._ends.begins(left) and not self._skipped.begins(left):
                raise NotACall
        elif not self._told:
            if cut:
                raise NotACall
            yield from self._end_all()

    def untold(self) -> str:
        return "".join(self._raw)

    def _end_all(self) -> Iterator[CallEvent]:
        """The model has ended its turn, and left open what is easily closed."""
        try:
            if self._state == self._before_arguments:
                yield from self._calls.whole(self._name, "{}", self._id)
                return
            if self._state == self._in_value:
                self._pieces.append(self._value.close())
                self._keep_member()
            elif self._text[self._place :].strip(" \t\r\n,"):
                raise NotACall
            yield from self._end_object()
        except NotJson as error:
            raise NotACall from error

    # -- between calls -------------------------------------------------------------------------------------------

    def _between(self) -> Iterator[CallEvent]:
        if not self._skip():
            return
        if mark := self._ends.at(self._text, self._place):
            self._over(mark)
        elif self._text[self._place] == "{" and not self._alone:
            self._place += 1
            self._members, self._told, self._direct, self._state = {}, False, False, self._member
        elif self._head is None:
            self._no_call()
        elif match := self._head.whole.match(self._text, self._place):
            self._place = match.end()
            self._name, self._id = match["name"], match["id"]
            self._told, self._direct, self._state = False, True, self._before_arguments
        elif not self._head.part.fullmatch(self._text, self._place):
            self._no_call()
        yield from ()

    def _skip(self) -> bool:
        """Go on to what may be a call or an end; False if that is not there yet."""
        text = self._text
        while (place := self._place) < len(text):
            left = text[place : place + _LONGEST_MARK]
            if self._ends.at(text, place):
                return True
            if mark := self._skipped.at(text, place):
                self._place += len(mark)
            elif self._ends.begins(left) or self._skipped.begins(left):
                return False
            elif text[place].isspace() or text[place] in ",;[]":
                self._place += 1
            else:
                return True
        return False

    def _no_call(self) -> None:
        """Text after the calls that there were, if there were any. Raises NotACall."""
        if not self._some_told:
            raise NotACall
        self.rest = self._text[self._place :]

    def _over(self, mark: str) -> None:
        if not self._some_told:
            raise NotACall
        self.ended_by = mark
        self.rest = self._text[self._place + len(mark) :]

    def _before_arguments(self) -> Iterator[CallEvent]:
        left = self._text[self._place :].lstrip()
        self._place = len(self._text) - len(left)
        if not left or self._ends.begins(left) or self._skipped.begins(left):
            return
        if left[0] == "{":
            yield from self._start()
        elif self._ends.at(left, 0) or self._skipped.at(left, 0):
            yield from self._tell(self._name, "{}")
            self._state = self._between
        else:
            raise NotACall

    # -- a call's object -----------------------------------------------------------------------------------------

    def _member(self) -> Iterator[CallEvent]:
        left = self._text[self._place :].lstrip()
        if match := _CLOSE.match(self._text, self._place):
            self._place = match.end()
            yield from self._end_object()
        elif self._ends.at(left, 0) or (self._told and left[:1] == "{"):  # its bracket is missing
            self._place = len(self._text) - len(left)
            yield from self._end_object()
        elif match := _KEY.match(self._text, self._place):
            self._place = match.end()
            self._key = match[1] or match[2] or match[3] or ""
            name = next(filter(None, (text_in(self._members.get(key)) for key in NAMES)), None)
            if name and self._key in ARGUMENTS and not self._told and self._text[self._place] == "{":
                self._name, self._id = name, text_in(self._members.get("id"))
                yield from self._start()
            else:
                self._value, self._state = JsonText(told=False), self._in_value
        elif not self._ends.begins(left) and not _PART_OF_KEY.fullmatch(self._text, self._place):
            raise NotACall

    def _in_value(self) -> Iterator[CallEvent]:
        written, over = self._read()
        self._pieces.append(written)
        if over:
            self._keep_member()
            self._state = self._member
        yield from ()

    def _in_arguments(self) -> Iterator[CallEvent]:
        written, over = self._read()
        yield from self._calls.more(written)
        if over:
            self._state = self._between if self._direct else self._member
            yield self._finish()

    def _read(self) -> tuple[str, bool]:
        """Go on with the value that is open; whether it is over."""
        written = []
        while True:
            more, self._place = self._value.take(self._text, self._place, self._stops)
            written.append(more)
            if self._value.complete or self._place == len(self._text):
                break
            left = self._text[self._place : self._place + _LONGEST_MARK]
            if self._ends.at(left, 0):
                written.append(self._value.close())
                break
            if self._ends.begins(left):
                break
            more, self._place = self._value.force(self._text, self._place)
            written.append(more)
        return "".join(written), self._value.complete

    def _keep_member(self) -> None:
        self._members[self._key] = "".join(self._pieces)
        self._pieces.clear()

    def _start(self) -> Iterator[CallEvent]:
        self._told = self._some_told = True
        self._value = JsonText(told=True, word=self._calls.parameters.word(self._name))
        self._state = self._in_arguments
        yield self._calls.start(self._name, self._id)

    def _finish(self) -> CallEvent:
        self._forget()
        return self._calls.finish()

    def _forget(self) -> None:
        """What has been read so far is told."""
        self._raw = [self._text[self._place :]]

    def _end_object(self) -> Iterator[CallEvent]:
        if not self._told:
            name, arguments, call_id = call_in(self._members)
            yield from self._tell(name, self._object_in(arguments, name), call_id)
        self._forget()
        self._state = self._between

    def _object_in(self, text: str, name: str) -> str:
        """The JSON object that `text` is, as the parameters' types have it. Raises NotACall."""
        value = JsonText(told=False, word=self._calls.parameters.word(name))
        written, end = value.take(text)
        if not value.complete:
            written += value.close()
        if not written.startswith("{") or text[end:].strip():
            raise NotACall
        return written

    def _tell(self, name: str, arguments: str, call_id: str | None = None) -> Iterator[CallEvent]:
        self._told = self._some_told = True
        yield from self._calls.whole(name, arguments, call_id)
        self._forget()
