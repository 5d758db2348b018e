"""Jump mode: a letter on everything that can have the focus; typing it goes there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Label

from ominix_tui.widgets.dialogs import CANCEL, Dialog

LETTERS = "asdfghjklqwertyuiopzxcvbnm"


class JumpScreen(Dialog[Widget | None]):
    """Gives the widget whose letter was typed, or None.

    Args:
        below: The screen that it lies over.
    """

    DEFAULT_CSS = """
    JumpScreen {
        background: $background 40%;
        Label {
            position: absolute; width: 3; height: 1; content-align: center middle;
            background: $accent; color: $background; text-style: bold;
        }
        Label:ansi { text-style: bold reverse; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [CANCEL]

    def __init__(self, below: Screen[object]) -> None:
        super().__init__()
        self.targets = dict(zip(LETTERS, _targets(below), strict=False))

    def compose(self) -> ComposeResult:
        for letter, widget in self.targets.items():
            label = Label(letter, markup=False)
            label.styles.offset = widget.region.offset
            yield label

    def on_key(self, event: events.Key) -> None:
        if event.key in self.targets:
            event.stop()
            self.dismiss(self.targets[event.key])


def _targets(screen: Screen[object]) -> Iterator[Widget]:
    """What can have the focus and is in view, in the order of the Tab key."""
    for widget in screen.focus_chain:
        if widget.region.area and screen.region.contains_point(widget.region.offset):
            yield widget
