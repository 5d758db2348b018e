"""The program's name in the corner, and where the models are if that is not here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content
from textual.widgets import Label

from ominix_tui.text import one_line

if TYPE_CHECKING:
    from ominix_tui.app import OminixApp


class Brand(Label):
    """ "Ominix", or "Ominix on mac.local"; "Ominix ✗ mac.local" while the line to it is down."""

    DEFAULT_CSS = """
    Brand {
        max-width: 21;
        text-wrap: nowrap;
        text-overflow: ellipsis;
    }
    .-wide Brand { max-width: 40; }
    """
    app: OminixApp

    def on_mount(self) -> None:
        self.watch(self.app, "place", self._show)
        self.watch(self.app, "line_is_down", self._show)

    def _show(self) -> None:
        host = "localhost" if self.app.place.startswith("localhost:") else one_line(self.app.place)
        if not host:
            self.update("Ominix")
        elif self.app.line_is_down:
            self.update(Content.assemble("Ominix ", (f"✗ {host}", "$text-error")))
        else:
            self.update(Content.assemble("Ominix ", (f"on {host}", "$text-muted not bold")))
