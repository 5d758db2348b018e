"""What a terminal says by itself is no key, however its bytes are cut into reads; keys and pastes are not lost."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from textual import events
from textual.message import Message

from ominix_tui import driver_guard
from ominix_tui.driver_guard import TerminalDecoder, TerminalParser
from ominix_tui.raw_paste import LEAST, STALL_SECONDS, TOGETHER_SECONDS
from ominix_tui.terminal_input import PASTE_WAIT_SECONDS, WAIT_SECONDS
from ominix_tui.typed_ahead import TypedKeys

REPLIES = {
    "OSC 11, ended by ST": b"\x1b]11;rgb:0d0d/1111/1717\x1b\\",
    "OSC 11, ended by BEL": b"\x1b]11;rgb:1e1e/1e1e/2e2e\x07",
    "OSC 4, a color of the palette": b"\x1b]4;1;rgb:cdcd/0000/0000\x1b\\",
    "OSC 52, the clipboard": b"\x1b]52;c;" + b"cm0gLXJm" * 20 + b"\x07",
    "OSC l, the title": "\x1b]lnäme\x1b\\".encode(),
    "DCS, XTVERSION": b"\x1bP>|XTerm(370)\x1b\\",
    "DCS, XTGETTCAP": b"\x1bP1+r544e=787465726d\x1b\\",
    "DCS, DECRQSS": b"\x1bP1$r0m\x1b\\",
    "DCS, DA3": b"\x1bP!|00000000\x1b\\",
    "APC, kitty's graphics": b"\x1b_Gi=31;OK\x1b\\",
    "PM": b"\x1b^quiet d\x1b\\",
    "SOS": b"\x1bXquiet d\x1b\\",
    "DA1": b"\x1b[?62;4;22c",
    "DA1 of a VT100": b"\x1b[?1;2c",
    "DA2": b"\x1b[>41;370;0c",
    "DECRPM": b"\x1b[?1016;2$y",
    "DECRPM of an ANSI mode": b"\x1b[4;1$y",
    "DSR": b"\x1b[0n",
    "color scheme": b"\x1b[?997;1n",
    "kitty's keyboard": b"\x1b[?1u",
    "XTMODKEYS": b"\x1b[>4;1m",
    "XTSMGRAPHICS": b"\x1b[?2;0;800;480S",
    "size in cells": b"\x1b[8;24;80t",
    "size in pixels": b"\x1b[4;480;800t",
    "size of a cell": b"\x1b[6;20;10t",
    "DECREQTPARM": b"\x1b[2;1;1;112;112;1;0x",
    "mouse of urxvt": b"\x1b[32;60;12M",
    "mouse of X10": b"\x1b[M !!",
    "mouse of X10 far right": b"\x1b[M \xff\xfe",
    "mouse of X10 that looks like UTF-8": b"\x1b[M \xc3\xa9",
    "a key that is let go": b"\x1b[97;1:3u",
    "a key with another layout": b"\x1b[97:65;2u",
    "no character": b"\x1b[99999999u",
    "the end of a reply": b"\x1b\\",
}
HARMLESS = {  # what the app hears of, and what is no key
    "SGR mouse": b"\x1b[<35;60;12M",
    "focus": b"\x1b[I",
    "no focus": b"\x1b[O",
    "cursor": b"\x1b[12;40R",
    "synchronized output": b"\x1b[?2026;2$y",
    "size of the window": b"\x1b[48;24;80;480;800t",
}
KEYS = {
    b"a": ["a"],
    b"Q": ["Q"],
    b" ": ["space"],
    "é".encode(): ["é"],
    "模".encode(): ["模"],
    b"\r": ["enter"],
    b"\t": ["tab"],
    b"\x03": ["ctrl+c"],
    b"\x7f": ["backspace"],
    b"\x1b[A": ["up"],
    b"\x1bOB": ["down"],
    b"\x1b[1;2C": ["shift+right"],
    b"\x1b[1;5D": ["ctrl+left"],
    b"\x1bOP": ["f1"],
    b"\x1b[[A": ["f1"],
    b"\x1b[15~": ["f5"],
    b"\x1b[15;2~": ["shift+f5"],
    b"\x1b[3~": ["delete"],
    b"\x1b[3$": ["shift+delete"],
    b"\x1b[Z": ["shift+tab"],
    b"\x1bx": ["alt+x"],
    b"\x1b\x7f": ["ctrl+w"],
    b"\x1b[97;5u": ["ctrl+a"],
    b"\x1b[27u": ["escape"],
    b"\x1b[97;;229u": ["å"],
    b"\xff": [],  # no UTF-8
}
READ_SECONDS = 0.35
ESCAPE_SECONDS = 0.1

saying = st.sampled_from([*REPLIES.values(), *HARMLESS.values()])
typing = st.sampled_from(list(KEYS))


class Line:
    """The way from a terminal to the app, with a clock of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(driver_guard, "monotonic", lambda: self.now)
        self._decoder, self._parser = TerminalDecoder(), TerminalParser()
        self.events: list[Message] = []

    def read(self, data: bytes) -> None:
        """What the driver does when there is something to read."""
        if data and (text := self._decoder.decode(data)):  # no data at all is the end of a terminal
            self.events.extend(self._parser.feed(text))
        self.events.extend(self._parser.tick())

    def wait(self, seconds: float) -> None:
        """What it does when there is nothing."""
        until = self.now + seconds
        while self.now < until:
            self.now = min(self.now + 0.1, until)
            self.events.extend(self._parser.tick())

    @property
    def keys(self) -> list[str]:
        return [key.key for key in self._keys()]

    @property
    def pasted(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, events.Paste)]

    def _keys(self) -> Iterable[events.Key]:
        for event in self.events:
            if isinstance(event, TypedKeys):
                yield from event.keys
            elif isinstance(event, events.Key):
                yield event


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Line:
    return Line(monkeypatch)


