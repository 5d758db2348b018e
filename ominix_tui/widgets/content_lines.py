"""A widget that draws lines of styled text which are wrapped already: only those that are on the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content
from textual.geometry import Size
from textual.reactive import Reactive
from textual.strip import Strip
from textual.visual import Visual
from textual.widget import Widget

if TYPE_CHECKING:
    from textual.selection import Selection


class ContentLines(Widget):
    """The base of widgets that fill `_lines`; the text can be selected with the mouse."""

    DEFAULT_CSS = """
    ContentLines { height: auto; width: 1fr; }
    """

    virtual_size = Reactive(Size(0, 0))  # Textual's own lays out the screen a second time for every line

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  the name that every Textual widget uses
        super().__init__(id=id)
        self._lines: list[Content] = []
        self._strips: dict[int, tuple[Content, Strip]] = {}

    def render_line(self, y: int) -> Strip:
        line = self._lines[y] if y < len(self._lines) else Content()
        selected = self.text_selection.get_span(y) if self.text_selection is not None else None
        if selected is not None:
            start, end = selected
            style = self.screen.get_visual_style("screen--selection")
            return self._strip_of(line.stylize(style, start, len(line) if end == -1 else end), y)
        known, strip = self._strips.get(y, (None, Strip.blank(0)))
        if known is not line:
            strip = self._strip_of(line, y)
            self._strips[y] = (line, strip)
        return strip

    def notify_style_update(self) -> None:
        self._strips.clear()
        super().notify_style_update()

    def _strip_of(self, line: Content, y: int) -> Strip:
        width = max(self.size.width, 1)
        strips = Visual.to_strips(self, line, width, 1, self.visual_style, apply_selection=False)
        return strips[0].extend_cell_length(width, self.rich_style).apply_offsets(0, y)

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        return selection.extract("\n".join(line.plain.rstrip() for line in self._lines)), "\n"
