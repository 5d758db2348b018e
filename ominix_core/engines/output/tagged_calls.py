"""Calls whose arguments stand between tags, where a value is whatever comes before the tags that end it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ominix_core.engines.output.calls import CallEvent, Calls, NotACall
from ominix_core.engines.output.scan import Markers
from ominix_core.engines.output.tagged_value import TaggedValue
from ominix_core.engines.output.values import Kinds, value_of

_NAME = re.compile(r"\s*[\w.:/-]*\s*")
_CDATA = re.compile(r"\s*<!\[CDATA\[(.*)\]\]>\s*", re.DOTALL)
_LONGEST_TAG = 300


@dataclass(frozen=True)
class Tags:
    """The tags of a form.

    Attributes:
        pattern: Matches each of them, by groups: `B` and `b` begin and end the calls, `C` and `c` a call (its `name`),
            `P` and `p` a parameter (its `key`, and as `text` whether it is text: "true", "string", "false" or a type),
            `K` and `k` a key that stands between tags of its own, before `P`.
        opens: What a tag begins with.
        closes: What each tag ends with.
        guess: Whether values of parameters that the schema does not know are JSON if they can be.
        named_by_text: Whether the function's name stands after `B`, without a tag.
        wrapped: Whether there are `B` and `b`.
    """

    pattern: re.Pattern[str]
    opens: tuple[str, ...] = ("<",)
    closes: str = ">"
    guess: bool = False
    named_by_text: bool = False
    wrapped: bool = True


class TaggedCalls:
    """Reads calls between tags; each is told when it is whole.

    A closing tag counts where only white space and other tags stand between it and the end of the call, or the next
    parameter: the same letters elsewhere in a value are part of it. The tags that a model forgets are as if they were
    there, as soon as what follows leaves no doubt.
    """

    def __init__(self, calls: Calls, tags: Tags) -> None:
        self.rest: str | None = None
        self.ended_by = ""
        self._calls = calls
        self._tags = tags
        self._openings = Markers(tags.opens)
        self._tail = ""  # it may become a tag
        self._gap: list[str] = []  # the text since the last tag
        self._raw: list[str] = []  # what has been read since the last call that was told
        self._name = ""
        self._begun = False  # whether the marker before the calls has come
        self._open = False  # whether a call is open
        self._some_told = False
        self._arguments: dict[str, Any] = {}
        self._key = ""  # what has been read between the tags of a key
        self._value: TaggedValue | None = None

    def add(self, text: str) -> Iterator[CallEvent]:
        buffer, self._tail = self._tail + text, ""
        place, safe = 0, self._safe(buffer)
        for match in self._tags.pattern.finditer(buffer, 0, safe):
            self._gap.append(buffer[place : match.start()])
            place = match.end()
            self._tail = buffer[place:]  # is read next, or never if this is no call
            yield from self._tag(match)
            if self.rest is not None:
                self.rest, self._tail = buffer[place:], ""
                self.ended_by = match.group() if self._begun or not self._tags.wrapped else ""
                return
            if self._calls.full:
                return
        self._tail = buffer[safe:]
        self._gap.append(buffer[place:safe])
        if not self._open:
            self._check_gap()
        elif self._value is None and not self._tags.named_by_text:
            self._check_body()

    def end(self, *, cut: bool) -> Iterator[CallEvent]:
        self._gap.append(self._tail)
        self._tail = ""
        value, after = self._value, ""
        if value is not None:
            gap = self._take_gap()
            if gap.strip() or not value.chain:
                value.add(gap)
            if cut and not set(value.kinds) & {"c", "b"}:
                raise NotACall
            if not value.chain and value.may_have_ended:
                after = value.cut_at_weak_end()
            self._close_value()
            yield from self._close_call()
        elif self._open:
            if cut or self._wrapped != self._tags.wrapped:
                raise NotACall
            if (body := "".join(self._gap)).strip():
                self._read_body(body)
            yield from self._close_call()
        elif self._tags.named_by_text and not self._some_told and not cut:
            self._open_call("".join(self._gap))
            yield from self._close_call()
        elif "".join(self._gap).strip():
            raise NotACall
        self.rest = after

    def untold(self) -> str:
        return "".join([*self._raw, *self._gap, self._tail])

    def _safe(self, buffer: str) -> int:
        """Up to where `buffer` holds whole tags only."""
        start = max(0, len(buffer) - _LONGEST_TAG)
        place = max(buffer.rfind(opens, start) for opens in self._tags.opens)
        if place >= 0 and buffer.find(self._tags.closes, place) < 0:
            return place
        return len(buffer) - self._openings.held(buffer)

    def _take_gap(self) -> str:
        gap = "".join(self._gap)
        self._gap.clear()
        if self._value is not None:
            self._raw.append(gap)
        return gap

    def _check_gap(self) -> None:
        """Outside of calls nothing but a name can stand. Raises NotACall as soon as something does."""
        self._gap = [gap := "".join(self._gap)]
        if gap.strip() and not (self._tags.named_by_text and _NAME.fullmatch(gap)):
            raise NotACall

    def _check_body(self) -> None:
        """In a call, but in no parameter, only JSON can stand. Raises NotACall as soon as something else does."""
        body = next((text.lstrip() for text in self._gap if text.strip()), "{")
        if not body.startswith("{"):
            raise NotACall

    @property
    def _wrapped(self) -> bool:
        """Whether a marker ends the calls, as one has begun them."""
        return self._tags.wrapped and self._begun

    # -- tags ----------------------------------------------------------------------------------------------------

    def _tag(self, match: re.Match[str]) -> Iterator[CallEvent]:
        kind = match.lastgroup or ""
        if self._value is not None:
            yield from self._in_value(kind, match, self._value)
            return
        gap = self._take_gap()
        self._raw += [gap, match.group()]
        if kind == "k" and self._open:
            self._key = gap.strip()
        elif self._open:
            yield from self._in_call(kind, match, gap)
        else:
            yield from self._between(kind, match, gap)

    def _between(self, kind: str, match: re.Match[str], gap: str) -> Iterator[CallEvent]:
        """A tag where no call is open."""
        if self._tags.named_by_text and gap.strip() and kind in "Kb":
            self._open_call(gap)
            yield from self._in_call(kind, match, "")
        elif gap.strip() or kind not in "BbC":
            raise NotACall
        elif kind == "B":
            self._begun = True
        elif kind == "C":
            self._open_call(match["name"].strip().strip("\"'"))
            if not self._begun and self._tags.wrapped and self._name not in self._calls.parameters:
                raise NotACall  # without a marker before it, it may be an example
        elif kind == "b":
            self._over()

    def _in_call(self, kind: str, match: re.Match[str], gap: str) -> Iterator[CallEvent]:
        """A tag where a call is open, but none of its parameters."""
        if gap.strip():
            if kind not in "cbC":
                raise NotACall
            self._read_body(gap)
        if kind == "P":
            self._open_value(match)
        elif kind in "cbC":
            yield from self._close_call()
            if kind == "C":
                self._open_call(match["name"].strip().strip("\"'"))
            elif kind == "b" or not self._wrapped:
                self._over()

    def _in_value(self, kind: str, match: re.Match[str], value: TaggedValue) -> Iterator[CallEvent]:
        """A tag within a value, unless it ends it."""
        gap, tag = self._take_gap(), match.group()
        self._raw.append(tag)
        if gap.strip() or not value.chain:
            value.add(gap)
            gap = ""
        chain = value.kinds
        if chain + kind in _CHAINS:
            value.chain.append((kind, gap + tag))
            yield from self._judge(chain + kind, value)
        elif kind == "C" and chain:
            self._close_value()
            yield from self._close_call()
            self._open_call(match["name"].strip().strip("\"'"))
        elif kind in "PK" and chain == "p":
            self._close_value()
            if kind == "P":
                self._open_value(match)
        else:
            value.add(gap)
            if kind in "pcb":
                value.chain.append((kind, tag))
            else:
                value.note_tag(kind, match.groupdict().get("key"), self._may_begin)
                value.add(tag)

    def _judge(self, chain: str, value: TaggedValue) -> Iterator[CallEvent]:
        """Whether these closing tags end the call, or may have done so."""
        wrapped = self._wrapped
        if chain in ("pcb", "pb") or (chain == "pc" and not wrapped):
            self._close_value()
            yield from self._close_call()
            self._over()
        elif chain in ("cb", "b") or (chain == "c" and not wrapped):
            value.note_weak_end()

    def _may_begin(self, key: str) -> bool:
        """Whether a parameter can begin that the one before it has not made room for."""
        return key not in self._arguments and key in self._calls.parameters.kinds(self._name)

    # -- parts of a call -----------------------------------------------------------------------------------------

    def _open_call(self, name: str) -> None:
        self._name, self._open = name.strip(), True
        if not _NAME.fullmatch(self._name):
            raise NotACall
        self._arguments, self._key = {}, ""

    def _open_value(self, match: re.Match[str]) -> None:
        groups = match.groupdict()
        key = groups.get("key") or self._key
        self._value = TaggedValue(key.strip().strip("\"'"), groups.get("text") or "")

    def _close_value(self) -> None:
        assert self._value is not None
        kinds = self._calls.parameters.kinds(self._name)
        for key, text in self._value.values():
            value = self._read(text, kinds.get(key, frozenset()), self._value.kind)
            if not key and isinstance(value, dict):  # all arguments in one
                self._arguments |= value
            else:
                self._arguments[key] = value
        self._value = None

    def _read(self, text: str, kinds: Kinds, said: str) -> Any:
        if (cdata := _CDATA.fullmatch(text)) is not None:
            text = cdata[1]
        elif text.startswith("\n"):  # the layout's own lines
            text = text[1:].removesuffix("\n")
        if said in ("true", "string"):
            return text
        return value_of(text, kinds, guess=self._tags.guess or bool(said))

    def _read_body(self, text: str) -> None:
        """JSON in place of parameters. Raises NotACall if the text is something else."""
        try:
            body = json.loads(text, strict=False)
        except (ValueError, RecursionError) as error:
            raise NotACall from error
        if self._arguments or not isinstance(body, dict):
            raise NotACall
        self._arguments = body

    def _close_call(self) -> Iterator[CallEvent]:
        self._open = False
        yield from self._calls.whole(self._name, self._arguments)
        self._some_told = True
        self._raw.clear()

    def _over(self) -> None:
        if not self._some_told:
            raise NotACall
        self.rest = ""


_CHAINS = frozenset(["p", "pc", "pcb", "pb", "c", "cb", "b", "cbB", "bB"])
