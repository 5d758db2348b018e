"""Where a question is written: the prompt, and above it the files that go with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.message import Message

from ominix_core.images import NamedImage
from ominix_tui.widgets.attachments import Attachments, Chip
from ominix_tui.widgets.prompt_area import PromptArea


class ChatPrompt(Container):
    """Enter sends what is written. What is told and warned of stands in its border."""

    DEFAULT_CSS = """
    ChatPrompt {
        height: auto;
        #prompt {
            height: auto; min-height: 1; max-height: 8; border: none; padding: 0;
            background: $foreground 4%;
        }
        #prompt:focus { background: $foreground 10%; background-tint: transparent; }
        Attachments { display: none; max-height: 4; overflow-y: auto; }
        Attachments .caption, Attachments #choose, Attachments #none { display: none; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+f", "attach", "Attach", id="chat.attach", tooltip="Send an image or a text file", priority=True),
    ]

    @dataclass
    class Submitted(Message):
        """A question is to be asked; `text` holds the text files too."""

        text: str
        images: tuple[NamedImage, ...]

    class Changed(Message):
        """Other files go with the question."""

    def __init__(self, *, id: str, classes: str) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self.area = PromptArea(placeholder="Ask something", compact=True, highlight_cursor_line=False, id="prompt")
        self.area.takes_files = True

    def compose(self) -> ComposeResult:
        yield self.area

    @property
    def images(self) -> tuple[NamedImage, ...]:
        """The images that go with the question."""
        return tuple(image for row in self.query(Attachments) for image in row.images)

    async def clear(self) -> None:
        """Make place for the next question."""
        self.area.clear()
        for row in self.query(Attachments):
            await row.clear()

    def tell(self, words: Sequence[str]) -> None:
        """Show what is set for the conversation."""
        self.border_title = Content(" · ".join(words))

    def warn(self, words: str) -> None:
        """Show what will not work if the question is sent; nothing if it is empty."""
        self.border_subtitle = Content.styled(words, "$text-warning")

    @on(PromptArea.Submitted)
    def _on_submitted(self, event: PromptArea.Submitted) -> None:
        event.stop()
        text = self.area.text.strip()
        files = [file.fenced for row in self.query(Attachments) for file in row.texts]
        if text:
            self.post_message(self.Submitted("\n\n".join([text, *files]), self.images))
        elif files or self.images:
            self.notify("Type what you want to know of it.")

    # -- files --------------------------------------------------------------------------------------------------

    async def _attachments(self) -> Attachments:
        """The row of files, which is made when it is first needed."""
        for row in self.query(Attachments):
            return row
        row = Attachments(takes_texts=True)
        await self.mount(row, before=self.area)
        return row

    @work
    async def action_attach(self) -> None:
        (await self._attachments()).choose()

    @on(PromptArea.FilesDropped)
    @work
    async def _on_dropped(self, event: PromptArea.FilesDropped) -> None:
        (await self._attachments()).attach(event.paths)

    @on(Attachments.Refused)
    def _on_refused(self, event: Attachments.Refused) -> None:
        self.notify(event.problem, severity="error", markup=False)

    @on(Attachments.Changed)
    def _on_changed(self) -> None:
        row = self.query_one(Attachments)
        row.display = bool(row.query(Chip))
        if not row.display or not row.has_focus_within:
            self.area.focus()
        self.post_message(self.Changed())
