"""Events of the hub arrive while lists and panels are being made anew, and while the user goes elsewhere."""

from __future__ import annotations

import asyncio
import random

import pytest

from ominix_core.downloads.download import QueueItem, Stage
from ominix_core.events import RegistryChanged
from ominix_core.hub import Hub
from ominix_core.registry.catalogue import Registry
from ominix_core.registry.entry import RegistryEntry
from ominix_core.registry.entry_json import read_entry
from ominix_core.states import (
    Downloaded,
    Downloading,
    Error,
    Loaded,
    Loading,
    ModelState,
    NotDownloaded,
    Paused,
)
from ominix_tui.app import OminixApp
from ominix_tui.screens.downloads import DownloadsScreen
from ominix_tui.screens.hub import HubScreen
from ominix_tui.widgets.download_queue import DownloadQueue, Unfinished
from ominix_tui.widgets.registry_tree import RegistryTree
from tests.tui.support import screen_text, set_state, settled, until, until_connected

PLACES = ["f2", "f3", "f4", "f5", "f7", "f6"]
STATES: list[ModelState] = [
    NotDownloaded(),
    Downloading(1, 2),
    Downloading(2, 3, "a file", 5.0),
    Paused(1, 2),
    Downloaded(),
    Loading(0.5, "loading weights"),
    Loaded(),
    Error("It broke."),
]


class Queue:
    """The hub's downloads, in an order that keys change."""

    def __init__(self, hub: Hub, ids: list[str]) -> None:
        self.ids = ids
        self._hub = hub
        hub.download_queue = self.items  # type: ignore[method-assign]
        hub.move_download = self.move  # type: ignore[method-assign]
        for model_id in ids:
            set_state(hub, model_id, Downloading(1, 1000))

    def items(self) -> tuple[QueueItem, ...]:
        return tuple(QueueItem(model_id, Stage.RUNNING, self._hub.state(model_id)) for model_id in self.ids)

    def move(self, model_id: str, step: int) -> None:
        place = self.ids.index(model_id)
        other = min(max(place + step, 0), len(self.ids) - 1)
        self.ids[place], self.ids[other] = self.ids[other], self.ids[place]


def report(hub: Hub, model_id: str, done: int) -> None:
    set_state(hub, model_id, Downloading(done, 1000, f"file {done}", 1e6))


async def test_a_queue_that_is_reordered_while_it_downloads(catalogue_hub: Hub) -> None:
    queue = Queue(catalogue_hub, ["moxin-7b-vlm", "paraformer", "flux-klein", "gpt-sovits"])
    async with OminixApp(lambda: catalogue_hub).run_test() as pilot:
        await until_connected(pilot)
        await pilot.press("f4")
        await until(pilot, lambda: isinstance(pilot.app.screen, DownloadsScreen) and "starting" in screen_text(pilot))
        shown = pilot.app.screen.query_one(DownloadQueue)
        for turn in range(10):
            moved = shown.chosen
            pilot.app.simulate_key("J" if turn % 3 else "K")
            for model_id in queue.ids:
                report(catalogue_hub, model_id, turn + 2)
            await pilot.pause()
            assert moved is not None
            assert shown.chosen is not None
            assert shown.chosen.model_id == moved.model_id, "the cursor stays on the model that is moved"
        await until(pilot, lambda: shown.ids == queue.ids)
        await until(pilot, lambda: "file 11" in screen_text(pilot))
        assert len(shown.children) == 4


async def test_a_row_that_is_still_being_made_is_told_of_its_download(catalogue_hub: Hub) -> None:
    queue = Queue(catalogue_hub, ["moxin-7b-vlm", "paraformer"])
    async with OminixApp(lambda: catalogue_hub).run_test() as pilot:
        await until_connected(pilot)
        await pilot.press("f4")
        await until(pilot, lambda: isinstance(pilot.app.screen, DownloadsScreen) and "starting" in screen_text(pilot))
        shown = pilot.app.screen.query_one(DownloadQueue)
        for ids in (["flux-klein"], ["gpt-sovits", *queue.ids], ["paraformer", "flux-klein"]):
            downloads = [Unfinished(model_id, model_id, Downloading(1, 1000), True) for model_id in ids]
            filling = asyncio.create_task(shown.fill(downloads))
            while not filling.done():
                for model_id in ids:
                    shown.show_state(model_id, Downloading(2, 1000, "a file"))
                await asyncio.sleep(0)
            await filling
            assert shown.ids == ids


