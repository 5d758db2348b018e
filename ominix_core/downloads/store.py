"""The models under `OMINIX_HOME/models`: what each folder is to hold, what it does hold, and its removal."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ominix_core import atomic
from ominix_core.downloads.files import PRIVATE_FOLDER, Manifest, RemoteFile
from ominix_core.downloads.partial import arrived_bytes
from ominix_core.errors import DownloadError

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Usage:
    """The disk space of one model, in bytes that the disk really gives to it."""

    model_id: str
    bytes: int
    is_complete: bool


class ModelFolder:
    """One model's folder. Beside the model's own files it holds `.ominix`: the manifest, and what is on its way."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.private = path / PRIVATE_FOLDER

    def manifest(self) -> Manifest | None:
        """What the folder is to hold; None if nothing was ever begun here, or the record is broken."""
        try:
            return msgspec.json.decode((self.private / MANIFEST).read_bytes(), type=Manifest)
        except (OSError, msgspec.MsgspecError, DownloadError):
            return None

    def write_manifest(self, manifest: Manifest) -> None:
        atomic.write(self.private / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))

    def missing(self, manifest: Manifest) -> list[RemoteFile]:
        return [file for file in manifest.files if not is_present(self.path, file)]

    def done_bytes(self, manifest: Manifest) -> int:
        """Bytes of finished files, and those that have arrived of unfinished ones."""
        present = sum(file.size for file in manifest.files if is_present(self.path, file))
        return present + sum(arrived_bytes(journal) for journal in self.private.glob("*.journal"))

    def sweep(self) -> None:
        """Remove what a finished download no longer needs: partial files of an older commit, for one."""
        for leftover in self.private.iterdir():
            if leftover.name != MANIFEST:
                leftover.unlink()


def remove(models: Path, model_id: str) -> int:
    """Delete a model's folder and return the bytes that it gave back.

    Only a folder directly under `models` that Ominix itself filled is deleted; of a link, only the link.

    Raises:
        DownloadError: If the folder was put there by somebody else.
    """
    folder = models / model_id
    if folder.parent != models or model_id in ("", ".", ".."):
        raise DownloadError(f"'{model_id}' does not name a folder of a model.")
    if folder.is_symlink():
        folder.unlink()
        return 0
    if not folder.is_dir():
        return 0
    if not (folder / PRIVATE_FOLDER).is_dir():
        raise DownloadError(
            f"{folder} was not filled by Ominix, so it is left alone. Delete it by hand if you want to."
        )
    freed = disk_bytes(folder)
    shutil.rmtree(folder)
    return freed


def usage(models: Path) -> list[Usage]:
    """What every folder under `models` takes, the largest first."""
    found = []
    for path in models.iterdir() if models.is_dir() else ():
        if path.is_dir() and not path.is_symlink():
            folder = ModelFolder(path)
            manifest = folder.manifest()
            found.append(Usage(path.name, disk_bytes(path), manifest is None or not folder.missing(manifest)))
    return sorted(found, key=lambda each: -each.bytes)


def disk_bytes(folder: Path) -> int:
    """Sparse files count with what is written of them."""
    return sum(stat.st_blocks * 512 for stat in _stats(folder))


def apparent_bytes(folder: Path) -> int:
    return sum(stat.st_size for stat in _stats(folder))


def _stats(folder: Path) -> Iterator[os.stat_result]:
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                yield os.lstat(os.path.join(root, name))
            except OSError:  # removed a moment ago
                continue


def is_present(folder: Path, file: RemoteFile) -> bool:
    """Whether the file lies in the folder with its size."""
    path = folder / file.path
    try:
        return path.is_file() and path.stat().st_size == file.size
    except OSError:
        return False
