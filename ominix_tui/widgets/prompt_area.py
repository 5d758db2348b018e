"""A text area in which Enter sends and Ctrl+J starts a new line, as in a chat."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import TextArea


class PromptArea(TextArea):
    """Grows with its text up to the height that its style allows."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "Send", id="prompt.submit", tooltip="Send the prompt to the model", priority=True),
        Binding("ctrl+j", "insert_newline", "New line", id="prompt.newline", tooltip="Start a new line", priority=True),
    ]

    class Submitted(Message):
        """Enter was pressed."""

    class Ready(Message):
        """The area is on the screen, and can take what was typed into it before."""

        def __init__(self, area: PromptArea) -> None:
            super().__init__()
            self.area = area

    def on_mount(self) -> None:
        self.post_message(self.Ready(self))

    def action_submit(self) -> None:
        self.post_message(self.Submitted())

    def action_insert_newline(self) -> None:
        self.insert("\n")
