"""A terminal driver that survives bytes that are not UTF-8."""

from __future__ import annotations

import codecs
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.driver import Driver


def tolerate_stray_bytes(driver: type[Driver]) -> None:
    """Make Textual's Linux and macOS driver drop such bytes instead of ending the program.

    Terminals send them in old-style mouse reports from column 96 on (Textualize/textual#6668).
    """
    import sys

    module = sys.modules[driver.__module__]
    if hasattr(module, "getincrementaldecoder"):
        module.getincrementaldecoder = lambda name: partial(codecs.getincrementaldecoder(name), errors="ignore")
