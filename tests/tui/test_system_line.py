"""The machine's memory and disk at the foot of the screen, as the Hub tells them."""

from __future__ import annotations

from ominix_core.hub import Hub
from ominix_core.states import Loaded
from ominix_tui.app import OminixApp
from tests.tui.support import screen_text, until, until_connected


async def test_memory_and_disk_are_shown(catalogue_app: OminixApp) -> None:
    async with catalogue_app.run_test() as pilot:
        await until(pilot, lambda: "models 5.1 of 23.4 GB · 20.4 GB free · disk 412.0 GB free" in screen_text(pilot))
        await until(pilot, lambda: "Memory ██▒▒░░░░░┃░░ " in screen_text(pilot))


async def test_a_real_hub_tells_what_its_models_hold(hub: Hub) -> None:
    app = OminixApp(lambda: hub, "tiny")
    async with app.run_test() as pilot:
        await until_connected(pilot)
        await until(pilot, lambda: isinstance(hub.state("tiny"), Loaded))
        system = hub.system()
    assert list(system.models) == ["tiny"]
    assert 0 < system.disk_free <= system.disk_total
    assert 0 < system.room <= system.capacity <= system.memory.total
