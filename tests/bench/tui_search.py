"""Typing into the search field of the hub with 10,000 models: how long each letter takes, and the event loop's stalls.

python -m tests.bench.tui_search
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

from ominix_core.hub import Hub
from ominix_core.paths import Home
from ominix_core.registry.catalogue import Registry
from ominix_core.settings import Settings
from ominix_tui.app import OminixApp
from ominix_tui.widgets.sidebar import Sidebar
from tests.bench.tui_streaming import LoopProbe, quantile
from tests.support.catalogue import many_models

LETTERS = (("m", "200+"), ("9", "200+"), ("7", "200+"), ("x", "0 of"))


async def typing(hub: Hub) -> tuple[dict[str, float], LoopProbe]:
    """Seconds from each key to the list that answers it, and the probe of the loop meanwhile."""
    app, probe, delays = OminixApp(lambda: hub), LoopProbe(), {}
    async with app.run_test(size=(120, 40)) as pilot:
        while not app.screen.query("ModelPanel"):
            await pilot.pause(0.01)
        await pilot.press("slash")
        probing = asyncio.create_task(probe.run())
        for letter, expected in LETTERS:
            pressed = time.perf_counter()
            await pilot.press(letter)
            while expected not in str(app.screen.query_one(Sidebar).border_subtitle):
                await asyncio.sleep(0.001)
            delays[letter] = time.perf_counter() - pressed
        probing.cancel()
    return delays, probe


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        registry = Registry(many_models(10_000))
        hub = Hub(Home(Path(folder)), Settings(isolation="thread"), registry)
        delays, probe = asyncio.run(typing(hub))
    for letter, seconds in delays.items():
        print(f"key {letter!r}: {seconds * 1000:.0f} ms to the new list")
    busy = probe.busy
    print(f"busiest step of the loop: p99 {quantile(busy, 0.99) * 1000:.0f} ms, worst {max(busy) * 1000:.0f} ms")


if __name__ == "__main__":
    main()
