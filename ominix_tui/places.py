"""The screens that one goes to, and the keys that lead there."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from textual.screen import Screen


@dataclass(frozen=True, slots=True)
class Place:
    """A screen.

    Attributes:
        name: Of its mode, and of its module in `ominix_tui.screens`.
        keys: The first works everywhere, the others where they are no text.
    """

    name: str
    title: str
    keys: str
    tooltip: str

    def screen(self) -> Screen[None]:
        """Make the screen; its module is imported only now, so that it does not delay the first paint."""
        module = import_module(f"ominix_tui.screens.{self.name}")
        screen = cast("Screen[None]", getattr(module, f"{self.name.capitalize()}Screen")())
        # Otherwise Textual takes the screen for one from before a change of theme and parses every sheet again, twice.
        screen._css_update_count = screen.app._css_update_count
        return screen


PLACES = (
    Place("hub", "Hub", "f2", "Every model: find, get, load and try it"),
    Place("chat", "Chat", "f3", "Conversations with a model"),
    Place("downloads", "Downloads", "f4,D", "What is on its way, and what is on this machine"),
    Place("server", "Server", "f5,S", "Serve the models to other programs"),
    Place("settings", "Settings", "f6,comma", "Every setting, with its meaning"),
    Place("logs", "Logs", "f7,L", "What the program, its server and its models write"),
    Place("help", "Help", "f1,question_mark", "The keys of every screen"),
)
