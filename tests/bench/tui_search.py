"""Typing into the search field of the hub with 10,000 models: from each key to the frame that shows its list.

python -m tests.bench.tui_search [--rounds 5]
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import ominix_tui
from ominix_core.hub import Hub
from ominix_core.paths import Home
from ominix_core.registry.catalogue import Registry
from ominix_core.settings import Settings
from ominix_tui.app import OminixApp
from ominix_tui.widgets.registry_tree import RegistryTree
from tests.bench.tui_streaming import LoopProbe, quantile
from tests.support.catalogue import many_models

WORD = "97instr"
AT_REST_SECONDS = 0.3


class TimedApp(OminixApp):
    """Notes when it has written its last frame."""

    CSS_PATH = Path(ominix_tui.__file__).with_name("app.tcss")
    painted = 0.0

    def _display(self, *arguments: Any) -> None:
        super()._display(*arguments)
        self.painted = time.perf_counter()


async def typing(hub: Hub, probe: LoopProbe) -> list[float]:
    """Seconds from each key of WORD to the frame that shows the list that was filled for it."""
    from textual import events  # after ominix_tui, which says how many frames Textual makes

    app, delays, filled = TimedApp(lambda: hub), [], 0.0
    fill = RegistryTree.fill

    def timed_fill(*arguments: Any, **options: Any) -> None:
        nonlocal filled
        fill(*arguments, **options)
        filled = time.perf_counter()

    RegistryTree.fill = timed_fill  # type: ignore[method-assign]
    async with app.run_test(size=(120, 40)) as pilot:
        while not app.screen.query("ModelPanel"):
            await pilot.pause(0.01)
        await pilot.press("slash")
        probing = asyncio.create_task(probe.run())
        for letter in WORD:
            await asyncio.sleep(AT_REST_SECONDS)
            pressed = time.perf_counter()
            app.post_message(events.Key(letter, letter))
            while not app.painted > filled > pressed:
                await asyncio.sleep(0.0005)
            delays.append(app.painted - pressed)
        probing.cancel()
    RegistryTree.fill = fill  # type: ignore[method-assign]
    return delays


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    registry, probe, delays = Registry(many_models(10_000)), LoopProbe(), []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            hub = Hub(Home(Path(folder)), Settings(isolation="thread"), registry)
            delays += asyncio.run(typing(hub, probe))
    print(
        f"{len(delays)} keys to their lists: median {1000 * statistics.median(delays):.0f} ms, "
        f"p90 {1000 * quantile(delays, 0.9):.0f} ms, worst {1000 * max(delays):.0f} ms"
    )
    busy = probe.busy
    print(f"busiest step of the loop: p99 {quantile(busy, 0.99) * 1000:.0f} ms, worst {max(busy) * 1000:.0f} ms")


if __name__ == "__main__":
    main()
