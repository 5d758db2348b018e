"""The kept conversations, with a search field above them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from ominix_core.chat_tree import Conversation
from ominix_tui.text import one_line


class Titles(OptionList):
    """One line a conversation. Its keys run actions of the screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select", "Open", id="chats.open", tooltip="Show this conversation"),
        Binding("j", "cursor_down", "Down", id="chats.down", tooltip="The next conversation", show=False),
        Binding("k", "cursor_up", "Up", id="chats.up", tooltip="The previous conversation", show=False),
        Binding("r", "screen.rename", "Rename", id="chats.rename", tooltip="Give the conversation another title"),
        Binding("d", "screen.delete", "Delete", id="chats.delete", tooltip="Delete the conversation; u brings it back"),
        Binding("x", "screen.export", "Export", id="chats.export", tooltip="Write it to a Markdown or JSON file"),
        Binding("slash", "screen.search", "Search", id="chats.search", tooltip="Find words in every conversation"),
    ]


class ChatList(Vertical):
    """The list is filled by its owner, who answers `Searched`."""

    DEFAULT_CSS = """
    ChatList {
        Input { background: $foreground 4%; }
        Input:focus { background: $foreground 10%; background-tint: transparent; }
        OptionList {
            height: 1fr;
            background: transparent;
            border: none;
            padding: 0;
            scrollbar-size-vertical: 1;
            text-wrap: nowrap;
            text-overflow: ellipsis;
            &:focus { border: none; background-tint: transparent 0%; }
            & > .option-list--option-highlighted { background: $foreground 12%; text-style: none; color: $foreground; }
            &:focus > .option-list--option-highlighted { background: $primary 40%; color: $text; text-style: bold; }
        }
    }
    """

    class Opened(Message):
        """Enter was pressed on a conversation."""

        def __init__(self, conversation_id: int) -> None:
            super().__init__()
            self.conversation_id = conversation_id

    class Searched(Message):
        """The words that are looked for have changed."""

    def compose(self) -> ComposeResult:
        yield Input(placeholder="Search", compact=True, id="search")
        yield Titles(id="titles")

    @property
    def query_text(self) -> str:
        return self.query_one(Input).value

    @property
    def highlighted(self) -> Conversation | None:
        """The conversation under the cursor."""
        index = self.query_one(Titles).highlighted
        return None if index is None else self._conversations[index]

    def on_mount(self) -> None:
        self._conversations: Sequence[Conversation] = ()

    def fill(self, conversations: Sequence[Conversation], shown: int | None) -> None:
        """Show these conversations, with the cursor on the one that is shown on the right."""
        titles = self.query_one(Titles)
        self._conversations = conversations
        titles.set_options(Option(_line(conversation, shown), str(conversation.id)) for conversation in conversations)
        if conversations:
            places = [conversation.id for conversation in conversations]
            titles.highlighted = places.index(shown) if shown in places else 0

    def focus_titles(self) -> None:
        self.query_one(Titles).focus()

    def focus_search(self) -> None:
        self.query_one(Input).focus()

    @on(Input.Changed)
    def _on_search(self) -> None:
        self.post_message(self.Searched())

    @on(Input.Submitted)
    def _on_submitted(self) -> None:
        self.focus_titles()

    @on(OptionList.OptionSelected)
    def _on_selected(self, event: OptionList.OptionSelected) -> None:
        self.post_message(self.Opened(int(event.option_id or 0)))


def _line(conversation: Conversation, shown: int | None) -> Text:
    mark = "▸ " if conversation.id == shown else "  "
    return Text(mark + (one_line(conversation.title)), no_wrap=True, overflow="ellipsis")
