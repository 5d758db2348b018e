"""What the machine that the models run on has left, now."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ominix_core.memory import GB, GuardLevel, Machine, room_on

if TYPE_CHECKING:
    from ominix_core.registry.entry import RegistryEntry


@dataclass(frozen=True, slots=True)
class System:
    """Memory and disk, in bytes.

    Attributes:
        models: What each model in memory holds, by id.
        disk_total: Of the volume that OMINIX_HOME lies on.
        guard: How much memory the settings keep free for everything else.
    """

    memory: Machine
    models: Mapping[str, int]
    disk_total: int
    disk_free: int
    guard: GuardLevel

    @property
    def used_by_models(self) -> int:
        return sum(self.models.values())

    @property
    def room(self) -> int:
        """What one more model may take beside those that are loaded."""
        return room_on(self.memory, self.used_by_models, self.guard)

    @property
    def capacity(self) -> int:
        """What one model may take on this machine when nothing else is running."""
        return room_on(Machine(self.memory.total, self.memory.total, self.memory.gpu_limit), 0, self.guard)


def disk_under(folder: Path) -> tuple[int, int]:
    """Total and free bytes of the volume that `folder` lies on, or will when it is made."""
    while not folder.exists():
        folder = folder.parent
    usage = shutil.disk_usage(folder)
    return usage.total, usage.free


def file_size(size: float) -> str:
    """A number of bytes in decimal units, as the registry and the disks count them: "9.5 GB", "340 MB"."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def estimated_need(entry: RegistryEntry) -> int | None:
    """What a model that is not on this machine is likely to take in memory; None if the registry does not tell."""
    if entry.runtime.memory_gb is not None:
        return int(entry.runtime.memory_gb * GB)
    return entry.size_bytes
