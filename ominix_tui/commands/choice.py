"""Which model a command uses, and which command uses a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ominix_core.errors import OminixError
from ominix_core.states import Unsupported

if TYPE_CHECKING:
    from ominix_core.facade import HubFacade
    from ominix_core.registry.entry import RegistryEntry

KINDS = {
    "ASR": ("transcription", "does not transcribe"),
    "TTS": ("speech", "does not speak"),
    "ImageGen": ("image", "makes no images"),
}
"""What models of these categories are called, and what is said of one of another category."""

_EXAMPLES = {
    "LLM": 'ominix run {} "Hello"',
    "VLM": 'ominix run {} --image photo.jpg "What is on this photo?"',
    "ASR": "ominix transcribe talk.m4a --model {}",
    "TTS": 'ominix speak "Hello" --model {}',
    "ImageGen": 'ominix image "A red fox in the snow" --model {}',
}


def choose(hub: HubFacade, name: str, category: str) -> RegistryEntry:
    """The model of this name; without one that in memory, else the first of its category on this machine.

    Raises OminixError if there is none, or the one that is named is of another category.
    """
    kind, other = KINDS[category]
    if name:
        entry = hub.resolve(name)
        if entry.category != category:
            raise OminixError(
                f"{entry.name} {other}: its category is {entry.category}. See: ominix list --category {category}"
            )
        return entry
    usable = [
        entry
        for entry in hub.registry.entries
        if entry.category == category and not isinstance(hub.state(entry.id), Unsupported)
    ]
    here = hub.loaded(category) or next((entry for entry in usable if hub.downloaded(entry.id)), None)
    if here is None:
        get = next((f" Get one first: ominix pull {entry.id}" for entry in usable if entry.verified), "")
        raise OminixError(f"No {kind} model is on {hub.place or 'this machine'}.{get}")
    return here


def example(entry: RegistryEntry) -> str:
    """The command that tries a model; empty for one that no command uses."""
    return _EXAMPLES.get(entry.category, "").format(entry.id)
