"""The logs screen: what the program, its server and its models' workers write, as they write it."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Select

from ominix_core.logbook import Level, Logbook, LogLine
from ominix_tui.screens.place import PlaceScreen
from ominix_tui.text import one_line
from ominix_tui.widgets.choice_row import ChoiceRow
from ominix_tui.widgets.log_view import MOST_LINES, LogView

LOOK_SECONDS = 0.5
LEVELS = {"info": "All", "warning": "Warnings", "error": "Errors"}
EVERY_SOURCE = "every log"


class LogsScreen(PlaceScreen):
    """Filter by words, level and source; the newest lines stay in view until one scrolls up."""

    PLACE = "logs"
    CSS_PATH = ["hub.tcss", "logs.tcss"]
    AUTO_FOCUS = "LogView"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "find", "Filter", id="logs.find", tooltip="Show only lines with these words", key_display="/"),
        Binding("l", "next_level", "Level", id="logs.level", tooltip="All lines, warnings and errors, errors"),
        Binding("o", "source", "Source", id="logs.source", tooltip="Choose the log"),
        Binding("f", "follow", "Follow", id="logs.follow", tooltip="Go to the end, and stay there"),
        Binding("c", "copy", "Copy", id="logs.copy", tooltip="Copy the lines that are shown"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.view = LogView(id="log")
        self._book = Logbook(self.app.home.logs)
        self._lines: deque[LogLine] = deque(maxlen=MOST_LINES)
        self._sources: list[str] = []
        self._reading = False

    def body(self) -> ComposeResult:
        with Horizontal(id="filters"):
            yield Input(placeholder="/ to filter", compact=True, id="search")
            yield ChoiceRow(LEVELS.items(), id="level")
            yield Select([(EVERY_SOURCE, "")], value="", allow_blank=False, compact=True, id="source")
        with Vertical(id="log-box", classes="box"):
            yield self.view

    def on_mount(self) -> None:
        self._look()
        self.set_interval(LOOK_SECONDS, self._look)

    def on_screen_resume(self) -> None:
        self._look()

    @work
    async def _look(self) -> None:
        """Read what was written, off the loop, while anybody watches."""
        if not self.is_current or self._reading:
            return
        self._reading = True
        try:
            lines = await asyncio.to_thread(self._book.read)
        finally:
            self._reading = False
        self._lines.extend(lines)
        self.view.add(line for line in lines if self._wanted(line))
        sources = sorted({line.source for line in lines} | set(self._sources))
        if sources != self._sources:
            self._sources = sources
            select = self.query_one("#source", Select)
            with select.prevent(Select.Changed):
                chosen = select.value
                select.set_options([(EVERY_SOURCE, ""), *((one_line(source), source) for source in sources)])
                select.value = chosen
        self._tell()

    def _wanted(self, line: LogLine) -> bool:
        words = self.query_one("#search", Input).value.lower().split()
        source = self.query_one("#source", Select).value
        text = f"{line.source} {line.text}".lower()
        return (
            line.level >= Level[self.query_one("#level", ChoiceRow).chosen.upper()]
            and source in ("", line.source)
            and all(word in text for word in words)
        )

    def _tell(self) -> None:
        shown, kept = len(self.view.lines), len(self._lines)
        self.query_one("#log-box").border_title = "Following" if self.view.following else "Halted · f follows"
        self.query_one("#log-box").border_subtitle = f"{shown:,} of {kept:,}" if shown != kept else f"{kept:,} lines"

    @on(Input.Changed)
    @on(ChoiceRow.Changed)
    @on(Select.Changed)
    def _on_filter(self) -> None:
        self.view.show([line for line in self._lines if self._wanted(line)])
        self._tell()

    @on(Input.Submitted)
    def _on_submitted(self) -> None:
        self.view.focus()

    # -- actions --------------------------------------------------------------------------------------------------

    def action_find(self) -> None:
        self.query_one("#search").focus()

    def action_next_level(self) -> None:
        self.query_one("#level", ChoiceRow).action_move(1)

    def action_source(self) -> None:
        select = self.query_one("#source", Select)
        select.focus()
        select.action_show_overlay()

    def action_follow(self) -> None:
        self.view.following = True
        self.view.scroll_end(animate=False)
        self._tell()

    def action_copy(self) -> None:
        self.app.copy_to_clipboard("\n".join(f"{line.source}: {line.text}" for line in self.view.lines))
        self.notify(f"{len(self.view.lines):,} lines were copied.")

    def action_back(self) -> None:
        """Forget the filter first, if there is one."""
        search = self.query_one("#search", Input)
        if search.value or search.has_focus:
            search.value = ""
            self.view.focus()
        else:
            super().action_back()
