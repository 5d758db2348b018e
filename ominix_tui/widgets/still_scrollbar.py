"""Scrollbars that are drawn when they change."""

from __future__ import annotations

from typing import Any

from textual.geometry import Size
from textual.scroll_view import ScrollView


class StillScrollbar:
    """Put before a ScrollView: Textual draws its scrollbar whenever anything on the screen is laid out.

    While an answer streams beside a list, that makes it draw the whole screen for every line.
    """

    _scrollbar_shows: tuple[Size, Size, Size] | None = None

    def _scroll_update(self: Any, virtual_size: Size) -> None:
        shows = (virtual_size, self.size, self.container_size)
        if shows != self._scrollbar_shows:
            self._scrollbar_shows = shows
            ScrollView._scroll_update(self, virtual_size)
