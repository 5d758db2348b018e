"""What the head of a panel tells: licence, verification, and how long a download will still take."""

from __future__ import annotations

import pytest

from ominix_core.hub import Hub
from ominix_core.registry.catalogue import Registry
from ominix_core.registry.entry_json import read_entry
from ominix_core.states import Downloading
from ominix_tui.app import OminixApp
from ominix_tui.text import time_left
from tests.tui.support import screen_text, set_state, until, until_connected


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (59, "59 s"), (61, "1 min"), (3_540, "59 min"), (3_600, "1 h 0 min"), (9_000, "2 h 30 min")],
)
def test_time_left_in_the_unit_that_says_enough(seconds: float, words: str) -> None:
    assert time_left(seconds) == words


async def test_a_download_tells_speed_and_time_left(catalogue_hub: Hub, catalogue_app: OminixApp) -> None:
    async with catalogue_app.run_test(size=(120, 40)) as pilot:
        await until_connected(pilot)
        set_state(catalogue_hub, "qwen3-8b", Downloading(2_000_000_000, 8_000_000_000, "model.safetensors", 50_000_000))
        await until(pilot, lambda: "2.0 GB of 8.0 GB · 50 MB/s · 2 min left" in screen_text(pilot))
        set_state(catalogue_hub, "qwen3-8b", Downloading(2_000_000_000, 0, "model.safetensors"))
        await until(pilot, lambda: "2.0 GB of ?" in screen_text(pilot))
        assert "left" not in screen_text(pilot)


async def test_licence_and_verification_are_told(catalogue_hub: Hub) -> None:
    entry = catalogue_hub.resolve("flux-klein")
    catalogue_hub.registry = Registry([read_entry({**entry.said, "verified": True})])
    app = OminixApp(lambda: catalogue_hub)
    async with app.run_test(size=(120, 40)) as pilot:
        await until_connected(pilot)
        await until(
            pilot, lambda: "ImageGen · 4B · 8-bit · ✓ verified · 13.0 GB RAM · Apache-2.0" in screen_text(pilot)
        )
