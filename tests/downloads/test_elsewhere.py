"""Models that other programs brought are Downloaded at once, used in place, and never touched."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ominix_core.downloads.manager import DownloadManager
from ominix_core.errors import DownloadError
from ominix_core.paths import Home
from ominix_core.states import Downloaded, NotDownloaded
from tests.downloads.conftest import entry_for
from tests.support.fixture_repo import make_model

COMMIT = "a" * 40


@pytest.fixture
def user(tmp_path: Path) -> Path:
    return tmp_path / "user"


def hub_cache(user: Path) -> Path:
    """A model as `huggingface_hub` caches it: blobs, and a snapshot of links to them."""
    cached = user / "hf/hub/models--acme--model"
    snapshot = cached / "snapshots" / COMMIT
    make_model(cached / "blobs")
    snapshot.mkdir(parents=True)
    for blob in (cached / "blobs").iterdir():
        (snapshot / blob.name).symlink_to(f"../../blobs/{blob.name}")
    (cached / "refs").mkdir()
    (cached / "refs/main").write_text(COMMIT)
    return snapshot


def plain(folder: Path) -> Path:
    make_model(folder)
    return folder


PLACES = {
    "the Hugging Face cache": hub_cache,
    "LM Studio": lambda user: plain(user / ".lmstudio/models/acme/model"),
    "an older LM Studio": lambda user: plain(user / ".cache/lm-studio/models/acme/model"),
    "OminiX Studio": lambda user: plain(user / ".OminiX/models/model"),
    "OminiX Studio in the cache's folder": lambda user: plain(user / "hf/hub/models--acme--model"),
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_found_in(place: object, manager: DownloadManager, user: Path, home: Home) -> None:
    assert callable(place)
    assert manager.library.state_of(entry_for()) == NotDownloaded()
    folder = place(user)
    assert manager.library.state_of(entry_for()) == Downloaded()
    assert manager.library.folder_of(entry_for()) == folder
    manager.start(entry_for()).result(60)  # there is nothing to fetch, and no network in this test
    with pytest.raises(DownloadError, match="not Ominix's own"):
        manager.remove(entry_for())
    assert (folder / "config.json").exists()


def test_found_where_modelscope_keeps_it(manager: DownloadManager, user: Path) -> None:
    folder = plain(user / ".cache/modelscope/hub/models/acme/model")
    entry = entry_for({"type": "ModelScope", "repo": "acme/model"})
    assert manager.library.folder_of(entry) == folder


def test_found_in_our_own_folder_when_put_there_by_hand(manager: DownloadManager, home: Home) -> None:
    plain(home.model("model"))
    assert manager.library.state_of(entry_for()) == Downloaded()
    assert manager.library.folder_of(entry_for()) == home.model("model")


class TestNotWhole:
    @pytest.fixture
    def folder(self, user: Path) -> Path:
        return plain(user / ".lmstudio/models/acme/model")

    def test_a_shard_is_missing(self, folder: Path, manager: DownloadManager) -> None:
        (folder / "model-00002-of-00002.safetensors").unlink()
        assert manager.library.state_of(entry_for()) == NotDownloaded()

    def test_a_shard_is_cut_short(self, folder: Path, manager: DownloadManager) -> None:
        shard = folder / "model-00002-of-00002.safetensors"
        shard.write_bytes(shard.read_bytes()[:-1])
        assert manager.library.state_of(entry_for()) == NotDownloaded()

    def test_a_download_is_on_its_way(self, folder: Path, manager: DownloadManager) -> None:
        (folder / "model.safetensors.incomplete").write_bytes(b"")
        assert manager.library.state_of(entry_for()) == NotDownloaded()

    def test_an_expected_file_is_missing(self, folder: Path, manager: DownloadManager) -> None:
        assert manager.library.state_of(entry_for(storage={"expected_files": ["config.json"]})) == Downloaded()
        assert manager.library.state_of(entry_for(storage={"expected_files": ["vocab.json"]})) == NotDownloaded()

    def test_links_lead_nowhere(self, manager: DownloadManager, user: Path, folder: Path) -> None:
        shutil.rmtree(folder)
        snapshot = hub_cache(user)
        (snapshot.parents[1] / "blobs/config.json").unlink()
        assert manager.library.state_of(entry_for()) == NotDownloaded()
