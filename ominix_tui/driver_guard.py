"""A terminal driver that survives bytes that are not UTF-8, and a terminal that vanishes."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from textual.drivers._writer_thread import WriterThread

if TYPE_CHECKING:
    from textual.driver import Driver


def guard(driver: type[Driver]) -> None:
    """Make Textual's Linux and macOS driver drop what would end the program or hold it up.

    Terminals send bytes that are not UTF-8 in old-style mouse reports from column 96 on (Textualize/textual#6668).
    """
    module = sys.modules[driver.__module__]
    if hasattr(module, "getincrementaldecoder"):
        lenient = partial(_decoder, errors="ignore")
        setattr(module, "getincrementaldecoder", lenient)  # noqa: B010  no stub declares it
    if hasattr(module, "WriterThread"):
        setattr(module, "WriterThread", PatientWriter)  # noqa: B010


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


def _decoder(encoding: str, errors: str) -> Callable[[], codecs.IncrementalDecoder]:
    return partial(codecs.getincrementaldecoder(encoding), errors=errors)
