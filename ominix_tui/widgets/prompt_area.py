"""A text area in which Enter sends and Ctrl+J starts a new line, as in a chat."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import TextArea

from ominix_tui.dropped_files import dropped_files


class PromptArea(TextArea):
    """Grows with its text up to the height that its style allows.

    Attributes:
        takes_files: Whether files that are dropped or pasted are told of, instead of their paths becoming text.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "Send", id="prompt.submit", tooltip="Send the prompt to the model", priority=True),
        Binding("ctrl+j", "insert_newline", "New line", id="prompt.newline", tooltip="Start a new line", priority=True),
    ]
    takes_files = False

    class Submitted(Message):
        """Enter was pressed."""

    @dataclass
    class FilesDropped(Message):
        """Files were dropped or pasted."""

        paths: list[Path]

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

    async def _on_paste(self, event: events.Paste) -> None:
        if self.takes_files and (paths := dropped_files(event.text)):
            event.prevent_default()
            event.stop()
            self.post_message(self.FilesDropped(paths))
