"""One line at the foot: the memory and the disk of the machine that the models run on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from textual import work
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from ominix_tui.text import file_size

if TYPE_CHECKING:
    from ominix_core.facade import HubFacade
    from ominix_core.system import System

ROUND_SECONDS = 2.0
BAR_CELLS = 8


class SystemLine(Widget):
    """Asks the Hub every two seconds, off the event loop."""

    DEFAULT_CSS = """
    SystemLine { height: 1; padding: 0 1; background: $panel; color: $text-muted; }
    """

    system: reactive[System | None] = reactive(None)

    def watch_hub(self, hub: HubFacade) -> None:
        """Show this Hub's figures, from now on."""
        self._ask(hub)
        self.set_interval(ROUND_SECONDS, lambda: self._ask(hub))

    @work(exclusive=True)
    async def _ask(self, hub: HubFacade) -> None:
        self.system = await asyncio.to_thread(hub.system)

    def render(self) -> Content:
        if self.system is None:
            return Content()
        memory = self.system.memory
        used = memory.total - memory.available
        models = min(self.system.used_by_models, used)
        cells = [round(part / memory.total * BAR_CELLS) for part in (models, used)]
        return Content.assemble(
            "Memory ",
            ("█" * cells[0], "$text-success"),
            ("▒" * (cells[1] - cells[0]), "$foreground 60%"),
            ("░" * (BAR_CELLS - cells[1]), "$foreground 30%"),
            f" models {file_size(models)} · {memory.available / 1e9:.1f} of {file_size(memory.total)} free",
            f" · disk {file_size(self.system.disk_free)} free",
        )
