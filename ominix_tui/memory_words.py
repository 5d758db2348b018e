"""What a model does to the memory of its machine, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.content import Content

from ominix_core.errors import OminixError
from ominix_core.memory import gigabytes
from ominix_core.states import Downloaded, Error, Loaded, ModelState, NotDownloaded, Paused
from ominix_tui.text import one_line

if TYPE_CHECKING:
    from ominix_core.facade import HubFacade
    from ominix_core.memory import Verdict
    from ominix_core.system import System

LABEL_WIDTH = 15
FAINT = "$foreground 60%"
WORKING_MEMORY = {"LLM": "KV cache", "VLM": "KV cache", "ImageGen": "One image"}
"""What a model of each category needs besides weights and activations."""


@dataclass(frozen=True, slots=True)
class MemoryWords:
    """A sentence and its tone, as of `StateWords`."""

    text: str
    tone: str


def memory_words(hub: HubFacade, model_id: str, state: ModelState) -> MemoryWords | None:
    """What to say before the model is loaded, and once it is; None if there is nothing to say. Reads the disk."""
    match state:
        case Loaded(memory_bytes=held, load_seconds=seconds) if held:
            return MemoryWords(f"Holds {gigabytes(held)} · loaded in {seconds:.1f} s", "muted")
        case NotDownloaded() | Paused() | Downloaded() | Error():
            try:
                verdict = hub.weigh(model_id)
            except OminixError:
                return None
            if verdict is None or (isinstance(state, Error) and not verdict.fits):  # an error has told it already
                return None
            return _judged(verdict)
        case _:
            return None


def _judged(verdict: Verdict) -> MemoryWords:
    about = "about " if verdict.estimated else ""
    need, available = gigabytes(verdict.need.total), gigabytes(verdict.available)
    if verdict.level == "off":
        return MemoryWords(f"Needs {about}{need}, {available} available; the memory guard is off", "muted")
    if verdict.fits:
        return MemoryWords(f"✓ Needs {about}{need}, {available} available", "muted")
    return MemoryWords(one_line(f"! Needs {about}{need}, only {available} available. {verdict.advice}"), "warning")


def memory_lines(verdict: Verdict, system: System, names: Mapping[str, str], category: str) -> Iterator[Content]:
    """Every number behind a verdict, by the line; `names` has the other loaded models by their ids."""
    need, memory = verdict.need, system.memory
    loaded = ", ".join(f"{name} {gigabytes(system.models[model_id])}" for model_id, name in names.items())
    lines = {
        "Weights": gigabytes(need.weights),
        WORKING_MEMORY.get(category, "Audio"): gigabytes(need.kv_cache) if need.kv_cache else "",
        "Activations": gigabytes(need.activations) if need.activations else "",
        "Needs": gigabytes(need.total),
        "Available": f"{gigabytes(verdict.available)} (memory guard: {verdict.level})",
        "This machine": f"{gigabytes(memory.available)} free of {gigabytes(memory.total)}",
        "Loaded models": loaded or "none",
    }
    for label, value in lines.items():
        if value:
            yield Content.styled(label.ljust(LABEL_WIDTH), FAINT) + value
