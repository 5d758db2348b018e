"""A terminal driver that survives bytes that are not UTF-8, and ends the program when its terminal is gone."""

from __future__ import annotations

import os
import signal
import sys
import time
from encodings.utf_8 import IncrementalDecoder
from typing import TYPE_CHECKING

from textual.drivers._writer_thread import WriterThread

if TYPE_CHECKING:
    from textual.driver import Driver

READ_AGAIN_SECONDS = 0.1


def guard(driver: type[Driver]) -> None:
    """Give Textual's Linux and macOS driver a decoder and a writer that bear what terminals do."""
    module = sys.modules[driver.__module__]
    if hasattr(module, "getincrementaldecoder"):
        vars(module)["getincrementaldecoder"] = lambda encoding: TerminalDecoder
    if hasattr(module, "WriterThread"):
        vars(module)["WriterThread"] = PatientWriter


class TerminalDecoder(IncrementalDecoder):
    """Decodes what is read from a terminal.

    Drops bytes that are not UTF-8, which terminals send in old-style mouse reports from column 96 on
    (Textualize/textual#6668). No bytes at all are the end of the terminal: nobody else tells of it where it is not the
    controlling one, and the driver would read on for ever, as fast as it can.
    """

    def __init__(self) -> None:
        super().__init__("ignore")

    def decode(self, data: bytes, final: bool = False) -> str:  # type: ignore[override]
        if not data and not final:
            os.kill(os.getpid(), signal.SIGHUP)
            time.sleep(READ_AGAIN_SECONDS)
        return super().decode(data, final)


class PatientWriter(WriterThread):
    """Goes on taking what is drawn when there is no terminal any more.

    Textual's own thread ends then, its short queue fills up, and the program waits for a place in it for ever.
    """

    def run(self) -> None:
        try:
            super().run()
        except OSError:
            while self._queue.get() is not None:
                pass
