"""One widget that shows an answer as Markdown while it is being written."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from textual.content import Content
from textual.geometry import Size

from ominix_tui.text import printable
from ominix_tui.widgets.content_lines import ContentLines
from ominix_tui.widgets.markdown_lines import parser, render_markdown, render_tokens

if TYPE_CHECKING:
    from markdown_it.token import Token

LIVE_CODE_LINES = 12
SETTLED_CODE_LINES = 8
LIVE_CHARACTERS = 2000
SETTLED_CHARACTERS = 1000


class MarkdownView(ContentLines):
    """Markdown that grows by `append` and is drawn anew, as a whole, by `finish`.

    Textual's Markdown keeps a widget per block and stalls the event loop for 150 to 550 ms on lists and code at
    200 tokens/s. Here only the last block is rendered again; what lies before it has settled into lines.
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  the name that every Textual widget uses
        super().__init__(id=id)
        self._source = ""
        self._settled: list[Content] = []
        self._tail = ""
        self._tail_continues = False
        self._width = 0
        self._redrawing = False

    @property
    def source(self) -> str:
        """Everything that was appended, without control codes."""
        return self._source

    def clear(self) -> None:
        self._source = self._tail = ""
        self._settled, self._lines = [], []
        self._strips.clear()
        self._tail_continues = self._redrawing = False
        self.refresh(layout=True)

    def append(self, text: str) -> None:
        """Add text to the end."""
        text = printable(text)
        self._source += text
        self._tail += text
        if self._width and not self._redrawing:
            height = len(self._lines)
            self._draw_tail(self._settle())
            self.refresh(layout=len(self._lines) != height)

    async def finish(self) -> None:
        """Render the whole document once, off the event loop: what comes last can change what stands first."""
        source, width = self._source, self._width
        lines = await asyncio.to_thread(render_markdown, source, width) if width else []
        if (source, width) == (self._source, self._width):
            self._lines, self._redrawing = lines, False
            self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        if width != self._width:
            self._width = width
            self._strips.clear()
            if len(self._source) > LIVE_CHARACTERS:
                self._redrawing = True
                self.run_worker(self._draw_anew(), exclusive=True)
            else:
                self._settled, self._tail, self._tail_continues = [], self._source, False
                self._draw_tail(parser().parse(self._tail) if self._tail else [])
        return len(self._lines)

    async def _draw_anew(self) -> None:
        """Render a long text for another width off the event loop; the old lines stand meanwhile."""
        source, width = self._source, self._width
        lines = await asyncio.to_thread(render_markdown, source, width)
        if width != self._width or not self._redrawing:
            return
        self._redrawing = False
        self._settled, self._tail, self._tail_continues = lines, self._source[len(source) :], True
        self._draw_tail(self._settle())
        self.refresh(layout=True)

    def _draw_tail(self, tokens: list[Token]) -> None:
        tail = render_tokens(tokens, self._width) if tokens else []
        apart = [Content()] if self._settled and tail and not self._tail_continues else []
        self._lines = self._settled + apart + tail

    def _settle(self) -> list[Token]:
        """Move what no further text can change from the tail to the settled lines; returns the tail, parsed.

        Blocks and list items are such. Long code and endless paragraphs are cut too, because their cost grows with
        them; `finish` joins them again.
        """
        tokens = parser().parse(self._tail)
        blocks = _starts(tokens, level=0)
        items = _starts([token for token in tokens if token.type == "list_item_open"], level=1)
        first = tokens[0].type if tokens else ""
        if len(blocks) > 1:
            self._settle_until(self._offset_of_line(blocks[-1]), continues=False)
        elif len(items) > 1:
            self._settle_until(self._offset_of_line(items[-1]), continues=True)
        elif first == "fence" and self._tail.count("\n") > LIVE_CODE_LINES:
            opening = self._tail[: self._offset_of_line(1)]
            self._settle_until(self._offset_of_line(SETTLED_CODE_LINES + 1), continues=True, reopen=opening)
        elif first == "paragraph_open" and len(self._tail) > LIVE_CHARACTERS:
            self._settle_until(self._tail.rfind(" ", 0, SETTLED_CHARACTERS) + 1 or SETTLED_CHARACTERS, True)
        else:
            return tokens
        return parser().parse(self._tail)

    def _offset_of_line(self, number: int) -> int:
        return sum(len(row) for row in self._tail.splitlines(keepends=True)[:number])

    def _settle_until(self, offset: int, continues: bool, reopen: str = "") -> None:
        settled = render_markdown(self._tail[:offset], self._width)
        apart = [Content()] if self._settled and not self._tail_continues else []
        self._settled = self._settled + apart + settled
        self._tail = reopen + self._tail[offset:]
        self._tail_continues = continues


def _starts(tokens: list[Token], level: int) -> list[int]:
    """The first line of each block that opens at this level."""
    return [token.map[0] for token in tokens if token.map and token.level == level and token.nesting >= 0]
