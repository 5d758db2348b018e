"""What a start shows first: the model that is selected, or on a machine without any what to get."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ominix_core.states import Downloaded, Loaded, NotDownloaded, Unsupported
from ominix_core.system import estimated_need

if TYPE_CHECKING:
    from ominix_core.facade import HubFacade
    from ominix_core.registry.entry import RegistryEntry

COMFORT = 0.5
"""The share of the room for models that the recommended one takes: the rest is for its context and other programs."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What suits this machine.

    Attributes:
        recommended: The model to begin with.
        fitting: Every chat model that fits, the largest first.
        capacity: Bytes that one model may take here.
        memory: Bytes that this machine has.
        online: Whether the place that models come from answers; without it, only the demo model can be had.
    """

    recommended: RegistryEntry
    fitting: tuple[RegistryEntry, ...]
    capacity: int
    memory: int
    online: bool = True


def first_choice(hub: HubFacade) -> RegistryEntry | None:
    """A loaded model, else one on this machine, else the first."""
    entries = hub.registry.entries
    for kind in (Loaded, Downloaded):
        for entry in entries:
            if isinstance(hub.state(entry.id), kind):
                return entry
    return entries[0] if entries else None


def is_empty(hub: HubFacade) -> bool:
    """Whether no model is on this machine or on its way to it."""
    return all(isinstance(hub.state(entry.id), NotDownloaded | Unsupported) for entry in hub.registry.entries)


def offer(hub: HubFacade) -> Offer | None:
    """What to begin with; None if the registry knows nothing that fits. Takes a few milliseconds."""
    system = hub.system()
    needs = {entry.id: estimated_need(entry) or 0 for entry in hub.registry.entries if _can_chat(hub, entry)}
    fitting = [entry for entry in hub.registry.entries if 0 < needs.get(entry.id, 0) <= system.capacity]
    fitting.sort(key=lambda entry: needs[entry.id], reverse=True)
    if not fitting:
        return None
    comfortable = [entry for entry in fitting if needs[entry.id] <= system.capacity * COMFORT]
    recommended = comfortable[0] if comfortable else fitting[-1]
    return Offer(recommended, tuple(fitting), system.capacity, system.memory.total)


def offer_offline(hub: HubFacade, online: Offer) -> Offer | None:
    """What to begin with where the hubs cannot be reached: the demo model, which a package brings."""
    demo = next((entry for entry in online.fitting if entry.source.type == "PyPI"), None)
    return Offer(demo, (demo,), online.capacity, online.memory, online=False) if demo else None


def _can_chat(hub: HubFacade, entry: RegistryEntry) -> bool:
    return entry.category == "LLM" and isinstance(hub.state(entry.id), NotDownloaded)