@pytest.mark.parametrize("name", [*REPLIES, *HARMLESS])
def test_a_reply_between_letters(line: Line, name: str) -> None:
    reply = (REPLIES | HARMLESS)[name]
    line.read(b"ab" + reply + b"cd")
    assert line.keys == ["a", "b", "c", "d"]


@pytest.mark.parametrize("name", [*REPLIES, *HARMLESS])
def test_a_reply_in_two_reads_that_come_far_apart(line: Line, name: str) -> None:
    reply = (REPLIES | HARMLESS)[name]
    for cut in range(2, len(reply)):
        line.read(reply[:cut])
        line.wait(READ_SECONDS)
        line.read(reply[cut:])
        line.wait(READ_SECONDS)
    assert line.keys == []


@given(
    st.lists(st.one_of(saying, typing), max_size=12),
    st.lists(st.tuples(st.integers(0, 200), st.sampled_from([0.0, 0.05, READ_SECONDS])), max_size=12),
)
@example([b"\x1bx", REPLIES["DA1"], b"Q"], [(1, 0.05), (4, READ_SECONDS)])
def test_any_mix_in_any_reads_gives_the_keys(parts: list[bytes], cuts: list[tuple[int, float]]) -> None:
    data = b"".join(parts)
    with pytest.MonkeyPatch.context() as patch:
        line = Line(patch)
        before = 0
        for cut, seconds in sorted(cuts):
            line.read(data[before:cut])
            before = max(before, cut)
            if not data[:cut].endswith((b"\x1b", b"\x1bO")):  # as long as that, it is the Escape key
                line.wait(seconds)
        line.read(data[before:])
        line.wait(WAIT_SECONDS)
    assert line.keys == [key for part in parts for key in KEYS.get(part, [])]


class TestEscape:
    def test_it_acts_soon(self, line: Line) -> None:
        line.read(b"\x1b")
        assert line.keys == []
        line.wait(2 * ESCAPE_SECONDS)
        assert line.keys == ["escape"]

    def test_it_acts_before_a_key_and_a_reply(self, line: Line) -> None:
        line.read(b"\x1b\x1b[A")
        line.read(b"\x1b" + REPLIES["DA1"])
        assert line.keys == ["escape", "up", "escape"]

    def test_bytes_that_wait_to_be_read_are_not_late(self, line: Line) -> None:
        """A busy machine reads them long after they came."""
        line.read(b"\x1b")
        line.now += 5.0
        line.read(b"[A")
        assert line.keys == ["up"]

    @pytest.mark.parametrize(
        "name", [*list(REPLIES)[:4], *list(REPLIES)[5:10], "DA1", "DA2", "DECRPM", "color scheme", "size in cells"]
    )
    def test_a_reply_whose_escape_came_early_is_not_typed(self, line: Line, name: str) -> None:
        line.read(b"\x1b")
        line.wait(2 * ESCAPE_SECONDS)
        line.read(REPLIES[name][1:])
        assert line.keys == ["escape"]

    def test_brackets_after_it_are_typed(self, line: Line) -> None:
        for data in (b"\x1b", b"[", b"]"):
            line.read(data)
            line.wait(2 * ESCAPE_SECONDS)
        assert line.keys == ["escape", "left_square_bracket", "right_square_bracket"]


class TestBegun:
    @pytest.mark.parametrize("begun", [b"\x1b[", b"\x1b[?20", b"\x1b]11;rgb", b"\x1bP1", b"\x1b]11;x\x1b", b"\x1b[M "])
    def test_what_never_ends_is_dropped(self, line: Line, begun: bytes) -> None:
        line.read(begun)
        line.wait(WAIT_SECONDS + 0.1)
        line.read(b"q")
        assert line.keys == ["q"]

    @pytest.mark.parametrize("begun", [b"\x1b[?20", b"\x1b]11;rgb", b"\x1b_G"])
    @pytest.mark.parametrize(
        ("key", "name"), [(b"\x11", "ctrl+q"), (b"\r", "enter"), (b"\x1b[A", "up"), (b"\x1bOP", "f1")]
    )
    def test_a_key_breaks_it_off_and_acts(self, line: Line, begun: bytes, key: bytes, name: str) -> None:
        line.read(begun)
        line.read(key)
        assert line.keys == [name]


