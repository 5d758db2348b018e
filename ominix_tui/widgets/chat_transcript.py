"""What was said: the kept messages, and below them the answer that is being written."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll

from ominix_tui.widgets.chat_history import Block, ChatHistory
from ominix_tui.widgets.response import Response

if TYPE_CHECKING:
    from ominix_core.stream import Generation


class ChatTranscript(VerticalScroll):
    """Stays at its end until the user chooses a message."""

    DEFAULT_CSS = """
    ChatTranscript {
        scrollbar-size-vertical: 1;
        scrollbar-gutter: stable;
        /* At least as high as what it scrolls in: an anchored container puts less than that at its bottom. */
        #said { height: auto; min-height: 100%; }
        #live { height: auto; display: none; }
        #live #page { min-height: 0; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "choose(-1)", "Message", id="chat.up", tooltip="Choose the message above", key_display="↑↓"),
        Binding("down,j", "choose(1)", "Below", id="chat.down", tooltip="Choose the message below", show=False),
        Binding("c", "copy", "Copy", id="chat.copy", tooltip="Copy the chosen message, or the last one"),
        Binding("t", "thoughts", "Thoughts", id="chat.thoughts", tooltip="Show or hide what the model thought first"),
    ]

    def __init__(self, *, id: str, classes: str) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self.history = ChatHistory(id="history")
        self.response = Response(id="live", classes="box")

    def compose(self) -> ComposeResult:
        with Vertical(id="said"):
            yield self.history

    async def follow(self, generation: Generation) -> None:
        """Show this answer while it is being written. Its many widgets are made when the first one comes."""
        if not self.response.is_attached:
            await self.query_one("#said").mount(self.response)
        self.response.follow(generation)

    def choose(self, message_id: int) -> None:
        """Choose a message and bring it into view."""
        self._bring_into_view(self.history.choose_message(message_id))

    def action_choose(self, step: int) -> None:
        self._bring_into_view(self.history.choose(step))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "copy":
            return self.history.last(lambda _: True) is not None
        return action != "thoughts" or self.history.last(lambda message: bool(message.reasoning)) is not None

    def action_copy(self) -> None:
        if message := self.history.last(lambda _: True):
            self.app.copy_to_clipboard(message.content)
            self.notify("The message was copied.")

    def action_thoughts(self) -> None:
        if message := self.history.last(lambda message: bool(message.reasoning)):
            self.history.toggle_thoughts(message)

    def _bring_into_view(self, block: Block | None) -> None:
        if block is not None:
            self.anchor(False)
            self.scroll_to(y=max(block.start - 1, 0), animate=False)

    @on(ChatHistory.Drawn)
    def _on_drawn(self) -> None:
        if self.history.chosen is None:
            self.anchor()
