"""Going from screen to screen."""

from __future__ import annotations

import asyncio
import time
from importlib import import_module
from typing import ClassVar

from textual import events, work
from textual.binding import Binding, BindingType

from ominix_tui.places import PLACES
from ominix_tui.typed_ahead import TypedAheadApp, TypedKeys

SOON_SECONDS = 0.01
REST_SECONDS = 0.6
LONGEST_TYPING_SECONDS = 10.0


class NavigatingApp(TypedAheadApp):
    """An app with places to go to. What is typed while one opens goes to that one, not to the one before."""

    MODES: ClassVar = {place.name: place.screen for place in PLACES}
    DEFAULT_MODE = "hub"
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(
                place.keys,
                f"show('{place.name}')",
                place.title,
                place.name == "help",
                id=f"app.{place.name}",
                tooltip=place.tooltip,
                priority=True,  # text fields have uses of their own for F6 and F7
            )
            for place in PLACES
        ),
        Binding("ctrl+l", "jump", "Jump", id="app.jump", tooltip="Go to any field by a letter", show=False),
    ]

    def __init__(self, *, ansi_color: bool | None) -> None:
        super().__init__(ansi_color=ansi_color)
        self._former_place = "hub"
        self._last_typed = 0.0

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.Key | events.Paste | TypedKeys):
            self._last_typed = time.monotonic()
        await super().on_event(event)

    async def typing_rests(self) -> None:
        """Wait until nobody types into a field: what comes up then takes no letters away."""
        from textual.widgets import Input, TextArea  # not before the first paint

        soon = time.monotonic() + LONGEST_TYPING_SECONDS
        while isinstance(self.focused, Input | TextArea) and time.monotonic() < soon:
            if (left := self._last_typed + REST_SECONDS - time.monotonic()) <= 0:
                return
            await asyncio.sleep(left)

    def action_show(self, place: str) -> None:
        self.show(place)

    def action_show_hub(self) -> None:
        self.show("hub")

    @property
    def former_title(self) -> str:
        """The name of the screen before this one."""
        return next(place.title for place in PLACES if place.name == self._former_place)

    def go_back(self) -> None:
        """Go to the screen before this one."""
        self.show(self._former_place, back=True)

    def show(self, place: str, *, back: bool = False) -> None:
        """Go to a screen. Going `back` twice leads to the hub, not to and fro."""
        self.hold_keys()
        self._show(place, back)

    @work
    async def _show(self, place: str, back: bool) -> None:
        try:
            await self.go_to(place, back=back)
        finally:
            self.release_keys()

    async def go_to(self, place: str, *, back: bool = False) -> None:
        """The same as `show`, to its end; keys are not held."""
        from textual.command import CommandPalette

        await asyncio.to_thread(import_module, f"ominix_tui.screens.{place}")
        while isinstance(self.screen, CommandPalette):  # it closes while the action that was chosen in it runs
            await asyncio.sleep(SOON_SECONDS)
        if place == self.current_mode or len(self.screen_stack) > 1:  # a dialog wants its answer first
            return
        self._former_place = "hub" if back else self.current_mode
        await self.switch_mode(place)

    def action_command_palette(self) -> None:
        from ominix_tui.palette import Palette

        self.push_screen(Palette())

    def search_themes(self) -> None:
        from textual.theme import ThemeProvider

        from ominix_tui.palette import Palette

        self.push_screen(Palette([ThemeProvider], placeholder="Search for themes…"))

    @work
    async def action_jump(self) -> None:
        from ominix_tui.screens.jump import JumpScreen

        if len(self.screen_stack) == 1 and (widget := await self.push_screen_wait(JumpScreen(self.screen))):
            widget.focus()
