"""Shows images as large as the terminal allows, one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.widgets import Label

from ominix_core.chat_images import KeptImage
from ominix_tui.text import one_line
from ominix_tui.widgets.dialogs import DIALOG_CSS, Dialog
from ominix_tui.widgets.image_view import ImageView


class ImageDialog(Dialog[None]):
    """Left and right go from image to image, Escape closes.

    Args:
        images: What they are, each with its bytes; at least one.
    """

    DEFAULT_CSS = f"""
    ImageDialog {{
        {DIALOG_CSS}
        & > Container {{ width: 96%; max-width: 100%; height: 96%; max-height: 100%; }}
        Label {{ width: 1fr; color: $text-muted; }}
    }}
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,v,q", "dismiss", "Close", id="image.close", tooltip="Go back to the conversation"),
        Binding("left,h", "move(-1)", "Before", id="image.previous", tooltip="The image before"),
        Binding("right,l", "move(1)", "Next", id="image.next", tooltip="The next image"),
    ]

    def __init__(self, images: Sequence[tuple[KeptImage, bytes]]) -> None:
        super().__init__()
        self._images = images
        self._index = 0

    def compose(self) -> ComposeResult:
        with Container():
            yield ImageView()
            yield Label("← → other images · Escape closes" if len(self._images) > 1 else "Escape closes")

    def on_mount(self) -> None:
        self._show()

    def _show(self) -> None:
        image, data = self._images[self._index]
        box = self.query_one(Container)
        box.border_title = Content(one_line(image.name))
        place = f" · {self._index + 1} of {len(self._images)}" if len(self._images) > 1 else ""
        box.border_subtitle = f"{image.format} · {image.width} × {image.height} pixels{place}"
        self.query_one(ImageView).show(data)

    def action_move(self, step: int) -> None:
        self._index = (self._index + step) % len(self._images)
        self._show()
