"""Standard output and standard error of the commands: what becomes of text that they cannot show or cannot take."""

from __future__ import annotations

import codecs
import io
import os
import sys
from typing import TYPE_CHECKING

from ominix_core.errors import OminixError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

PLAIN = "ominix.plain"
"""The name of the way to deal with characters that an encoding lacks: letters without accents, signs that resemble."""


class OutputError(OminixError):
    """Standard output takes no more, because the disk is full, for instance."""


def prepare() -> None:
    """Let failures of standard output be told as such, and let nothing depend on standard error."""
    for descriptor in range(3):
        _occupy(descriptor)
    codecs.register_error(PLAIN, _plain)
    if sys.stdout is sys.__stdout__:  # else a test reads it
        sys.stdout = _text_on(_Output(1, "w", closefd=False), sys.stdout)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _text_on(_Narration(2, "w", closefd=False), sys.stderr)


def give_up_output() -> None:
    """Throw away what standard output still holds, so that the interpreter does not complain about it at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


class _Output(io.FileIO):
    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:  # its reader has all that it wants
            raise
        except OSError as error:
            raise OutputError(f"The output cannot be written: {error.strerror}.") from error


class _Narration(io.FileIO):
    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError:  # nobody listens, which is no failure
            return memoryview(data).nbytes


def _occupy(descriptor: int) -> None:
    """Take the place of a stream that was closed at the start: a file opened later would get what is written to it."""
    try:
        os.fstat(descriptor)
    except OSError:
        os.open(os.devnull, os.O_WRONLY if descriptor == 0 else os.O_RDONLY)  # to use it is an error as before


def _text_on(raw: io.FileIO, like: io.TextIOWrapper | None) -> io.TextIOWrapper:
    """The stream as text with the encoding that the interpreter found out; None was closed, and has none."""
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=like.encoding if like else "utf-8",
        errors=PLAIN,
        line_buffering=raw.fileno() == 2 or raw.isatty(),
        write_through=like.write_through if like else False,
    )


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    from ominix_tui.terminal import plain  # rarely needed, and it imports much

    return plain(error.object[error.start : error.end]), error.end
