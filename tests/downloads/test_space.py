"""A model that does not fit is refused before its first byte, with the numbers; a disk that fills up loses nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ominix_core.board import StateBoard
from ominix_core.downloads import space
from ominix_core.downloads.job import Options
from ominix_core.downloads.manager import DownloadManager
from ominix_core.downloads.space import DiskFullError
from ominix_core.paths import Home
from ominix_core.settings import Settings
from ominix_core.states import Downloading, Paused
from tests.downloads.conftest import OPTIONS, SHARD_BYTES, Watch, entry_for, same_files
from tests.support.fixture_hub import FixtureHub
from tests.support.fixture_repo import StoredFile

GIB = 1 << 30


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Set what the disk has free."""

    def set_free(count: int) -> None:
        monkeypatch.setattr(space, "free_bytes", lambda folder: count)

    return set_free


def test_refused_before_the_first_byte_with_both_numbers(
    manager: DownloadManager, fixture_hub: FixtureHub, free: Callable[[int], None], home: Home
) -> None:
    free(GIB)
    with pytest.raises(DiskFullError, match=r"needs 2 MB and 1\.1 GB in reserve, only 1\.1 GB free"):
        manager.start(entry_for()).result(30)
    assert fixture_hub.asked("*/resolve/*.safetensors") == []
    assert not home.model("model").exists()
    free(2 * GIB)
    manager.start(entry_for()).result(30)


def test_only_what_is_missing_has_to_fit(
    manager: DownloadManager, board: StateBoard, fixture_hub: FixtureHub, free: Callable[[int], None]
) -> None:
    fault = fixture_hub.fault("status", path="*00002-of*", code=404)
    with pytest.raises(Exception, match="does not exist"):
        manager.start(entry_for()).result(30)
    fault.times = 0
    paused = manager.library.state_of(entry_for())
    assert isinstance(paused, Paused)
    free(GIB + paused.total_bytes - paused.done_bytes)
    manager.start(entry_for()).result(30)


def test_running_downloads_have_their_share(
    manager: DownloadManager, board: StateBoard, fixture_hub: FixtureHub, free: Callable[[int], None]
) -> None:
    fixture_hub.fault("slow", path="*.safetensors", rate=100_000)
    watch = Watch(board)
    free(GIB + 3 * SHARD_BYTES)
    manager.start(entry_for())
    watch.bytes_arrive()
    with pytest.raises(DiskFullError, match="promised to other downloads"):
        manager.start(entry_for(model_id="second")).result(30)


def test_a_disk_that_fills_up_loses_nothing(
    manager: DownloadManager, board: StateBoard, fixture_hub: FixtureHub, free: Callable[[int], None], home: Home
) -> None:
    fixture_hub.fault("slow", path="*.safetensors", rate=200_000)
    watch = Watch(board)
    download = manager.start(entry_for())
    watch.bytes_arrive(100_000)
    free(1000)
    with pytest.raises(DiskFullError, match="disk is full"):
        download.result(30)
    free(2 * GIB)
    fixture_hub.mend()
    fixture_hub.forget()
    manager.start(entry_for()).result(30)
    assert fixture_hub.body_bytes < 2 * SHARD_BYTES
    assert same_files(home.model("model"), fixture_hub.root / "acme/model")


@pytest.fixture
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A disk of the size that the test names, where the machine lets us mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={request.param}", "none", str(folder)]
    if (
        sys.platform != "linux"
        or os.geteuid() != 0
        or subprocess.run(mount, capture_output=True, check=False).returncode
    ):
        pytest.skip("needs the right to mount a tmpfs")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("small_disk", ["1g"], indirect=True)
def test_a_model_of_2_gib_on_a_disk_of_1_gib(small_disk: Path, fixture_hub: FixtureHub) -> None:
    repo = fixture_hub.repos["acme/model"]
    for name, file in repo.files.items():
        if file.is_large:
            repo.files[name] = StoredFile(file.path, GIB, file.sha256, file.git_oid)
    manager = DownloadManager(Home(small_disk), StateBoard(), Settings(), lambda *_: None, OPTIONS)
    try:
        with pytest.raises(DiskFullError, match=r"needs 2\.1 GB and 1\.1 GB in reserve, only 1\.1 GB free"):
            manager.start(entry_for()).result(30)
    finally:
        manager.close()
    assert fixture_hub.asked("*/resolve/*.safetensors") == []


@pytest.mark.parametrize("small_disk", ["8m"], indirect=True)
def test_a_real_full_disk(small_disk: Path, fixture_hub: FixtureHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "RESERVE_BYTES", 0)
    monkeypatch.setattr(space, "LOW_BYTES", 0)
    fixture_hub.fault("slow", path="*.safetensors", rate=200_000)
    board = StateBoard()
    watch = Watch(board)
    manager = DownloadManager(Home(small_disk), board, Settings(), lambda *_: None, Options(segment_bytes=256 << 10))
    try:
        download = manager.start(entry_for())
        watch.until(lambda state: isinstance(state, Downloading) and state.done_bytes > 100_000)
        with (small_disk / "filler").open("wb", buffering=0) as filler:
            filler.write(bytes(shutil.disk_usage(small_disk).free))
        with pytest.raises(DiskFullError, match="disk is full"):
            download.result(30)
        (small_disk / "filler").unlink()
        fixture_hub.mend()
        manager.start(entry_for()).result(30)
        assert same_files(small_disk / "models/model", fixture_hub.root / "acme/model")
    finally:
        manager.close()
