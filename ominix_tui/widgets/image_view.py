"""A picture in the terminal: real pixels where the terminal has them, half-blocks elsewhere."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rich.control import Control
from rich.segment import ControlType, Segment
from rich.style import Style
from textual import work
from textual.content import Content
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from ominix_core.images import ImageError, open_image
from ominix_tui import terminal_images
from ominix_tui.pictures import Picture, paint

if TYPE_CHECKING:
    from PIL.Image import Image

_AS_CONTROL = ((ControlType.CURSOR_FORWARD, 0),)  # keeps the renderers from measuring or cutting what is no text


class ImageView(Widget):
    """Shows one encoded image, as large as its box allows; decoding and scaling happen on a thread.

    Attributes:
        data: The image that is shown, or will be once it is painted.
    """

    DEFAULT_CSS = """
    ImageView { width: 1fr; height: 1fr; color: $text-muted; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self.data: bytes | None = None
        self._image: Image | None = None
        self._picture: Picture | None = None
        self._note = ""

    @property
    def shows_picture(self) -> bool:
        """Whether a picture is on the screen now."""
        return self._picture is not None

    def show(self, data: bytes | None) -> None:
        """Show this image, in any common format, instead of the last; None shows nothing."""
        self.data, self._image, self._note = data, None, ""
        if data is None:
            self._take(None, "")
        elif terminal_images.mode() == "off":
            self._take(None, 'Pictures are turned off: images = "off" in config.toml.')
        else:
            self._paint()

    def on_resize(self) -> None:
        if self.data is not None and terminal_images.mode() != "off":
            self._paint()

    def on_unmount(self) -> None:
        self._drop_picture()

    @work(exclusive=True)
    async def _paint(self) -> None:
        """Only the newest call counts."""
        data, (columns, rows) = self.data, self.content_size
        if data is None or columns < 1 or rows < 1:
            return
        try:
            if self._image is None:
                self._image = await asyncio.to_thread(open_image, data)
            picture = await asyncio.to_thread(paint, self._image, columns, rows, terminal_images.mode())
        except ImageError as error:
            self._take(None, str(error))
        else:
            self._take(picture, "")

    def _take(self, picture: Picture | None, note: str) -> None:
        self._drop_picture()
        self._picture, self._note = picture, note
        self.refresh()

    def _drop_picture(self) -> None:
        if self._picture is not None:
            self._picture.forget()
            self._picture = None

    # -- drawing ------------------------------------------------------------------------------------------------

    def render(self) -> Content:
        return Content(self._note)

    def render_lines(self, crop: Region) -> list[Strip]:
        picture = self._picture
        if picture is None:
            return super().render_lines(crop)
        fits = picture.columns <= self.size.width and len(picture.lines) <= self.size.height
        if picture.sixels and fits and self._is_uncovered(crop):
            return self._sixel_lines(picture)
        return [self._line(picture, y).crop(crop.x, crop.right) for y in crop.line_range]

    def _line(self, picture: Picture, y: int) -> Strip:
        """A line of the picture in the middle of the box."""
        width, height = self.size
        left, row = (width - picture.columns) // 2, y - (height - len(picture.lines)) // 2
        if not 0 <= row < len(picture.lines):
            return Strip.blank(width, self.rich_style)
        line = Strip(picture.lines[row], picture.columns)
        before = Strip.blank(max(0, left), self.rich_style)
        after = Strip.blank(max(0, width - left - picture.columns), self.rich_style)
        return Strip.join([before, line, after])

    def _is_uncovered(self, crop: Region) -> bool:
        """Whether pixels may be drawn: what only partly shows, or lies below something else, is drawn with cells."""
        screen = self.screen
        whole = crop == Region(0, 0, *self.size) == Region(0, 0, *screen.find_widget(self).visible_region.size)
        return whole and screen.is_active and not screen.query("Toast")

    def _sixel_lines(self, picture: Picture) -> list[Strip]:
        width, height = self.size
        region = self.screen.find_widget(self).visible_region
        left, top = (width - picture.columns) // 2, (height - len(picture.lines)) // 2
        start = Control.move_to(region.x + left, region.y + top).segment.text
        end = Control.move_to(region.right, region.bottom - 1).segment.text
        drawing = [Segment(text, Style.null(), _AS_CONTROL) for text in (start, picture.sixels, end)]
        blank = Strip.blank(width, self.rich_style)
        return [blank] * (height - 1) + [Strip([*blank, *drawing], width)]
