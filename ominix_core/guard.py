"""The memory guard: before a load it weighs the model against this machine."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from ominix_core import memory
from ominix_core.image_memory import is_image_model, need_of_images
from ominix_core.memory import GB, KVCache, Machine, Need, Verdict
from ominix_core.registry.entry import Category, RegistryEntry
from ominix_core.settings import Settings
from ominix_core.system import estimated_need


class MemoryGuard:
    """Weighs models by their files, and those that are not on this machine by the registry's word.

    Args:
        known: Tells the models that could be offered instead of one that does not fit.
        read_machine: Tells what this machine has now.

    Attributes:
        settings: Another object takes its place when `config.toml` changes.
    """

    def __init__(
        self,
        settings: Settings,
        known: Callable[[], Iterable[RegistryEntry]] = tuple,
        read_machine: Callable[[], Machine] = memory.read_machine,
    ) -> None:
        self.settings = settings
        self._known = known
        self.read_machine = read_machine

    def weigh(self, entry: RegistryEntry, folder: Path, used_by_models: int, freed: int = 0) -> Verdict:
        """The verdict on loading `entry` while other models hold `used_by_models`, of which `freed` will go first."""
        on_cpu = sys.platform != "darwin"
        config = memory.read_config(folder)
        wanted = memory.TRANSCRIPTION_TOKENS if entry.category == Category.ASR else self.settings.context
        context = min(wanted, memory.number_in(memory.text_config(config), "max_position_embeddings") or wanted)
        floor = int((entry.runtime.memory_gb or 0) * GB)
        if is_image_model(folder):
            bits = self.settings.quantize.get(entry.id, 0)
            need = need_of_images(folder, bits, dense_float32=on_cpu, floor=floor)
        else:
            need = memory.need_of(folder, context, dense_float32=on_cpu, floor=floor)
        kv_cache = memory.kv_cache_of(config, 4 if on_cpu else 2)
        return self._judge(entry, need, kv_cache, used_by_models, freed)

    def estimate(self, entry: RegistryEntry, used_by_models: int, freed: int = 0) -> Verdict | None:
        """The verdict on a model that is not on this machine, by the registry's word; None if it does not tell."""
        size = estimated_need(entry)
        if size is None:
            return None
        verdict = self._judge(entry, Need(size, 0, 0), KVCache(), used_by_models, freed)
        return dataclasses.replace(verdict, estimated=True)

    def _judge(self, entry: RegistryEntry, need: Need, kv_cache: KVCache, used_by_models: int, freed: int) -> Verdict:
        level, machine = self.settings.guard, self.read_machine()
        capacity = memory.room_on(Machine(machine.total, machine.total, machine.gpu_limit), 0, level)
        machine = Machine(machine.total, machine.available + freed, machine.gpu_limit)
        room = memory.room_on(machine, used_by_models - freed, level)
        verdict = memory.judge(need, room, level, kv_cache, others_loaded=used_by_models > freed)
        if verdict.fits:
            return verdict
        advice = verdict.advice
        if need.weights > capacity:
            advice = f"This machine can give a model {memory.gigabytes(capacity)} at most."
        if other := _smaller_sibling(entry, self._known(), room):
            advice += f" {other.name} ({other.id}) would fit: it needs {other.runtime.memory_gb:.1f} GB."
        return dataclasses.replace(verdict, advice=advice)

    def room_for_caches(self, verdict: Verdict) -> int | None:
        """Bytes that the model's KV caches may take once it is loaded; None if the guard is off."""
        if verdict.level == "off":
            return None
        return max(verdict.need.kv_cache, verdict.available - verdict.need.weights - verdict.need.activations)


def _smaller_sibling(entry: RegistryEntry, known: Iterable[RegistryEntry], room: int) -> RegistryEntry | None:
    """The model of the same family that fits best: the same size in fewer bits if there is one, else a smaller one."""

    def is_sibling(other: RegistryEntry) -> bool:
        same_family = other.name.split()[0] == entry.name.split()[0]
        needs = int((other.runtime.memory_gb or 0) * GB)
        fits = 0 < needs <= room and other.id != entry.id and other.category == entry.category
        return fits and same_family and other.unsupported_reason() is None

    def closeness(other: RegistryEntry) -> tuple[bool, float]:
        return other.runtime.parameters == entry.runtime.parameters, other.runtime.memory_gb or 0.0

    return max(filter(is_sibling, known), key=closeness, default=None)
