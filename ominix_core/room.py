"""Who makes room for a model that is to be loaded, and whether it then fits."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from pathlib import Path

from ominix_core.errors import InsufficientMemoryError, LoadError
from ominix_core.guard import MemoryGuard
from ominix_core.memory import Verdict
from ominix_core.registry.entry import RegistryEntry
from ominix_core.resident import Resident
from ominix_core.settings import Settings


class Room:
    """The room that the models in memory leave to the next one.

    Args:
        residents: Tells which models are in memory or on their way there.

    Attributes:
        settings: Another object takes its place when `config.toml` changes.
    """

    def __init__(self, settings: Settings, guard: MemoryGuard, residents: Callable[[], Iterable[Resident]]) -> None:
        self.settings = settings
        self._guard = guard
        self._residents = residents

    def to_evict(self, entry: RegistryEntry) -> list[Resident]:
        """The least recently used models of its category, as many as must leave.

        Raises LoadError if too many are pinned.
        """
        others = [other for other in self._residents() if other.is_loaded and other.entry.category == entry.category]
        surplus = len(others) + 1 - self.settings.max_loaded_per_category
        if surplus <= 0:
            return []
        free = sorted((other for other in others if not other.pinned), key=lambda other: other.last_used)
        if len(free) < surplus:
            names = [other.entry.name for other in others if other.pinned]
            stays, it = ("is pinned and stays", "it") if len(names) == 1 else ("are pinned and stay", "one of them")
            raise LoadError(f"{' and '.join(names)} {stays} in memory. Unpin {it} to load {entry.name}.")
        return free[:surplus]

    def weigh(self, entry: RegistryEntry, folder: Path, evicted: list[Resident] | None = None) -> Verdict:
        """The guard's verdict on loading this model now, after these have left, or without them those that would."""
        return self._guard.weigh(entry, folder, *self._used_and_freed(entry, evicted))

    def estimate(self, entry: RegistryEntry) -> Verdict | None:
        """The same for a model whose files are not here; None if nobody knows its size."""
        return self._guard.estimate(entry, *self._used_and_freed(entry))

    def give(self, resident: Resident, evicted: list[Resident], *, force: bool) -> None:
        """Tell a model how much its caches may take.

        Raises InsufficientMemoryError if it does not fit, unless that is to be forced.
        """
        verdict = self.weigh(resident.entry, resident.folder, evicted)
        if not verdict.fits and not force:
            raise InsufficientMemoryError(verdict.message)
        resident.give_room(self._guard.room_for_caches(verdict))

    def _used_and_freed(self, entry: RegistryEntry, evicted: list[Resident] | None = None) -> tuple[int, int]:
        """Bytes that models hold, and those of them that are freed before this one is loaded."""
        if evicted is None:
            with contextlib.suppress(LoadError):
                evicted = self.to_evict(entry)
        used = sum(other.memory_bytes for other in self._residents())
        return used, sum(other.memory_bytes for other in evicted or [])