async def test_downloads_that_begin_and_end_all_the_time(catalogue_hub: Hub) -> None:
    queue = Queue(catalogue_hub, ["moxin-7b-vlm", "paraformer", "flux-klein"])
    everything = list(queue.ids)
    chance = random.Random(3)
    async with OminixApp(lambda: catalogue_hub).run_test() as pilot:
        await until_connected(pilot)
        await pilot.press("f4")
        await until(pilot, lambda: isinstance(pilot.app.screen, DownloadsScreen))
        shown = pilot.app.screen.query_one(DownloadQueue)
        for turn in range(24):
            model_id = chance.choice(everything)
            if model_id in queue.ids:
                queue.ids.remove(model_id)
                set_state(catalogue_hub, model_id, Downloaded())
            else:
                queue.ids.insert(0, model_id)
                report(catalogue_hub, model_id, turn)
            for other in queue.ids:
                report(catalogue_hub, other, turn)
            if turn % 4 == 0:
                await pilot.pause()
        for model_id in set(everything) - set(queue.ids):
            set_state(catalogue_hub, model_id, Downloaded())
        await until(pilot, lambda: shown.ids == queue.ids)


async def test_states_of_a_model_whose_panel_is_being_made(catalogue_hub: Hub) -> None:
    ids = [entry.id for entry in catalogue_hub.registry.entries]
    chance = random.Random(4)
    async with OminixApp(lambda: catalogue_hub).run_test() as pilot:
        await until_connected(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, HubScreen)
        for turn in range(14):
            model_id = ids[turn % len(ids)]
            pilot.app.run_worker(screen.go_to(model_id))  # as the palette and other screens do
            pilot.app.simulate_key(chance.choice(["down", "up", "1", "2", "3", "4", "f"]))
            for _ in range(3):
                set_state(catalogue_hub, chance.choice([model_id, *ids]), chance.choice(STATES))
            if turn % 3 == 0:
                await pilot.pause()
        await pilot.press("1")
        await screen.go_to("qwen3-8b")
        await settled(pilot)
        await until(pilot, lambda: screen.selected == "qwen3-8b")
        assert len([panel for panel in screen.query("ModelPanel") if panel.display]) == 1


@pytest.mark.parametrize("key", ["3", "slash"])
async def test_a_registry_that_changes_while_it_is_filtered(catalogue_hub: Hub, key: str) -> None:
    everything = list(catalogue_hub.registry.entries)
    async with OminixApp(lambda: catalogue_hub).run_test() as pilot:
        await until_connected(pilot)
        await pilot.press(key)
        for turn in range(6):
            kept = everything[turn % 3 :] if turn % 2 else everything
            catalogue_hub.registry = Registry(kept)
            gone = tuple({entry.id for entry in everything} - {entry.id for entry in kept})
            catalogue_hub._board.publish(RegistryChanged(removed=gone))
            pilot.app.simulate_key(("down", "a", "f", "up")[turn % 4])
            await pilot.pause()
        await settled(pilot)
        assert pilot.app.is_running


async def test_every_screen_stands_a_storm_of_events(catalogue_hub: Hub) -> None:
    ids = [entry.id for entry in catalogue_hub.registry.entries]
    chance = random.Random(5)
    async with OminixApp(lambda: catalogue_hub).run_test() as pilot:
        await until_connected(pilot)
        for place in PLACES:
            pilot.app.simulate_key(place)
            for _ in range(4):
                set_state(catalogue_hub, chance.choice(ids), chance.choice(STATES))
                await pilot.pause()
        await pilot.press("f2")
        await until(pilot, lambda: isinstance(pilot.app.screen, HubScreen))


async def test_the_first_models_come_with_an_update(catalogue_hub: Hub) -> None:
    entries: list[RegistryEntry] = list(catalogue_hub.registry.entries)
    catalogue_hub.registry = Registry([])
    async with OminixApp(lambda: catalogue_hub).run_test() as pilot:
        await until(pilot, lambda: "The registry holds no models." in screen_text(pilot))
        catalogue_hub.registry = Registry([read_entry(entry.said) for entry in entries])
        catalogue_hub._board.publish(RegistryChanged(added=tuple(entry.id for entry in entries)))
        tree = pilot.app.screen.query_one(RegistryTree)
        await until(pilot, lambda: "Qwen3 8B" in screen_text(pilot))
        tree.focus()
        await pilot.press("down", "down")
        await until(pilot, lambda: pilot.app.screen.query("ModelPanel"))
