"""The logs of one home, read as they grow: what the program, its server and its models' workers write."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

MOST_BYTES = 1_000_000
"""How much of a file is read at once; of more than that only the end is shown."""

_STAMPED = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),(\d{3}) ([A-Z]+) (.*)", re.DOTALL)


class Level(IntEnum):
    """How serious a line is."""

    INFO = 20
    WARNING = 30
    ERROR = 40


_LEVELS = {"WARNING": Level.WARNING, "ERROR": Level.ERROR, "CRITICAL": Level.ERROR}


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a log.

    Attributes:
        time: Unix seconds; of a line without a time, that of the line before it.
        source: The name of the file, without its ending.
    """

    time: float
    source: str
    level: Level
    text: str


class Logbook:
    """Reads every `*.log` and `*.jsonl` of a folder, also those that appear or are rotated later. For one thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[Path, _File] = {}

    def read(self) -> list[LogLine]:
        """What was written since the last call, oldest first; the first call gives the end of every log."""
        lines: list[LogLine] = []
        for path in sorted([*self._folder.glob("*.log"), *self._folder.glob("*.jsonl")]):
            if path not in self._files:
                self._files[path] = _File(path)
            lines += self._files[path].read()
        return sorted(lines, key=lambda line: line.time)  # stable: lines of one moment stay in their order


class _File:
    """One log, and how far it was read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inode = 0
        self._position = 0
        self._rest = b""
        self._last: LogLine | None = None

    def read(self) -> Iterator[LogLine]:
        try:
            with self._path.open("rb") as file:
                status = os.fstat(file.fileno())
                if status.st_ino != self._inode or status.st_size < self._position:  # rotated, or emptied
                    self._inode, self._position, self._rest = status.st_ino, 0, b""
                if status.st_size - self._position > MOST_BYTES:
                    file.seek(status.st_size - MOST_BYTES)
                    file.readline()  # the line that the cut went through
                    self._rest = b""
                else:
                    file.seek(self._position)
                content = self._rest + file.read()
                self._position = file.tell()
        except OSError:  # removed a moment ago
            return
        *whole, rest = content.split(b"\n")
        self._rest = rest[-MOST_BYTES:]
        for line in whole:
            drawn_over = line.rstrip().rpartition(b"\r")[2]  # of a progress bar only what it came to
            if text := drawn_over.decode("utf-8", "replace"):
                self._last = self._parse(text, status.st_mtime)
                yield self._last

    def _parse(self, text: str, changed: float) -> LogLine:
        source = self._path.stem
        if self._path.suffix == ".jsonl":
            return _request_line(text, source, changed)
        if match := _STAMPED.fullmatch(text):
            moment, thousandths, level, message = match.groups()
            with contextlib.suppress(ValueError, OverflowError):  # it only looks like a time
                seconds = time.mktime(time.strptime(moment, "%Y-%m-%d %H:%M:%S")) + int(thousandths) / 1000
                return LogLine(seconds, source, _LEVELS.get(level, Level.INFO), message)
        if self._last is not None:  # the next line of a traceback, for one
            return LogLine(self._last.time, source, self._last.level, text)
        return LogLine(changed, source, Level.INFO, text)


def _request_line(text: str, source: str, changed: float) -> LogLine:
    """A line of the server's access log."""
    try:
        fields = json.loads(text)
        status = int(fields["status"])
        level = Level.ERROR if status >= 500 else Level.WARNING if status >= 400 else Level.INFO
        message = f"{status} {fields['method']} {fields['path']} · {fields['seconds']:.3f} s · {fields['client']}"
        return LogLine(float(fields["time"]), source, level, message)
    except (ValueError, KeyError, TypeError):
        return LogLine(changed, source, Level.INFO, text)
