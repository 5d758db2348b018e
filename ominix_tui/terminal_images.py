"""Which pictures this terminal can show: found out once, before the app takes the terminal over."""

from __future__ import annotations

import importlib
import io
import logging
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, TextIO

if TYPE_CHECKING:
    from ominix_core.settings import Images

Mode = Literal["kitty", "sixel", "half", "off"]

# Terminals that say in the environment what they are; asking them would cost time.
_KITTY_TERMS = ("xterm-kitty", "xterm-ghostty")
_SIXEL_PROGRAMS = ("iTerm.app", "iTerm2", "WezTerm")
_PLAIN_PROGRAMS = ("Apple_Terminal",)
# Python 3.11 has textual-image 0.12, which is wrong about terminals that answer after 150 ms. 0.14 waits for 2 s; what
# comes later still is dropped by the app.
_ASKS_SAFELY = sys.version_info >= (3, 12)

_mode: Mode = "half"


def mode() -> Mode:
    """How to show pictures; half-blocks until `prepare` has found something better."""
    return _mode


def prepare(setting: Images) -> None:
    """Settle the mode. With "auto" the terminal may be asked, which must not happen once the app reads its input."""
    global _mode
    guess = from_environment(setting, os.environ, is_terminal=_is_terminal(sys.__stdout__))
    if guess is None and not _is_terminal(sys.__stdin__):  # nobody would hear the answer
        guess = "half"
    _mode = _ask() if guess is None else guess
    if guess in ("kitty", "sixel"):
        _import_without_asking()
    if _mode == "kitty":
        # The cells of a picture name it by their 24-bit colour; SSH does not hand on that the terminal has these.
        os.environ["COLORTERM"] = "truecolor"


def from_environment(setting: Images, environ: Mapping[str, str], *, is_terminal: bool) -> Mode | None:
    """The mode as far as it can be known without asking the terminal; None if it must be asked."""
    if setting != "auto":
        return setting
    inside_multiplexer = "TMUX" in environ or environ.get("TERM", "").startswith(("screen", "tmux"))
    if not is_terminal:
        return "half"
    if not inside_multiplexer:
        program = environ.get("LC_TERMINAL") or environ.get("TERM_PROGRAM", "")
        if environ.get("TERM") in _KITTY_TERMS:
            return "kitty"
        if program in _SIXEL_PROGRAMS:
            return "sixel"
        if program in _PLAIN_PROGRAMS:
            return "half"
    return None if _ASKS_SAFELY else "half"


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


def _ask() -> Mode:
    """Importing textual-image asks the terminal for its graphics and the size of its cells."""
    logging.getLogger("textual_image").addHandler(logging.NullHandler())  # else a traceback tells of no answer
    importlib.import_module("textual_image.widget")
    renderables = importlib.import_module("textual_image.renderable")
    kinds: dict[object, Mode] = {renderables.TGPImage: "kitty", renderables.SixelImage: "sixel"}
    return kinds.get(renderables.Image, "half")


def _import_without_asking() -> None:
    """Let the import believe that there is no terminal, and tell it the size of a cell."""
    width, height = _cell_size()
    os.environ.update(TEXTUAL_CELL_WIDTH=str(width), TEXTUAL_CELL_HEIGHT=str(height))
    terminal, sys.__stdout__ = sys.__stdout__, io.StringIO()  # type: ignore[misc, assignment]
    try:
        importlib.import_module("textual_image.widget")
    finally:
        sys.__stdout__ = terminal  # type: ignore[misc]


def _cell_size() -> tuple[int, int]:
    """The pixels of a cell as the terminal's driver knows them, or those that most terminals begin with."""
    import array
    import fcntl
    import termios

    sizes = array.array("H", [0, 0, 0, 0])
    try:
        fcntl.ioctl(sys.__stdout__.fileno() if sys.__stdout__ else 1, termios.TIOCGWINSZ, sizes)
    except (OSError, ValueError):
        return 10, 20
    rows, columns, width, height = sizes
    return (width // columns, height // rows) if width and height and rows and columns else (10, 20)
