"""A terminal driver that takes keys for keys alone, survives any bytes, and ends with the program or its terminal."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from encodings.utf_8 import IncrementalDecoder
from queue import Empty, Full
from time import monotonic, sleep
from typing import TYPE_CHECKING, TextIO

from textual import constants
from textual._parser import ParseTimeout
from textual._xterm_parser import XTermParser
from textual.drivers._writer_thread import WriterThread
from textual.events import Key, Paste

from ominix_tui.raw_paste import RawPastes
from ominix_tui.terminal_input import InputScanner, Part, Pasted, Typed
from ominix_tui.typed_ahead import TypedKeys

if TYPE_CHECKING:
    from textual.driver import Driver
    from textual.message import Message

READ_AGAIN_SECONDS = 0.1
FULL_SECONDS = 0.1
LAST_SECONDS = 1.0
"""For the last things that are drawn, once the program is to end."""

_ending = threading.Event()


def guard(driver: type[Driver]) -> None:
    """Give Textual's Linux and macOS driver a decoder and a writer that bear what terminals do."""
    module = sys.modules[driver.__module__]
    if hasattr(module, "getincrementaldecoder"):
        vars(module)["getincrementaldecoder"] = lambda encoding: TerminalDecoder
    if hasattr(module, "XTermParser"):
        vars(module)["XTermParser"] = TerminalParser
    if hasattr(module, "WriterThread"):
        vars(module)["WriterThread"] = PatientWriter


class TerminalDecoder(IncrementalDecoder):
    """Decodes what is read from a terminal.

    Bytes that are not UTF-8 become surrogates: terminals send them in old-style mouse reports from column 96 on
    (Textualize/textual#6668), and `InputScanner` drops them there. No bytes at all are the end of the terminal: nobody
    else tells of it where it is not the controlling one, and the driver would read on for ever, as fast as it can.
    """

    def __init__(self) -> None:
        super().__init__("surrogateescape")

    def decode(self, data: bytes, final: bool = False) -> str:  # type: ignore[override]
        if not data and not final:
            os.kill(os.getpid(), signal.SIGHUP)
            sleep(READ_AGAIN_SECONDS)
        return super().decode(data, final)


class TerminalParser(XTermParser):
    """Textual's parser, which gets each sequence whole and takes none that it does not know for keys.

    By itself it would type what is left of a sequence that is not known, longer than 32 characters, or late, and it
    makes each character of a long text an event of its own, each of which is sent to another thread.
    """

    def __init__(self, debug: bool = False) -> None:
        super().__init__(debug)
        self._scanner = InputScanner(constants.ESCAPE_DELAY)
        self._pastes = RawPastes()
        self._has_read = False

    def feed(self, data: str) -> Iterator[Message]:
        """The events that are whole with this data; "" is its end."""
        if not data:
            yield from super().feed("")
            return
        self._has_read = True
        now = monotonic()
        for part in self._scanner.scan(data, now):
            yield from self._events(part, now)

    def tick(self) -> Iterator[Message]:
        """The events that time brings: the driver calls this after each look for data, at least every 0.1 s."""
        if self._has_read:  # there may be more, which waits to be read
            self._has_read = False
            return
        now = monotonic()
        for part in self._scanner.look(now):
            yield from self._events(part, now)
        yield from self._text(self._pastes.look(now))

    def _events(self, part: Part, now: float) -> Iterator[Message]:
        if isinstance(part, Typed):
            yield from self._text(self._pastes.find(part.text, now))
            return
        yield from self._text(self._pastes.end())
        if isinstance(part, Pasted):
            yield Paste(part.text)
        else:
            yield from self._sequence(part.text)

    def _text(self, parts: Iterable[Typed | Pasted]) -> Iterator[Message]:
        for part in parts:
            if isinstance(part, Pasted):
                yield Paste(part.text)
            else:
                keys = [event for event in super().feed(part.text) if isinstance(event, Key)]
                yield from [TypedKeys(keys)] if len(keys) > 1 else keys

    def _sequence(self, sequence: str) -> list[Message]:
        if sequence == "\x1b":
            return [Key("escape", sequence)]
        events = list(super().feed(sequence))
        if self._timeout_time is None:
            return events
        self._timeout_time = (
            None  # Textual waits for more of it, so it is none that it knows: Alt and a key, or a reply
        )
        self._awaiting = self._gen.throw(ParseTimeout())
        keys = list(self._tokens)
        self._tokens.clear()
        return keys if len(sequence) == 2 else []

    def _sequence_to_key_events(self, sequence: str, alt: bool = False) -> list[Key]:
        try:
            return list(super()._sequence_to_key_events(sequence, alt))
        except (ValueError, OverflowError):  # no numbers of a key (Textual fails at kitty's "97:65", or 99999999)
            return []


class PatientWriter(WriterThread):
    """Goes on taking what is drawn when there is no terminal any more, and when it takes nothing but the end is near.

    Textual's own thread ends where there is no terminal, its short queue fills up, and the program waits for a place in
    it for ever; likewise where nobody reads what the terminal shows, and then no signal ends the program.
    """

    def __init__(self, file: TextIO) -> None:
        self._own = _own_file(file)
        super().__init__(self._own or file)

    def write(self, text: str | None) -> None:
        """Have this written; None ends the thread."""
        while True:
            try:
                return self._queue.put(text, timeout=FULL_SECONDS)
            except Full:
                if _ending.is_set():  # what leaves the screen as it was is worth more than what was drawn on it
                    with suppress(Empty):
                        self._queue.get_nowait()

    def run(self) -> None:
        try:
            super().run()
        except OSError:
            while self._queue.get() is not None:
                pass

    def stop(self) -> None:
        """End the thread; one that never gets rid of its text ends with the program."""
        self.write(None)
        while self.is_alive() and not _ending.is_set():
            self.join(FULL_SECONDS)
        self.join(LAST_SECONDS)
        if self._own is not None and not self.is_alive():
            with suppress(OSError):
                self._own.close()


def end_soon(*_: object) -> None:
    """Let a terminal that takes no output hold up the end of the program no longer; for a signal's handler."""
    _ending.set()


def _own_file(file: TextIO) -> TextIO | None:
    """The same terminal as a file of its own: at its end Python waits for those who still write to standard error."""
    try:
        descriptor = os.dup(file.fileno())
    except (OSError, ValueError):  # no real file
        return None
    return open(descriptor, "w", encoding=file.encoding, errors="replace")
