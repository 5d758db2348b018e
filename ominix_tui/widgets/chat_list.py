"""The kept conversations, with a search field above them."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Input

from ominix_core.chat_tree import Conversation
from ominix_tui.text import one_line
from ominix_tui.widgets.titles import Titles


class ChatList(Vertical):
    """The list is filled by its owner, who answers `Searched`."""

    DEFAULT_CSS = """
    ChatList {
        Input { background: $foreground 4%; }
        Input:focus { background: $foreground 10%; background-tint: transparent; }
    }
    """

    class Opened(Message):
        """Enter was pressed on a conversation."""

        def __init__(self, conversation_id: int) -> None:
            super().__init__()
            self.conversation_id = conversation_id

    class Searched(Message):
        """The words that are looked for have changed."""

    def __init__(self, *, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self._conversations: Sequence[Conversation] = ()

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

    def fill(self, conversations: Sequence[Conversation], shown: int | None) -> None:
        """Show these conversations, with the cursor on the one that is shown on the right."""
        self._conversations = conversations
        places = [conversation.id for conversation in conversations]
        titles = [_line(conversation, shown) for conversation in conversations]
        for list_ in self.query(Titles):  # the program may be ending
            list_.fill(titles, places.index(shown) if shown in places else 0)

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

    @on(Titles.Opened)
    def _on_opened(self, event: Titles.Opened) -> None:
        if event.index < len(self._conversations):  # the list may have become shorter since
            self.post_message(self.Opened(self._conversations[event.index].id))


def _line(conversation: Conversation, shown: int | None) -> str:
    mark = "▸ " if conversation.id == shown else "  "
    return mark + one_line(conversation.title)
