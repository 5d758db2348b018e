"""`kill -9` at any moment: hardly a byte is fetched twice, and nothing stale is left."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ominix_core.downloads.manager import DownloadManager
from ominix_core.paths import Home
from tests.downloads.conftest import OPTIONS, entry_for, leftovers, same_files
from tests.support.fixture_hub import FixtureHub
from tests.support.fixture_repo import make_model
from tests.support.killed_download import fetch_and_kill

REFETCH_LIMIT = 4 << 20
SEGMENT_BYTES = 4 << 20


@pytest.fixture
def manager(new_manager: Callable[..., DownloadManager]) -> DownloadManager:
    return new_manager(options=replace(OPTIONS, segment_bytes=SEGMENT_BYTES))


def check_kills(hub: FixtureHub, home: Home, manager: DownloadManager, seed: int, kills: int) -> None:
    """Kill `kills` times at random moments of one download, then finish it."""
    repo = hub.repos["acme/model"]
    chance = random.Random(seed)
    moments = sorted(chance.uniform(0, repo.total_bytes) for _ in range(kills))
    # of each of eight connections: the rate of a fast line, so that little of what is sent waits in socket buffers
    hub.fault("slow", path="*.safetensors", rate=chance.randrange(4, 12) << 20)
    for moment in moments:
        fetch_and_kill(home.root, repo.id, SEGMENT_BYTES, int(moment))
    hub.mend()
    manager.start(entry_for()).result(60)
    listing_bytes = 4 * repo.files["model.safetensors.index.json"].size
    assert hub.body_bytes - repo.total_bytes - listing_bytes <= kills * REFETCH_LIMIT
    assert same_files(home.model("model"), hub.root / "acme/model")
    assert leftovers(home.model("model")) == []
    assert manager.verify(entry_for()).faults == ()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "hub"
    make_model(root / "acme/model", shards=2, shard_bytes=12 << 20)
    return root


def test_killed_twice(fixture_hub: FixtureHub, home: Home, manager: DownloadManager) -> None:
    check_kills(fixture_hub, home, manager, seed=1, kills=2)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_killed_at_a_random_moment(fixture_hub: FixtureHub, home: Home, manager: DownloadManager, seed: int) -> None:
    check_kills(fixture_hub, home, manager, seed, kills=1)
