"""A list of one-line titles of which one is chosen; it draws only the lines that are on the screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from ominix_tui.text import fitted
from ominix_tui.widgets.list_keys import moving_keys


class Titles(ScrollView, can_focus=True):
    """One line a conversation. Its keys run actions of the screen.

    Textual's OptionList measures every line when it is filled: 60 to 190 ms for 200 titles.

    Attributes:
        highlighted: The index of the line under the cursor; None while there is no line.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {"titles--cursor"}
    DEFAULT_CSS = """
    Titles {
        height: 1fr;
        background: transparent;
        overflow-x: hidden;
        scrollbar-size-vertical: 1;
        & > .titles--cursor { background: $foreground 12%; }
        &:focus > .titles--cursor { background: $primary 40%; color: $text; text-style: bold; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open", id="chats.open", tooltip="Show this conversation"),
        *moving_keys("move(1)", "move(-1)", "move(-999_999)", "move(999_999)", "page(1)", "page(-1)"),
        Binding("r", "screen.rename", "Rename", id="chats.rename", tooltip="Give the conversation another title"),
        Binding("d", "screen.delete", "Delete", id="chats.delete", tooltip="Delete the conversation; u brings it back"),
        Binding("x", "screen.export", "Export", id="chats.export", tooltip="Write it to a Markdown or JSON file"),
        Binding("slash", "screen.search", "Search", id="chats.search", tooltip="Find words in every conversation"),
    ]

    highlighted: reactive[int | None] = reactive(None)

    class Opened(Message):
        """Enter or a click on the line at `index`."""

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    def __init__(self, *, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self._titles: Sequence[str] = ()

    def fill(self, titles: Sequence[str], highlighted: int) -> None:
        """Show these titles, with the cursor on one of them."""
        self._titles = titles
        self.virtual_size = Size(0, len(titles))
        self.highlighted = min(highlighted, len(titles) - 1) if titles else None
        self._show_cursor()
        self.refresh()

    def watch_highlighted(self) -> None:
        self.refresh()

    def render_line(self, y: int) -> Strip:
        row, width = y + self.scroll_offset.y, self.scrollable_content_region.width
        if row >= len(self._titles):
            return Strip.blank(width, self.rich_style)
        style = self.rich_style
        if row == self.highlighted:
            _, background = self.background_colors
            cursor = self.get_component_styles("titles--cursor")
            style += Style(
                color=cursor.color.rich_color,
                bgcolor=(background + cursor.background).rich_color,
                bold="bold" in str(cursor.text_style),
            )
        return Strip([Segment(fitted(self._titles[row], width), style)], width)

    def action_open(self) -> None:
        if self.highlighted is not None:
            self.post_message(self.Opened(self.highlighted))

    def action_move(self, step: int) -> None:
        if self.highlighted is not None:
            self.highlighted = max(0, min(self.highlighted + step, len(self._titles) - 1))
            self._show_cursor()

    def action_page(self, step: int) -> None:
        self.action_move(step * max(1, self.size.height - 1))

    def on_click(self, event: events.Click) -> None:
        row = event.y + self.scroll_offset.y
        if row < len(self._titles):
            self.highlighted = row
            self.action_open()

    def _show_cursor(self) -> None:
        if self.highlighted is not None:
            self.scroll_to_region(Region(0, self.highlighted, 1, 1), animate=False, force=True)
