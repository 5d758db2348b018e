"""What a Hub publishes to its subscribers. Handlers run on the Hub's threads and must return at once."""

from __future__ import annotations

from dataclasses import dataclass

from ominix_core.states import ModelState


@dataclass(frozen=True, slots=True)
class ModelStateChanged:
    """A model entered a new state, or its progress moved."""

    model_id: str
    state: ModelState


@dataclass(frozen=True, slots=True)
class RegistryChanged:
    """Entries were added, changed or removed; ids are in `added`, `changed` and `removed`."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


HubEvent = ModelStateChanged | RegistryChanged
