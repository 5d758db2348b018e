"""What the screens beside the hub and the chat share."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import Screen

from ominix_tui.screens.hub import WIDTHS
from ominix_tui.widgets.key_line import KeyLine
from ominix_tui.widgets.top_line import TopLine

if TYPE_CHECKING:
    from ominix_tui.app import OminixApp


class PlaceScreen(Screen[None]):
    """A screen with the top line and the line of keys; subclasses give its `name` and compose its `body`."""

    app: OminixApp
    HORIZONTAL_BREAKPOINTS = WIDTHS
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back", id="place.back", tooltip="Go back to the screen before"),
    ]
    PLACE: ClassVar[str]

    def compose(self) -> ComposeResult:
        yield TopLine(self.PLACE)
        with Vertical(id="body"):
            yield from self.body()
        yield KeyLine()

    @abstractmethod
    def body(self) -> ComposeResult:
        """The widgets between the top line and the line of keys."""

    def action_back(self) -> None:
        self.app.go_back()

    def note(self, words: str) -> None:
        """Show a few words at the right of the top line."""
        self.query_one(TopLine).note = words
