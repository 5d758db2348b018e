"""Words and figures for the screen: text made safe, states named, sizes rounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size

from ominix_core.states import (
    Downloaded,
    Downloading,
    Error,
    Loaded,
    Loading,
    ModelState,
    NotDownloaded,
    Paused,
    Unsupported,
)
from ominix_core.system import file_size

if TYPE_CHECKING:
    from ominix_core.events import RegistryChanged
    from ominix_core.registry.catalogue import Registry
    from ominix_core.registry.entry import RegistryEntry

MOST_NAMES = 3

# Registry files and models are not trusted with the terminal: an escape sequence in their text would reach it.
_CONTROL_CODES = {code: None for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"}


def printable(text: str) -> str:
    """`text` without control codes; newlines and tabs stay."""
    return text.translate(_CONTROL_CODES)


def one_line(text: str) -> str:
    """`text` without control codes, its whitespace collapsed."""
    return " ".join(printable(text).split())


def fitted(text: str, width: int) -> str:
    """`text` in exactly so many cells: padded, or cut with an ellipsis."""
    if cell_len(text) > width:
        text = set_cell_size(text, width - 1).rstrip() + "…"
    return set_cell_size(text, width)


def time_left(seconds: float) -> str:
    """How long something will still take, in the unit that says enough."""
    if seconds < 60:
        return f"{max(seconds, 1):.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def counted(number: int, noun: str) -> str:
    """So many of something: "1 model", "1,200 models"."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def listed(names: Sequence[str]) -> str:
    """Names as a sentence has them, no more than are easily read: "A, B and C", "A, B, C and 4 more"."""
    shown = [one_line(name) for name in names[:MOST_NAMES]]
    if more := len(names) - len(shown):
        shown.append(f"{more:,} more")
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def percent(fraction: float) -> str:
    return f"{int(fraction * 100)} %"


@dataclass(frozen=True, slots=True)
class StateWords:
    """How a state looks: never by colour alone.

    Attributes:
        glyph: One cell wide.
        short: For a narrow list.
        long: For a badge.
        tone: The theme's name for its colour: "success", "accent", "warning", "error", "muted" or "foreground".
    """

    glyph: str
    short: str
    long: str
    tone: str


def words_for(state: ModelState) -> StateWords:
    """The glyph, texts and tone of a state."""
    match state:
        case Loaded():
            return StateWords("●", "loaded", "Loaded", "success")
        case Downloaded():
            return StateWords("○", "on disk", "Downloaded", "foreground")
        case Downloading():
            share = percent(state.progress) if state.total_bytes else "…"
            return StateWords("↓", share, f"Downloading {share}", "accent")
        case Paused():
            return StateWords("‖", "paused", f"Paused at {percent(state.progress)}", "accent")
        case Loading():
            share = percent(state.progress)
            return StateWords("◐", share, f"Loading {share}", "accent")
        case Error():
            return StateWords("!", "error", "Error", "error")
        case Unsupported():
            return StateWords("–", "unsupported", "Unsupported", "muted")
        case NotDownloaded():
            return StateWords("·", "get", "Not downloaded", "muted")


def download_measure(state: Downloading) -> str:
    """Bytes, speed and the time that is left, as far as they are known."""
    parts = [f"{file_size(state.done_bytes)} of {file_size(state.total_bytes) if state.total_bytes else '?'}"]
    if state.speed:
        parts.append(f"{file_size(state.speed)}/s")
    if state.eta:
        parts.append(f"{time_left(state.eta)} left")
    return " · ".join(parts)


def facts_line(entry: RegistryEntry) -> str:
    """Category · parameters · quantization · verified · memory · licence, as far as the registry knows them."""
    runtime = entry.runtime
    memory = f"{runtime.memory_gb:.1f} GB RAM" if runtime.memory_gb else ""
    parts = (
        entry.category,
        runtime.parameters,
        runtime.quantization,
        "✓ verified" if entry.verified else "",
        memory,
        entry.license,
    )
    return " · ".join(one_line(str(part)) for part in parts if part)


def change_words(change: RegistryChanged, registry: Registry) -> str:
    """What an update of the registry brought, with the names of new models."""
    names = [entry.name for model_id in change.added[:MOST_NAMES] if (entry := registry.get(model_id))]
    if len(change.added) > MOST_NAMES:
        names.append("…")
    parts = []
    if change.added:
        parts.append(f"{len(change.added):,} new ({', '.join(map(one_line, names))})")
    if change.changed:
        parts.append(f"{len(change.changed):,} changed")
    if change.removed:
        parts.append(f"{len(change.removed):,} gone")
    return " · ".join(parts)
