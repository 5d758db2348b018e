"""Checking files on disk against the checksums that their source declared."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ominix_core.downloads.files import PRIVATE_FOLDER, Digest, Manifest, RemoteFile
from ominix_core.downloads.progress import Meter
from ominix_core.errors import Cancelled
from ominix_core.states import Downloading

BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Fault:
    """One file that is not as it should be."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Verification:
    """The result of a check.

    Attributes:
        checked: Files that were compared with their checksum.
        unverified: Files whose source declares no checksum; only their size was compared.
    """

    checked: int
    unverified: int
    faults: tuple[Fault, ...]


def verify(
    folder: Path, manifest: Manifest, report: Callable[[Downloading], None], stopped: threading.Event
) -> Verification:
    """Hash every file of a model. Raises Cancelled if `stopped` is set meanwhile."""
    meter, hashed = Meter(), 0
    name = ""

    def on_block(size: int) -> None:
        nonlocal hashed
        hashed += size
        if stopped.is_set():
            raise Cancelled("The check was stopped.")
        if meter.due():
            meter.measure(hashed)
            report(Downloading(hashed, manifest.total_bytes, f"verifying {name}", meter.speed))

    faults = []
    for file in manifest.files:
        name = file.path
        if reason := _fault(folder / name, file, on_block):
            faults.append(Fault(name, reason))
    unverified = sum(file.digest is None for file in manifest.files)
    return Verification(len(manifest.files) - unverified, unverified, tuple(faults))


def measured(folder: Path) -> tuple[RemoteFile, ...]:
    """The files of a folder that was made on this machine, with the checksums that they have now."""
    files = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not name.startswith(PRIVATE_FOLDER):
            with path.open("rb") as opened:
                digest = Digest("sha256", hashlib.file_digest(opened, "sha256").hexdigest())
            files.append(RemoteFile(name, path.stat().st_size, digest))
    return tuple(files)


def fault_at_a_glance(path: Path, file: RemoteFile) -> str:
    """What is wrong with a file as far as its size tells, in a few words, or empty."""
    try:
        size = path.stat().st_size
    except OSError:
        return "is missing"
    return "" if size == file.size else f"has {size:,} bytes instead of {file.size:,}"


def _fault(path: Path, file: RemoteFile, on_block: Callable[[int], None]) -> str:
    """What is wrong with a file in a few words, or empty."""
    if (reason := fault_at_a_glance(path, file)) or file.digest is None:
        return reason
    hasher = file.digest.hasher(file.size)
    try:
        with path.open("rb") as opened:
            while block := opened.read(BLOCK):
                hasher.update(block)
                on_block(len(block))
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return "" if hasher.hexdigest() == file.digest.value else "does not match its checksum"
