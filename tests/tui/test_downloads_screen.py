"""The downloads screen: the queue and what is on the disk, by keyboard."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from ominix_core.downloads.download import QueueItem, Stage
from ominix_core.downloads.store import Usage
from ominix_core.hub import Hub
from ominix_core.states import Downloaded, Downloading, Error, Paused
from ominix_tui.app import OminixApp
from ominix_tui.screens.downloads import DownloadsScreen
from ominix_tui.widgets.download_queue import DownloadQueue
from ominix_tui.widgets.stored_models import StoredModels
from tests.tui.support import answer, notices, screen_text, set_state, until, until_connected

SnapCompare = Callable[..., bool]
SIZES = pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
GB = 10**9


class Calls:
    """What the screen asked the hub to do."""

    def __init__(self, hub: Hub) -> None:
        self.made: list[tuple[object, ...]] = []
        for name in ("download", "pause_download", "cancel_download", "move_download", "remove"):
            setattr(hub, name, self._recorder(name))

    def _recorder(self, name: str) -> Callable[..., int]:
        def record(*arguments: object) -> int:
            self.made.append((name, *arguments))
            return 3 * GB

        return record


@pytest.fixture
def busy_hub(catalogue_hub: Hub) -> Hub:
    """A hub with a running, a waiting and a failed download, one that was paused before, and two models on disk."""
    hub = catalogue_hub
    states = {
        "moxin-7b-vlm": Downloading(4 * GB, 95 * GB // 10, "model-00002-of-00003.safetensors", 52_000_000.0),
        "flux-klein": Downloading(0, 13 * GB, note="waiting for another download"),
        "paraformer": Paused(700_000_000, 1_200_000_000),
        "gpt-sovits": Error("GPT-SoVITS TTS: the disk of /models is full. Free 2.1 GB, then try again."),
    }
    for model_id, state in states.items():
        set_state(hub, model_id, state)
    order = [("moxin-7b-vlm", Stage.RUNNING), ("flux-klein", Stage.WAITING)]
    hub.download_queue = lambda: tuple(  # type: ignore[method-assign]
        QueueItem(model_id, stage, hub.state(model_id)) for model_id, stage in order
    )
    hub.disk_usage = lambda: [  # type: ignore[method-assign]
        Usage("qwen3-8b", 95 * GB // 10, True),
        Usage("moxin-7b-vlm", 4 * GB, False),
        Usage("an-old-model", GB, True),
    ]
    return hub


async def open_downloads(pilot: Pilot[None]) -> None:
    await until_connected(pilot)
    await pilot.press("f4")
    await until(pilot, lambda: isinstance(pilot.app.screen, DownloadsScreen))
    await until(pilot, lambda: "Reading" not in screen_text(pilot) and "free" in screen_text(pilot))
    await pilot.pause()


class TestPictures:
    @SIZES
    def test_busy(self, snap_compare: SnapCompare, busy_hub: Hub, size: tuple[int, int]) -> None:
        assert snap_compare(OminixApp(lambda: busy_hub), terminal_size=size, run_before=open_downloads)

    @SIZES
    def test_empty(self, snap_compare: SnapCompare, catalogue_hub: Hub, size: tuple[int, int]) -> None:
        assert snap_compare(OminixApp(lambda: catalogue_hub), terminal_size=size, run_before=open_downloads)

    def test_light(self, snap_compare: SnapCompare, busy_hub: Hub) -> None:
        app = OminixApp(lambda: busy_hub)
        app.theme = "textual-light"
        assert snap_compare(app, terminal_size=(120, 40), run_before=open_downloads)

    def test_a_question_before_something_is_lost(self, snap_compare: SnapCompare, busy_hub: Hub) -> None:
        async def ask(pilot: Pilot[None]) -> None:
            await open_downloads(pilot)
            await pilot.press("d")
            await until(pilot, lambda: "have arrived?" in screen_text(pilot))

        assert snap_compare(OminixApp(lambda: busy_hub), terminal_size=(80, 24), run_before=ask)


class TestQueue:
    async def test_progress_arrives_as_it_happens(self, busy_hub: Hub) -> None:
        async with OminixApp(lambda: busy_hub).run_test() as pilot:
            await open_downloads(pilot)
            await until(pilot, lambda: "52 MB/s · 2 min left" in screen_text(pilot))
            set_state(busy_hub, "moxin-7b-vlm", Downloading(9 * GB, 95 * GB // 10, "verifying", 60_000_000.0))
            await until(pilot, lambda: "9.0 GB of 9.5 GB · 60 MB/s" in screen_text(pilot))
            await until(pilot, lambda: "Downloading 94 %" in screen_text(pilot))

    async def test_every_key_does_what_it_says(self, busy_hub: Hub) -> None:
        calls = Calls(busy_hub)
        async with OminixApp(lambda: busy_hub).run_test() as pilot:
            await open_downloads(pilot)
            await pilot.press("p", "x", "J", "j", "K", "K", "j", "p", "j", "r")
            await until(pilot, lambda: len(calls.made) == 7)
        assert calls.made == [
            ("pause_download", "moxin-7b-vlm"),
            ("cancel_download", "moxin-7b-vlm"),
            ("move_download", "moxin-7b-vlm", 1),
            ("move_download", "flux-klein", -1),
            ("move_download", "flux-klein", -1),
            ("download", "paraformer"),
            ("download", "gpt-sovits"),
        ]

    async def test_only_a_yes_discards(self, busy_hub: Hub) -> None:
        calls = Calls(busy_hub)
        async with OminixApp(lambda: busy_hub).run_test() as pilot:
            await open_downloads(pilot)
            for key in ("n", "escape", "enter", "y"):
                await pilot.press("d")
                await until(pilot, lambda: "have arrived?" in screen_text(pilot))
                assert not calls.made
                await answer(pilot, key)
                await until(pilot, lambda: "have arrived?" not in screen_text(pilot))
            await until(pilot, lambda: calls.made == [("cancel_download", "moxin-7b-vlm", True)])

    async def test_what_an_earlier_program_left_is_removed(self, busy_hub: Hub) -> None:
        calls = Calls(busy_hub)
        async with OminixApp(lambda: busy_hub).run_test() as pilot:
            await open_downloads(pilot)
            await pilot.press("j", "j", "d")
            await until(pilot, lambda: "700 MB" in screen_text(pilot))
            await answer(pilot, "y")
            await until(pilot, lambda: calls.made == [("remove", "paraformer")])

    async def test_a_download_that_ends_leaves_the_list(self, busy_hub: Hub) -> None:
        async with OminixApp(lambda: busy_hub).run_test() as pilot:
            await open_downloads(pilot)
            queue = pilot.app.screen.query_one(DownloadQueue)
            await pilot.press("j")
            busy_hub.download_queue = lambda: ()  # type: ignore[method-assign]
            set_state(busy_hub, "moxin-7b-vlm", Downloaded())
            await until(pilot, lambda: queue.ids == ["flux-klein", "paraformer", "gpt-sovits"])
            await until(pilot, lambda: queue.index == 0)
            assert queue.chosen is not None
            assert queue.chosen.model_id == "flux-klein"

    async def test_enter_shows_the_model_in_the_hub(self, busy_hub: Hub) -> None:
        async with OminixApp(lambda: busy_hub).run_test(size=(120, 40)) as pilot:
            await open_downloads(pilot)
            await pilot.press("j", "enter")
            await until(pilot, lambda: "█ FLUX.2-klein" in screen_text(pilot))
            assert pilot.app.current_mode == "hub"


class TestDisk:
    async def test_sizes_and_what_is_odd(self, busy_hub: Hub) -> None:
        async with OminixApp(lambda: busy_hub).run_test(size=(120, 40)) as pilot:
            await open_downloads(pilot)
            text = screen_text(pilot)
            assert "14.5 GB in 3 models · 412.0 GB free" in text
            assert "not complete" in text
            assert "not in the registry" in text

    async def test_remove_asks_first(self, busy_hub: Hub) -> None:
        calls = Calls(busy_hub)
        async with OminixApp(lambda: busy_hub).run_test(notifications=True) as pilot:
            await open_downloads(pilot)
            await pilot.press("tab", "d")
            await until(pilot, lambda: "Its 9.5 GB on disk are deleted." in screen_text(pilot))
            await answer(pilot, "y")
            await until(pilot, lambda: "3.0 GB are free again" in notices(pilot))
        assert calls.made == [("remove", "qwen3-8b")]

    async def test_what_cannot_be_done_is_told(self, busy_hub: Hub) -> None:
        async with OminixApp(lambda: busy_hub).run_test(notifications=True) as pilot:
            await open_downloads(pilot)
            await pilot.press("tab", "v")
            await until(pilot, lambda: "nothing to compare it with" in notices(pilot))

    async def test_a_model_that_left_the_registry_is_told_not_shown(self, busy_hub: Hub) -> None:
        async with OminixApp(lambda: busy_hub).run_test(notifications=True) as pilot:
            await open_downloads(pilot)
            await pilot.press("tab", "G", "enter")
            await until(pilot, lambda: "an-old-model is not in the registry" in notices(pilot))
            assert pilot.app.current_mode == "downloads"

    async def test_the_keys_of_lists(self, busy_hub: Hub) -> None:
        async with OminixApp(lambda: busy_hub).run_test() as pilot:
            await open_downloads(pilot)
            stored = pilot.app.screen.query_one(StoredModels)
            for keys, place in (("tab", 0), ("G", 2), ("k", 1), ("n", 2), ("g", 0), ("j", 1)):
                await pilot.press(keys)
                assert stored.highlighted == place


async def test_escape_goes_back_to_where_one_was(catalogue_hub: Hub) -> None:
    async with OminixApp(lambda: catalogue_hub).run_test() as pilot:
        await open_downloads(pilot)
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.current_mode == "hub")


async def test_a_real_download_moves_in_the_queue(hub: Hub, tmp_path: Path) -> None:
    """The order is the hub's own, not only the screen's."""
    downloads = hub._downloads
    downloads._at_once = 0
    for name in ("tiny", "tiny-two"):
        downloads._ask(hub.resolve(name), recheck=False)
    hub.move_download("tiny-two", -1)
    assert [item.model_id for item in hub.download_queue()] == ["tiny-two", "tiny"]
    assert [ticket.model_id for ticket in downloads._tickets.all()] == ["tiny-two", "tiny"]
    hub.move_download("tiny-two", -1)
    assert [item.model_id for item in hub.download_queue()] == ["tiny-two", "tiny"]
