"""Which models the list shows: what was typed, a quick view, a category."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ominix_core.states import Downloaded, Downloading, Error, Loaded, Loading, ModelState, NotDownloaded, Paused
from ominix_core.system import estimated_need

if TYPE_CHECKING:
    from ominix_core.facade import HubFacade
    from ominix_core.registry.entry import RegistryEntry

VIEWS = {"all": "All", "here": "Here", "loaded": "Loaded", "fits": "Fits"}
KINDS = {"": "Any", "LLM": "LLM", "VLM": "VLM", "ASR": "ASR", "TTS": "TTS", "ImageGen": "Img"}
MOST_HITS = 100

_VIEW_STATES: Mapping[str, tuple[type[ModelState], ...]] = {
    "here": (Downloaded, Downloading, Paused, Loading, Loaded),
    "loaded": (Loading, Loaded),
}


@dataclass(frozen=True, slots=True)
class ModelFilter:
    """What the list is asked for.

    Attributes:
        text: Words of the name, id, tags or description; blank asks for every model.
        view: A key of VIEWS.
        category: A category, or empty for all of them.
    """

    text: str = ""
    view: str = "all"
    category: str = ""

    @property
    def depends_on_states(self) -> bool:
        return self.view in _VIEW_STATES

    def apply(self, hub: HubFacade, states: Mapping[str, ModelState], stays: str | None = None) -> list[RegistryEntry]:
        """The models to show, the likeliest first where words were typed. Takes some 20 ms for 10,000 models.

        Args:
            stays: The model that is in use on the screen: only its removal takes it out of the view.
        """
        entries = hub.registry.search(self.text, len(hub.registry.entries))
        if self.category:
            entries = [entry for entry in entries if entry.category == self.category]
        if self.view == "fits":
            entries = _fitting(hub, entries)
        elif self.depends_on_states:
            wanted = _VIEW_STATES[self.view]
            stays = None if isinstance(states.get(stays or ""), NotDownloaded) else stays
            entries = [entry for entry in entries if entry.id == stays or _in_view(hub, entry, states, wanted)]
        return entries[:MOST_HITS] if self.text.strip() else entries


def _in_view(
    hub: HubFacade, entry: RegistryEntry, states: Mapping[str, ModelState], wanted: tuple[type[ModelState], ...]
) -> bool:
    state = states.get(entry.id)
    if isinstance(state, Error) and Downloaded in wanted:
        return hub.downloaded(entry.id)
    return isinstance(state, wanted)


def _fitting(hub: HubFacade, entries: list[RegistryEntry]) -> list[RegistryEntry]:
    """Models that this machine could hold when nothing else is running; not those of which nobody knows the size."""
    capacity = hub.system().capacity
    return [entry for entry in entries if (estimated_need(entry) or capacity + 1) <= capacity]