class TestBracketedPaste:
    def test_in_many_reads(self, line: Line) -> None:
        text = "one\ntwo 模型\t\x1b[31mred\x1b[0m" + "x" * 9000
        data = f"\x1b[200~{text}\x1b[201~q".encode()
        for start in range(0, len(data), 7):
            line.read(data[start : start + 7])
        assert line.pasted == ["one\ntwo 模型\tred" + "x" * 9000]
        assert line.keys == ["q"]

    def test_one_that_never_ends_is_kept(self, line: Line) -> None:
        line.read(b"\x1b[200~half of it")
        line.wait(PASTE_WAIT_SECONDS + 0.1)
        line.read(b"q")
        assert line.pasted == ["half of it"]
        assert line.keys == ["q"]

    def test_what_is_no_text_is_left_out(self, line: Line) -> None:
        line.read(b"\x1b[200~a\x00\xff" + REPLIES["DA1"] + REPLIES["OSC 11, ended by BEL"] + b"b\x1b\x1b[201~")
        assert line.pasted == ["ab"]


class TestRawPaste:
    LINE = "One line of a text that was copied, 模型, and is longer than what anybody types at once."

    def test_it_is_one_paste(self, line: Line) -> None:
        line.read(f"{self.LINE}\r{self.LINE}\n\ttabs\r\nand an end\r".encode())
        line.wait(1.0)
        assert line.pasted == [f"{self.LINE}\n{self.LINE}\n\ttabs\nand an end\n"]
        assert line.keys == []

    @given(st.lists(st.integers(2 * LEAST, 15 * LEAST), max_size=6))
    def test_it_may_come_in_any_reads(self, cuts: list[int]) -> None:
        text = "".join(f"{number} {self.LINE}\r\n" for number in range(20))
        data = text.encode()
        cuts = sorted({*cuts, len(data) - 9, len(data) - 1})
        with pytest.MonkeyPatch.context() as patch:
            line = Line(patch)
            for start, end in pairwise([0, *cuts, len(data)]):
                line.read(data[start:end])
                line.wait(TOGETHER_SECONDS / 2)
            line.wait(2 * TOGETHER_SECONDS)
        assert line.pasted == [text.replace("\r\n", "\n")]
        assert line.keys == []

    def test_a_line_and_enter_are_a_line_and_enter(self, line: Line) -> None:
        line.read(f"{self.LINE}\r".encode())
        line.wait(2 * TOGETHER_SECONDS)
        assert line.pasted == [self.LINE]
        assert line.keys == ["enter"]

    def test_enter_soon_after_it(self, line: Line) -> None:
        line.read(self.LINE.encode())
        line.wait(TOGETHER_SECONDS / 2)
        line.read(b"\r")
        line.wait(2 * TOGETHER_SECONDS)
        line.read(b"q")
        assert line.pasted == [self.LINE]
        assert line.keys == ["enter", "q"]

    def test_enter_keeps_its_place_before_other_keys(self, line: Line) -> None:
        line.read(f"{self.LINE}\r\x1b[A".encode())
        assert line.keys == ["enter", "up"]

    def test_an_enter_by_itself_after_many_lines_is_the_key(self, line: Line) -> None:
        line.read(f"{self.LINE}\r{self.LINE}".encode())
        line.read(b"\r")
        line.wait(2 * TOGETHER_SECONDS)
        assert line.keys == ["enter"]

    def test_a_line_that_stands_still_in_its_midst_sends_nothing(self, line: Line) -> None:
        line.read(f"{self.LINE}\r{self.LINE}".encode())
        line.wait(STALL_SECONDS / 2)
        line.read(b" go on\rand end\r")
        line.wait(STALL_SECONDS / 2)
        assert "".join(line.pasted) == f"{self.LINE}\n{self.LINE} go on\nand end\n"
        assert line.keys == []

    def test_what_is_typed_soon_after_it_is_typed(self, line: Line) -> None:
        line.read(f"{self.LINE}\r{self.LINE}".encode())
        for key in (b"o", b"k", b"\r"):
            line.wait(2 * TOGETHER_SECONDS)
            line.read(key)
        assert line.keys == ["o", "k", "enter"]

    def test_what_is_typed_at_once_is_typed(self, line: Line) -> None:
        line.read(b"/llama\rhello\r")
        assert "".join(key if len(key) == 1 else f"<{key}>" for key in line.keys) == "<slash>llama<enter>hello<enter>"

    def test_a_key_that_is_held_down_is_a_key(self, line: Line) -> None:
        line.read(b"j" * 200)
        assert line.keys == ["j"] * 200
