"""Disk space: asked for before the first byte, and watched while bytes arrive."""

from __future__ import annotations

from pathlib import Path

from ominix_core.errors import DownloadError
from ominix_core.system import disk_under, file_size

RESERVE_BYTES = 1 << 30
LOW_BYTES = 256 << 20


class DiskFullError(DownloadError):
    """The disk has no room for the model."""

    code = "disk_full"


def free_bytes(folder: Path) -> int:
    """Free space on the disk that holds `folder`, or will hold it."""
    return disk_under(folder)[1]


def require(folder: Path, missing_bytes: int, promised_bytes: int = 0) -> None:
    """Raise DiskFullError unless the missing bytes fit, with a reserve for the rest of the system.

    Args:
        promised_bytes: What the other running downloads still have to write.
    """
    free = free_bytes(folder) - promised_bytes
    if missing_bytes and free < missing_bytes + RESERVE_BYTES:
        others = f" ({file_size(promised_bytes)} are promised to other downloads)" if promised_bytes else ""
        raise DiskFullError(
            f"Not enough disk space: needs {file_size(missing_bytes)} and {file_size(RESERVE_BYTES)} in reserve, only "
            f"{file_size(max(0, free))} free{others}. Remove a model (`ominix rm`) or free some space."
        )


def watch(folder: Path) -> None:
    """Raise DiskFullError when hardly anything is left, before the system itself suffers."""
    if free_bytes(folder) < LOW_BYTES:
        raise disk_is_full(folder)


def disk_is_full(folder: Path) -> DiskFullError:
    free = file_size(free_bytes(folder))
    return DiskFullError(f"The disk is full ({free} left). What has arrived is kept; free some space and go on.")
