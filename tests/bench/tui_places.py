"""The longest step of the event loop while each screen opens for the first time.

    python -m tests.bench.tui_places

The chat has 200 conversations to list. "busy" is what the loop's thread computed in one step, "wall" what that took.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path

from ominix_core.chats import ChatStore
from ominix_core.hub import Hub
from ominix_core.paths import Home
from ominix_core.registry.catalogue import Registry
from ominix_core.registry.entry_json import read_entry
from ominix_core.settings import Settings
from ominix_tui.app import OminixApp
from ominix_tui.places import PLACES
from tests.bench.tui_streaming import STEP, LoopProbe

CONVERSATIONS = 200
SETTLING = 0.4
"""Seconds in which a screen that is there fills its lists."""


async def open_places(hub: Hub) -> dict[str, LoopProbe]:
    """Go to every screen, and back to the hub; what each of them took."""
    app = OminixApp(lambda: hub, "model", load_initial=False)
    probes = {}
    async with app.run_test(size=(120, 40)) as pilot:
        while not app.screen.query("ModelPanel"):
            await pilot.pause(STEP)
        await app.workers.wait_for_complete()
        await asyncio.sleep(SETTLING)
        for place in (*PLACES[1:], PLACES[0]):
            probe = probes[place.name] = LoopProbe()
            probing = asyncio.create_task(probe.run())
            app.action_show(place.name)
            while app.current_mode != place.name:
                await asyncio.sleep(STEP)
            await asyncio.sleep(SETTLING)
            probing.cancel()
    return probes


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["OMINIX_HOME"] = folder
        home = Home(Path(folder))
        with ChatStore(home) as chats:
            for number in range(CONVERSATIONS):
                chats.ask(chats.create().id, None, f"Question {number}")
        entry = read_entry({"id": "model", "name": "A model", "source": {"type": "Local", "path": folder}})
        with Hub(home, Settings(isolation="thread"), Registry([entry])) as hub:
            probes = asyncio.run(open_places(hub))
    for name, probe in probes.items():
        print(f"{name:10} busy {max(probe.busy) * 1000:4.0f} ms  wall {max(probe.wall) * 1000:4.0f} ms")


if __name__ == "__main__":
    main()
