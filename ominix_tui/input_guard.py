"""A terminal driver that survives bytes that are not UTF-8."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.driver import Driver


def tolerate_stray_bytes(driver: type[Driver]) -> None:
    """Make Textual's Linux and macOS driver drop such bytes instead of ending the program.

    Terminals send them in old-style mouse reports from column 96 on (Textualize/textual#6668).
    """
    module = sys.modules[driver.__module__]
    if hasattr(module, "getincrementaldecoder"):
        lenient = partial(_decoder, errors="ignore")
        setattr(module, "getincrementaldecoder", lenient)  # noqa: B010  no stub declares it


def _decoder(encoding: str, errors: str) -> Callable[[], codecs.IncrementalDecoder]:
    return partial(codecs.getincrementaldecoder(encoding), errors=errors)
