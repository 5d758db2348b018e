"""One line at the foot: the memory and the disk of the machine that the models run on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from textual import work
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from ominix_core.memory import gigabytes

if TYPE_CHECKING:
    from ominix_core.facade import HubFacade
    from ominix_core.system import System

ROUND_SECONDS = 2.0
WIDE = 100
BAR_CELLS = {False: 12, True: 24}
"""How wide the bar is on a narrow line and on a wide one."""

FREE, OTHERS, BEYOND = "$foreground 30%", "$foreground 60%", "$text-warning"


class SystemLine(Widget):
    """Asks the Hub every two seconds, off the event loop."""

    DEFAULT_CSS = """
    SystemLine { height: 1; padding: 0 1; background: $panel; color: $text-muted; }
    """

    system: reactive[System | None] = reactive(None)

    class Measured(Message):
        """The figures are new."""

    def watch_hub(self, hub: HubFacade) -> None:
        """Show this Hub's figures, from now on."""
        self._ask(hub)
        self.set_interval(ROUND_SECONDS, lambda: self._ask(hub))

    @work(exclusive=True)
    async def _ask(self, hub: HubFacade) -> None:
        system = await asyncio.to_thread(hub.system)
        if self.system is None or _figures(system) != _figures(self.system):
            self.system = system
            self.post_message(self.Measured())

    def render(self) -> Content:
        if self.system is None:
            return Content()
        system, wide = self.system, self.size.width >= WIDE
        used = min(system.used_by_models, system.memory.total - system.memory.available)
        in_all = f" of {gigabytes(system.memory.total)}" if wide else ""
        return Content.assemble(
            "Memory ",
            _bar(system, BAR_CELLS[wide]),
            f" models {used / 1e9:.1f} of {gigabytes(system.capacity)}",
            f" · {gigabytes(system.memory.available)}{in_all} free",
            f" · disk {gigabytes(system.disk_free)} free",
        )


def _figures(system: System) -> list[int]:
    """What can be seen of it: tenths of a gigabyte. Memory changes by some bytes all the time."""
    memory = system.memory
    parts = (system.used_by_models, system.capacity, memory.available, memory.total, system.disk_free)
    return [round(part / 1e8) for part in parts]


def _bar(system: System, cells: int) -> Content:
    """What models hold, what other programs hold, and what is free; a stroke where the room for models ends."""
    memory = system.memory
    used = memory.total - memory.available
    ends = [round(part / memory.total * cells) for part in (min(system.used_by_models, used), used, system.capacity)]
    models, others, ceiling = ends
    bar = Content.assemble(
        ("█" * models, "$text-success"), ("▒" * (others - models), OTHERS), ("░" * (cells - others), FREE)
    )
    if ceiling >= cells:
        return bar
    return bar[:ceiling] + Content.styled("┃", BEYOND) + bar[ceiling + 1 :]
