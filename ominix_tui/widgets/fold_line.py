"""A line that shows or hides another widget."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget


class FoldLine(Widget, can_focus=True):
    """Enter or a click on it unfolds the widget, which is hidden at first.

    Attributes:
        title: What the line says.
        folded: Whether the widget is hidden.
    """

    DEFAULT_CSS = """
    FoldLine {
        height: 1;
        width: 1fr;
        color: $text-muted;
        text-wrap: nowrap;
        text-overflow: ellipsis;
        &:hover { background: $foreground 10%; }
        &:focus { background: $primary 40%; color: $text; text-style: bold; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,space", "toggle('folded')", "Fold", id="fold.toggle", tooltip="Show or hide what lies below"),
    ]

    class Toggled(Message):
        """What lies below was hidden or shown."""

    title: reactive[str] = reactive("")
    folded: reactive[bool] = reactive(True, init=False)

    def __init__(self, title: str, target: Widget, *, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self.set_reactive(FoldLine.title, title)
        self._target = target
        target.display = False

    def render(self) -> Content:
        return Content(f"{'▸' if self.folded else '▾'} {self.title}")

    def watch_folded(self, folded: bool) -> None:
        self._target.display = not folded
        self.post_message(self.Toggled())

    def on_click(self) -> None:
        self.folded = not self.folded
