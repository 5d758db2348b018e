"""The memory guard: before a load it weighs the model against this machine."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from ominix_core import memory
from ominix_core.memory import GB, Machine, Verdict
from ominix_core.registry.entry import RegistryEntry
from ominix_core.settings import Settings


class MemoryGuard:
    """Weighs models by their files, never by the registry's word alone.

    Args:
        read_machine: Tells what this machine has now.
    """

    def __init__(self, settings: Settings, read_machine: Callable[[], Machine] = memory.read_machine) -> None:
        self._settings = settings
        self.read_machine = read_machine

    def weigh(self, entry: RegistryEntry, folder: Path, used_by_models: int, freed: int = 0) -> Verdict:
        """The verdict on loading `entry` while other models hold `used_by_models`, of which `freed` will go first."""
        on_cpu = sys.platform != "darwin"
        config = memory.read_config(folder)
        text = config.get("text_config") or config
        context = min(self._settings.context, text.get("max_position_embeddings") or self._settings.context)
        floor = int((entry.runtime.memory_gb or 0) * GB)
        need = memory.need_of(folder, context, dense_float32=on_cpu, floor=floor)
        machine = self.read_machine()
        machine = Machine(machine.total, machine.available + freed, machine.gpu_limit)
        room = memory.room_on(machine, used_by_models - freed, self._settings.guard)
        return memory.judge(
            need,
            room,
            self._settings.guard,
            memory.kv_cache_of(config, 4 if on_cpu else 2),
            others_loaded=used_by_models > freed,
        )

    def room_for_caches(self, verdict: Verdict) -> int | None:
        """Bytes that the model's KV caches may take once it is loaded; None if the guard is off."""
        if verdict.level == "off":
            return None
        return max(verdict.need.kv_cache, verdict.available - verdict.need.weights - verdict.need.activations)
