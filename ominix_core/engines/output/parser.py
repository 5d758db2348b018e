"""The parser of answers: it knows at each place whether that is a thought, text for the user, a header or a call."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator

from ominix_core.engines.output.calls import Calls, CallSection, NotACall
from ominix_core.engines.output.headers import END, is_header, may_be_header, read_header
from ominix_core.engines.output.json_calls import JsonCalls
from ominix_core.engines.output.markup import Markup
from ominix_core.engines.output.scan import Markers
from ominix_core.generation import GenerationEvent, ReasoningDelta, TextDelta, TextRequest

Reading = Generator[GenerationEvent, None, str]
"""Events, and then the text that is still to be read."""

# An answer that so often seems to begin a call and does not is about markers; they are text from there on.
MOST_MISTAKES = 64
# Between two messages for the same reader.
_BREAK = "\n\n"


class OutputParser:
    """Turns what a model writes, in pieces of any size, into events; how it is cut changes nothing in their sum.

    Only the markers of the place where the answer is mean anything: in a thought its end, in a text the beginning of
    a thought or call, in a call what ends it outside of strings and values. What begins like a call but is none is
    text, markers included.

    Args:
        in_thought: Whether the prompt has opened a thought.
    """

    def __init__(self, markup: Markup, request: TextRequest, *, in_thought: bool = False) -> None:
        self.calls = Calls(request)
        self.complete = False
        self._form = markup.form if self.calls.tools else None
        self._thinking = markup.thinking
        self._channels = channels = markup.channels
        self._named_calls = channels is not None and channels.named_calls and bool(self.calls.tools)
        thought = [markup.thinking.start, markup.thinking.end] if markup.thinking else []
        call = [*self._form.openings, self._form.end] if self._form else []
        self._channel_marks = (*channels.starts, *channels.ends, *channels.finals) if channels else ()
        self._in_text = Markers([*thought, *call, *markup.frames, *self._channel_marks])
        self._in_thought = Markers([*thought[1:], *self._channel_marks])
        self._state: Callable[[str], Reading] = self._text
        if channels is not None:
            self._state = self._header
        elif in_thought:
            self._state = self._thought
        self._tail = ""  # what may become a marker
        self._section: CallSection | None = None
        self._mark = ""  # what has opened the section, and is text if it holds no call
        self._made_before = 0
        self._mistakes = 0
        self._at_start = True  # whether nothing but thoughts and calls has been written
        self._bare = self._form is not None and self._form.bare  # whether a bracket may open a call now
        self._mentioned = 0  # beginnings of thoughts that are text, each of which may have its end
        self._loose_end = False  # whether the end of a section whose rest was text may still come
        self._said: set[type] = set()
        self._breaks: set[type] = set()
        self._may_call = self._form is not None or self._named_calls
        self._blank = True  # whether no text has been written since the beginning, or since the last call
        self._space = ""  # white space that has been written since then

    @property
    def thinking(self) -> bool:
        """Whether what comes next is part of a thought."""
        return self._state == self._thought

    @property
    def in_header(self) -> bool:
        """Whether what comes next says where a message belongs, and is none of it."""
        return self._state == self._header

    def feed(self, text: str) -> Iterator[GenerationEvent]:
        """What this piece tells for certain."""
        while text and not self.complete:
            text, self._tail = self._tail + text, ""
            text = yield from self._state(text)

    def end(self, *, cut: bool = False) -> Iterator[GenerationEvent]:
        """What was held back because it might have become a marker; and the calls that are open.

        Args:
            cut: Whether the answer has reached its limit, so that the model had more to say.
        """
        tail, self._tail = self._tail, ""
        if self.complete:
            return
        yield from self._end_state(tail, cut=cut)
        if self._space and not self.calls.made:
            yield TextDelta(self._space)

    def _end_state(self, tail: str, *, cut: bool) -> Iterator[GenerationEvent]:
        if self._section is not None:
            yield from self._end_section(self._section, cut=cut)
        elif self._state == self._thought:
            yield from self._say(ReasoningDelta, tail)
        elif self._state == self._opening:
            yield from self._say(TextDelta, self._mark + tail)
        elif self._state != self._header or not tail.lstrip().startswith(self._channel_marks):
            yield from self._say(TextDelta, tail)

    def _say(self, kind: type[TextDelta | ReasoningDelta], text: str) -> Iterator[GenerationEvent]:
        if not text:
            return
        if kind is TextDelta and self._may_call and not text.strip() and self._blank:
            self._space += text  # layout if a call follows
            return
        if kind is TextDelta:
            text, self._space, self._blank = self._space + text, "", False
        if kind in self._breaks:
            self._breaks.remove(kind)
            text = _BREAK + text
        self._said.add(kind)
        if kind is TextDelta and text.strip():
            self._at_start = self._bare = False
        yield kind(text)

    # -- thoughts and text ---------------------------------------------------------------------------------------

    def _thought(self, text: str) -> Reading:
        match = self._in_thought.find(text)
        if match is None:
            yield from self._say(ReasoningDelta, self._all_but_tail(self._in_thought, text))
            return ""
        yield from self._say(ReasoningDelta, text[: match.start()])
        if match.group() in self._channel_marks:
            return self._between_messages(match.group(), text[match.end() :])
        self._state = self._text
        return text[match.end() :]

    def _text(self, text: str) -> Reading:
        if self._bare:
            begun = text.lstrip()
            if not begun:
                self._tail = text
                return ""
            self._bare = False
            if begun[0] in "{[":
                return self._open("", text)
        match = self._in_text.find(text)
        if match is None:
            yield from self._say(TextDelta, self._all_but_tail(self._in_text, text))
            return ""
        yield from self._say(TextDelta, text[: match.start()])
        return (yield from self._marker(match.group(), text[match.end() :]))

    def _all_but_tail(self, markers: Markers, text: str) -> str:
        safe = len(text) - markers.held(text)
        self._tail = text[safe:]
        return text[:safe]

    def _marker(self, mark: str, rest: str) -> Reading:
        """A marker in the text; some are text there."""
        thinking, form = self._thinking, self._form
        if mark in self._channel_marks:
            return self._between_messages(mark, rest)
        if form is not None and mark in form.openings and self._mistakes < MOST_MISTAKES:
            return self._open(mark, rest)
        if thinking is not None and mark == thinking.start and (thinking.anywhere or self._at_start):
            self._state = self._thought
        elif thinking is not None and mark == thinking.end and not self._mentioned:
            pass  # a thought that has not been opened, or has been closed before, is over
        elif form is not None and mark == form.end and self._loose_end:
            self._loose_end = False
        elif mark in self._always:
            if thinking is not None and mark in (thinking.start, thinking.end):
                self._mentioned += 1 if mark == thinking.start else -1
            yield from self._say(TextDelta, mark)
        return rest

    @property
    def _always(self) -> tuple[str, ...]:
        """The markers that are text where they do not act; frames never are."""
        thought = (self._thinking.start, self._thinking.end) if self._thinking else ()
        return (*thought, *self._form.openings, self._form.end) if self._form else thought

    # -- messages ------------------------------------------------------------------------------------------------

    def _between_messages(self, mark: str, rest: str) -> str:
        """A marker between messages; returns what follows it, or with it where it is part of a header."""
        assert self._channels is not None
        if mark in self._channels.finals:
            self.complete = True
            return ""
        self._state = self._header
        return mark + rest if mark in self._channels.starts else rest

    def _header(self, text: str) -> Reading:
        header, end, rest = text.partition(END)
        if not end and may_be_header(text):
            self._tail = text
            return ""
        if not end or not is_header(header):  # no header after all; its first marker is none of the text
            self._state = self._text
            mark = next((mark for mark in self._channel_marks if text.lstrip().startswith(mark)), "")
            return text.replace(mark, "", 1) if mark else text
        yield from self._begin_message(header)
        return rest

    def _begin_message(self, text: str) -> Iterator[GenerationEvent]:
        header, channels = read_header(text), self._channels
        assert channels is not None
        name, offered = header.function, self._named_calls
        if offered and name and (name != header.recipient or name in self.calls.parameters):
            self._enter(JsonCalls(self.calls, self._channel_marks, name=name), f"to={header.recipient} ")
            return
        thought = header.channel in channels.thoughts or header.recipient in channels.thoughts
        self._state = self._thought if thought else self._text
        self._breaks |= self._said & {ReasoningDelta if thought else TextDelta}
        if channels.named_calls and header.recipient and not thought:
            yield from self._say(TextDelta, f"to={header.recipient} ")

    # -- calls ---------------------------------------------------------------------------------------------------

    def _open(self, mark: str, rest: str) -> str:
        self._mark, self._state = mark, self._opening
        return rest

    def _opening(self, text: str) -> Reading:
        """After the marker that opens calls: the first character shows their form."""
        begun = text.lstrip()
        if not begun:
            self._tail = text
            return ""
        assert self._form is not None
        section, with_start = self._form.section(self.calls, begun[0])
        mark = self._mark
        self._enter(section, "" if with_start else mark)
        yield from ()
        return mark + text if with_start else text

    def _enter(self, section: CallSection, mark: str) -> None:
        self._section, self._mark, self._state = section, mark, self._call
        self._made_before = self.calls.made

    def _call(self, text: str) -> Reading:
        section = self._section
        assert section is not None
        try:
            yield from section.add(text)
        except NotACall:
            return (yield from self._mistaken(section))
        self.complete = self.complete or self.calls.full
        if section.rest is None:
            return ""
        self._section, self._state = None, self._text
        self._blank, self._space = True, ""
        if section.ended_by in self._channel_marks:
            return self._between_messages(section.ended_by, section.rest)
        self._loose_end = not section.ended_by
        return section.rest

    def _mistaken(self, section: CallSection) -> Reading:
        """It is no call: the marker is text, and what follows is read once more as such."""
        self._section, self._state = None, self._text
        self._mistakes += 1
        mark, rest = self._first_mark(section)
        yield from self._say(TextDelta, mark)
        self._loose_end = not mark
        return rest

    def _first_mark(self, section: CallSection) -> tuple[str, str]:
        """The marker that has opened the section, unless it has told calls since, and what follows it."""
        untold, form = section.untold(), self._form
        if self.calls.made > self._made_before:
            return "", untold
        opening = next((mark for mark in form.openings if untold.startswith(mark)), "") if form else ""
        if self._mark or not opening:
            return self._mark, untold
        return opening, untold.removeprefix(opening)

    def _end_section(self, section: CallSection, *, cut: bool) -> Iterator[GenerationEvent]:
        try:
            yield from section.end(cut=cut)
        except NotACall:
            yield from self._say(TextDelta, "".join(self._first_mark(section)))
        else:
            yield from self._say(TextDelta, section.rest or "")
