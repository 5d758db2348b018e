"""What is left of a crash: a report in `logs/`, and a sentence about where it is."""

from __future__ import annotations

import logging
import platform
import sys
import time
import traceback
from pathlib import Path

import ominix_core
from ominix_tui.text import one_line

logger = logging.getLogger(__name__)


def report_crash(error: BaseException, logs: Path, place: str) -> str:
    """Write the report of an unexpected error, and return what to tell the user.

    Args:
        place: What the screen showed.
    """
    logger.critical("unexpected failure on the screen '%s'", place, exc_info=error)
    told = f"Ominix crashed: {one_line(str(error)) or type(error).__name__}."
    path = logs / time.strftime("crash-%Y%m%d-%H%M%S.txt")
    try:
        logs.mkdir(parents=True, exist_ok=True)
        path.write_text(_report(error, place), "utf-8")
    except OSError as problem:
        return f"{told} No report could be written: {problem.strerror}."
    return f"{told} The report is {path}. What was typed is there at the next start."


def _report(error: BaseException, place: str) -> str:
    python = sys.version.split()[0]
    facts = f"Ominix {ominix_core.__version__}, Python {python}, {platform.platform()}, screen: {place}"
    return f"{facts}\n\n{''.join(traceback.format_exception(error))}"
