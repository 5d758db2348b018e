"""One widget that shows an answer as Markdown while it is being written."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from textual.content import Content
from textual.geometry import Size
from textual.strip import Strip
from textual.visual import Visual
from textual.widget import Widget

from ominix_tui.text import printable
from ominix_tui.widgets.markdown_lines import parser, render_markdown

if TYPE_CHECKING:
    from textual.selection import Selection

LIVE_CODE_LINES = 30
SETTLED_CODE_LINES = 20
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})[^\n]*\n")


class MarkdownView(Widget):
    """Markdown that grows by `append` and is drawn anew, as a whole, by `finish`.

    Textual's Markdown keeps a widget per block and stalls the event loop for 150 to 550 ms on lists and code at
    200 tokens/s. Here only the last block is rendered again; what lies before it has settled into lines.
    """

    DEFAULT_CSS = """
    MarkdownView { height: auto; width: 1fr; }
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  the name that every Textual widget uses
        super().__init__(id=id)
        self._source = ""
        self._settled: list[Content] = []
        self._tail = ""
        self._tail_continues = False
        self._lines: list[Content] = []
        self._width = 0
        self._strips: dict[int, tuple[Content, Strip]] = {}

    @property
    def source(self) -> str:
        """Everything that was appended, without control codes."""
        return self._source

    def clear(self) -> None:
        self._source = self._tail = ""
        self._settled, self._lines = [], []
        self._strips.clear()
        self._tail_continues = False
        self.refresh(layout=True)

    def append(self, text: str) -> None:
        """Add text to the end."""
        text = printable(text)
        self._source += text
        self._tail += text
        if self._width:
            self._settle()
            self._draw_tail()
        self.refresh(layout=True)

    async def finish(self) -> None:
        """Render the whole document once, off the event loop: what comes last can change what stands first."""
        source, width = self._source, self._width
        lines = await asyncio.to_thread(render_markdown, source, width) if width else []
        if (source, width) == (self._source, self._width):
            self._lines = lines
            self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        if width != self._width:
            self._width = width
            self._strips.clear()
            self._settled, self._tail, self._tail_continues = [], self._source, False
            self._draw_tail()
        return len(self._lines)

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

    def _draw_tail(self) -> None:
        tail = render_markdown(self._tail, self._width)
        apart = [Content()] if self._settled and tail and not self._tail_continues else []
        self._lines = self._settled + apart + tail

    def _settle(self) -> None:
        """Move what no further text can change from the tail to the settled lines."""
        tokens = parser().parse(self._tail)
        starts = [token.map[0] for token in tokens if token.map and token.level == 0 and token.nesting >= 0]
        items = [token.map[0] for token in tokens if token.map and token.level == 1 and token.type == "list_item_open"]
        if len(starts) > 1:
            self._settle_lines(starts[-1], continues=False)
        elif len(items) > 1:
            self._settle_lines(items[-1], continues=True)
        elif tokens and tokens[-1].type == "fence" and self._tail.count("\n") > LIVE_CODE_LINES:
            opening = _FENCE.match(self._tail)
            if opening:
                self._settle_lines(SETTLED_CODE_LINES, continues=True, reopen=opening.group())

    def _settle_lines(self, count: int, continues: bool, reopen: str = "") -> None:
        rows = self._tail.splitlines(keepends=True)
        settled = render_markdown("".join(rows[:count]), self._width)
        apart = [Content()] if self._settled and not self._tail_continues else []
        self._settled = self._settled + apart + settled
        self._tail = reopen + "".join(rows[count:])
        self._tail_continues = continues
