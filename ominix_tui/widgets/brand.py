"""The program's name in the corner, and where the models are if that is not here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content
from textual.widgets import Label

from ominix_tui.text import one_line

if TYPE_CHECKING:
    from ominix_tui.app import OminixApp


class Brand(Label):
    """ "Ominix", or "Ominix on mac.local" with a mark while the line to it is down."""

    app: OminixApp

    def on_mount(self) -> None:
        self.watch(self.app, "place", self._show)
        self.watch(self.app, "line_is_down", self._show)

    def _show(self) -> None:
        if not self.app.place:
            self.update("Ominix")
            return
        place = one_line(self.app.place)
        if self.app.line_is_down:
            self.update(Content.assemble("Ominix ", (f"✗ {place} lost", "$text-error")))
        else:
            self.update(Content.assemble("Ominix ", (f"on {place}", "$text-muted not bold")))
