"""The keys that move through lists, beside the arrows."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import ListView, OptionList

from ominix_tui.widgets.still_scrollbar import StillScrollbar

_KEYS = {
    "down": ("down,j,n", "The next line"),
    "up": ("up,k,N", "The line before"),
    "first": ("home,g", "The first line"),
    "last": ("end,G", "The last line"),
    "page_down": ("pagedown,ctrl+d", "A page further"),
    "page_up": ("pageup,ctrl+u", "A page back"),
}


def moving_keys(*actions: str, without: str = "") -> list[BindingType]:
    """The bindings that move through a list.

    Args:
        actions: For down, up, first, last, page down and page up.
        without: A key that the list has another use for.
    """
    bindings: list[BindingType] = []
    for (name, (keys, meaning)), action in zip(_KEYS.items(), actions, strict=True):
        free = ",".join(key for key in keys.split(",") if key != without)
        title = name.replace("_", " ").capitalize()
        bindings.append(Binding(free, action, title, id=f"list.{name}", tooltip=meaning, show=False))
    return bindings


LIST_KEYS = moving_keys("cursor_down", "cursor_up", "first", "last", "page_down", "page_up")
SCROLL_KEYS = moving_keys("scroll_down", "scroll_up", "scroll_home", "scroll_end", "page_down", "page_up")
TREE_ACTIONS = ("cursor_down", "cursor_up", "scroll_home", "scroll_end", "page_down", "page_up")
TREE_KEYS = moving_keys(*TREE_ACTIONS)


class Lines(StillScrollbar, OptionList):
    """A list of lines that is also moved through by vim's keys, and looks as the program's lists do."""

    DEFAULT_CSS = """
    Lines {
        background: transparent;
        border: none;
        padding: 0;
        scrollbar-size-vertical: 1;
        scrollbar-gutter: stable;
        text-wrap: nowrap;
        text-overflow: ellipsis;
        &:focus { border: none; background-tint: transparent 0%; }
        & > .option-list--option-highlighted { background: $foreground 12%; text-style: none; color: $foreground; }
        &:focus > .option-list--option-highlighted { background: $primary 40%; color: $text; text-style: bold; }
        & > .option-list--option-disabled { color: $text-primary; text-style: bold; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = LIST_KEYS


class Rows(ListView):
    """A list of widgets with the same keys and looks."""

    DEFAULT_CSS = """
    Rows {
        background: transparent;
        scrollbar-size-vertical: 1;
        &:focus { background-tint: transparent 0%; }
        & > ListItem { background: transparent; height: auto; }
        & > ListItem.-highlight { background: $foreground 12%; color: $foreground; text-style: none; }
        &:focus > ListItem.-highlight { background: $primary 30%; color: $foreground; text-style: none; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = LIST_KEYS

    def action_first(self) -> None:
        self.index = 0

    def action_last(self) -> None:
        self.index = len(self) - 1

    def action_page_down(self) -> None:
        self._move_page(1)

    def action_page_up(self) -> None:
        self._move_page(-1)

    def _move_page(self, pages: int) -> None:
        if self.index is not None and len(self):
            tallest = max(child.outer_size.height for child in self.children) or 1
            rows = max(self.size.height // tallest, 1) * pages
            self.index = min(max(self.index + rows, 0), len(self) - 1)


class Reading(VerticalScroll):
    """Text to scroll through with the same keys."""

    BINDINGS: ClassVar[list[BindingType]] = SCROLL_KEYS
