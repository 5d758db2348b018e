"""The images of a session, by their numbers on one line."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widget import Widget


class Gallery(Widget, can_focus=True):
    """Left and right, or a click, choose an image; `Chosen` tells which."""

    DEFAULT_CSS = """
    Gallery {
        height: 1;
        color: $text-muted;
        &:focus { background: $foreground 10%; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "move(-1)", "Previous image", id="gallery.previous", tooltip="Show the image before"),
        Binding("right", "move(1)", "Next image", id="gallery.next", tooltip="Show the image after"),
    ]

    class Chosen(Message):
        """An image was chosen; `index` counts from 0."""

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    def __init__(self, *, id: str) -> None:  # noqa: A002  the name that every widget uses
        super().__init__(id=id)
        self._count = 0
        self._shown: int | None = None

    def show(self, count: int, shown: int | None) -> None:
        """There are `count` images, of which one is shown."""
        self._count, self._shown = count, shown
        self.can_focus = count > 1
        self.refresh()

    def render(self) -> Content:
        if self._count < 2 or self._shown is None:
            return Content()
        before = "‹ " if self._shown > 0 else "  "
        after = " ›" if self._shown + 1 < self._count else ""
        return (
            Content(before)
            + Content.styled(f"{self._shown + 1}", "$text-primary bold")
            + Content(f" of {self._count}{after}")
        )

    def action_move(self, by: int) -> None:
        if self._shown is not None and 0 <= self._shown + by < self._count:
            self.post_message(self.Chosen(self._shown + by))

    def on_click(self, event: events.Click) -> None:
        self.action_move(-1 if event.x < 2 else 1)
