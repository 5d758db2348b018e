"""Lines of logs: drawn only where they are seen, so that ten thousand cost as little as ten."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from ominix_core.logbook import Level, LogLine
from ominix_tui.text import one_line
from ominix_tui.widgets.list_keys import SCROLL_KEYS

if TYPE_CHECKING:
    from textual.binding import BindingType

MOST_LINES = 10_000
WIDEST_TEXT = 2_000
WIDEST_SOURCE = 14

_MARKS = {Level.INFO: " ", Level.WARNING: "▲", Level.ERROR: "!"}
_TONES = {Level.INFO: "log--text", Level.WARNING: "log--warning", Level.ERROR: "log--error"}


class LogView(ScrollView, can_focus=True):
    """Keeps the newest MOST_LINES lines, and its end in view while it is scrolled down."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"log--time", "log--text", "log--warning", "log--error"}
    DEFAULT_CSS = """
    LogView {
        background: transparent;
        scrollbar-size: 1 1;
        & > .log--time { color: $foreground 60%; }
        & > .log--text { color: $foreground; }
        & > .log--warning { color: $text-warning; }
        & > .log--error { color: $text-error; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [*SCROLL_KEYS]

    following: reactive[bool] = reactive(True)

    def __init__(self, *, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self.lines: deque[LogLine] = deque(maxlen=MOST_LINES)
        self._widest = 0

    def show(self, lines: Iterable[LogLine]) -> None:
        """Show these lines instead, from their end."""
        self.lines.clear()
        self._widest = 0
        self.following = True
        self.add(lines)

    def add(self, lines: Iterable[LogLine]) -> None:
        """Show further lines below."""
        for line in lines:
            self.lines.append(line)
            self._widest = max(self._widest, cell_len(_prefix(line)) + cell_len(line.text[:WIDEST_TEXT]))
        self.virtual_size = Size(self._widest, len(self.lines))
        if self.following:
            self.scroll_end(animate=False, immediate=True, x_axis=False)
        self.refresh()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if new_value < old_value:
            self.following = False
        elif self.is_vertical_scroll_end:
            self.following = True

    def render_line(self, y: int) -> Strip:
        left, top = self.scroll_offset
        width = self.scrollable_content_region.width
        place = top + y
        if place >= len(self.lines):
            return Strip.blank(width, self.rich_style)
        line = self.lines[place]
        segments = [
            Segment(_prefix(line), self._tone("log--time")),
            Segment(one_line(line.text[:WIDEST_TEXT]), self._tone(_TONES[line.level])),
        ]
        return Strip(segments).crop_extend(left, left + width, self.rich_style)

    def _tone(self, name: str) -> Style:
        """Rich knows no transparency, so that it is blended here."""
        _, background = self.background_colors
        return (
            Style(color=(background + self.get_component_styles(name).color).rich_color)
            + self.rich_style.background_style
        )


def _prefix(line: LogLine) -> str:
    clock = time.strftime("%H:%M:%S", time.localtime(line.time))
    source = one_line(line.source)
    shown = source if len(source) <= WIDEST_SOURCE else source[: WIDEST_SOURCE - 1] + "…"
    return f"{clock} {_MARKS[line.level]} {shown:{WIDEST_SOURCE}} "
