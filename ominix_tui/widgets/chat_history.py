"""The messages of a conversation as Markdown, rendered off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from textual.content import Content
from textual.geometry import Size
from textual.message import Message as TextualMessage

from ominix_core.chat_tree import Chat, Message
from ominix_tui import terminal_images
from ominix_tui.text import counted, one_line, printable
from ominix_tui.widgets import thumbnails
from ominix_tui.widgets.content_lines import ContentLines
from ominix_tui.widgets.markdown_lines import render_markdown

LAST_MESSAGES = 20
"""What is rendered and shown first when a long conversation is opened: more than a screen of it."""

GUTTER = Content("  ")
BAR = Content.styled("▌ ", "$text-accent")
FAINT = "$foreground 60%"
ENDINGS = {"length": "cut at max tokens", "cancelled": "stopped", "failed": "broke off"}


@dataclass(frozen=True, slots=True)
class Block:
    """One message and the lines that it takes."""

    message: Message
    start: int
    stop: int


class ChatHistory(ContentLines):
    """The branch of a conversation that is shown; one of its messages can be chosen, and then has a bar."""

    class Drawn(TextualMessage):
        """The lines are new."""

    def __init__(self, *, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self._chat: Chat | None = None
        self._name_of: Callable[[str], str] = str
        self._width = 0
        self._bodies: dict[tuple[int, int], list[Content]] = {}
        self._pictures: dict[str, list[Content]] = {}
        self._unfolded: set[int] = set()
        self._blocks: list[Block] = []
        self._chosen: int | None = None

    async def show(self, chat: Chat | None, name_of: Callable[[str], str]) -> None:
        """Show the conversation; `name_of` gives a model's name for its id. Nothing is chosen then."""
        if chat is None or self._chat is None or chat.conversation.id != self._chat.conversation.id:
            self._bodies, self._pictures = {}, {}
        self._chat, self._name_of, self._chosen = chat, name_of, None
        await self._draw()

    def last(self, fits: Callable[[Message], bool]) -> Message | None:
        """The chosen message, or else the last one, if it fits; otherwise the nearest one above that does."""
        if self._chat is None:
            return None
        branch = self._chat.branch_to(self.chosen.id) if self.chosen else self._chat.branch
        return next((message for message in reversed(branch) if fits(message)), None)

    @property
    def chosen(self) -> Message | None:
        """The message that the user has chosen."""
        block = self._block(self._chosen)
        return block.message if block else None

    def choose(self, step: int) -> Block | None:
        """Choose the message `step` places after the chosen one (the last, if there is none) and return its place."""
        if not self._blocks:
            return None
        places = [block.message.id for block in self._blocks]
        place = places.index(self._chosen) + step if self._chosen in places else len(places) - 1
        return self.choose_message(places[max(0, min(place, len(places) - 1))])

    def choose_message(self, message_id: int | None) -> Block | None:
        """Choose this message, or none, and return its place."""
        self._mark(False)
        self._chosen = message_id
        self._mark(True)
        return self._block(message_id)

    def toggle_thoughts(self, message: Message) -> None:
        """Unfold what the model thought before this answer, or fold it again."""
        self._unfolded ^= {message.id}
        self.run_worker(self._draw(), exclusive=True)

    def _block(self, message_id: int | None) -> Block | None:
        return next((block for block in self._blocks if block.message.id == message_id), None)

    def _mark(self, marked: bool) -> None:
        if block := self._block(self._chosen):
            for y in range(block.start, block.stop):
                self._lines[y] = (BAR if marked else GUTTER) + self._lines[y][len(GUTTER) :]
            self.refresh()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        if width != self._width:
            self._width = width
            self.run_worker(self._draw(), exclusive=True)
        return len(self._lines)

    async def _draw(self) -> None:
        """Render what is not rendered yet: the last messages first, so that they are there at once."""
        chat, width = self._chat, self._width
        branch = chat.branch if chat else []
        for part in (branch[-LAST_MESSAGES:], branch) if len(branch) > LAST_MESSAGES else (branch,):
            lines, blocks = await asyncio.to_thread(self._render_messages, part, width) if width else ([], [])
            if (chat, width) != (self._chat, self._width):
                return
            self._lines, self._blocks = lines, blocks
            self._strips.clear()
            self._mark(True)
            self.refresh(layout=True)
            self.post_message(self.Drawn())

    def _render_messages(self, messages: Sequence[Message], width: int) -> tuple[list[Content], list[Block]]:
        lines: list[Content] = []
        blocks: list[Block] = []
        for message in messages:
            key = (message.id, width)
            if key not in self._bodies:
                body = render_markdown(printable(message.content), max(width - len(GUTTER), 1))
                self._bodies[key] = [GUTTER + line for line in body]
            start = len(lines)
            thoughts = self._thoughts(message, width) if message.id in self._unfolded else []
            shown = self._shown_images(message, width)
            lines += [GUTTER + self._heading(message), *shown, *thoughts, *self._bodies[key]]
            blocks.append(Block(message, start, len(lines)))
            lines.append(Content())
        return lines, blocks

    def _shown_images(self, message: Message, width: int) -> list[Content]:
        """The message's images, small, below their names."""
        if not message.images:
            return []
        lines = [thumbnails.caption(message.images)]
        if terminal_images.mode() != "off":
            for image in message.images:
                if image.digest not in self._pictures:
                    self._pictures[image.digest] = thumbnails.picture(image)
            pictures = [self._pictures[image.digest] for image in message.images]
            lines += thumbnails.side_by_side(pictures, max(width - len(GUTTER), 1))
        return [GUTTER + line for line in lines]

    def _thoughts(self, message: Message, width: int) -> list[Content]:
        """What the model thought before it answered, fainter than its answer."""
        body = render_markdown(printable(message.reasoning), max(width - len(GUTTER), 1))
        return [GUTTER + line.stylize(FAINT) for line in [*body, Content()]]

    def _heading(self, message: Message) -> Content:
        if message.role == "user":
            heading = Content.styled("You", "bold $text-primary")
        else:
            heading = Content.styled(one_line(self._name_of(message.model_id)) or "Answer", "bold $text-secondary")
        notes = []
        alternatives = self._chat.alternatives(message) if self._chat else ()
        if len(alternatives) > 1:
            notes.append(f"‹ {alternatives.index(message) + 1}/{len(alternatives)} ›")
        if message.reasoning:
            arrow = "▾" if message.id in self._unfolded else "▸"
            notes.append(f"{arrow} thought, {counted(len(message.reasoning.split()), 'word')}")
        if message.ending:
            notes.append(ENDINGS.get(message.ending, message.ending))
        return heading + Content.styled("".join(f"  {note}" for note in notes), FAINT)
