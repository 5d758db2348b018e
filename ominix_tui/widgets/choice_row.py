"""A few words on one line, one of them chosen: with the arrow keys or a click."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget


class ChoiceRow(Widget, can_focus=True):
    """Posts `Changed` whenever another word is chosen.

    Args:
        options: Key and word of each option; the first is chosen at the start.
    """

    DEFAULT_CSS = """
    ChoiceRow {
        height: 1;
        color: $text-muted;
        &:focus { background: $foreground 10%; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "move(-1)", "Previous", id="choice.previous", tooltip="The choice before", show=False),
        Binding("right", "move(1)", "Next", id="choice.next", tooltip="The choice after", show=False),
    ]

    chosen: reactive[str] = reactive("")

    class Changed(Message):
        """Another option was chosen; `chosen` is its key."""

        def __init__(self, chosen: str) -> None:
            super().__init__()
            self.chosen = chosen

    def __init__(self, options: Iterable[tuple[str, str]], *, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self._options = tuple(options)
        self.set_reactive(ChoiceRow.chosen, self._options[0][0])

    def render(self) -> Content:
        words = []
        for key, word in self._options:
            style = "$text-primary bold underline" if key == self.chosen else ""
            words.append(Content.styled(word, style))
        return Content(" ").join(words)

    def watch_chosen(self, chosen: str) -> None:
        self.post_message(self.Changed(chosen))

    def action_move(self, step: int) -> None:
        keys = [key for key, _ in self._options]
        self.chosen = keys[(keys.index(self.chosen) + step) % len(keys)]

    def on_click(self, event: events.Click) -> None:
        end = 0
        for key, word in self._options:
            end += len(word) + 1
            if event.x < end:
                self.chosen = key
                return
