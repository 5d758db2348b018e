"""The panel for a model whose kind has no panel of its own: what the registry knows, and how to use it elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from ominix_core.system import file_size
from ominix_tui.panels.base import ModelPanel
from ominix_tui.text import one_line

if TYPE_CHECKING:
    from ominix_core.registry.entry import RegistryEntry

LABEL_WIDTH = 14
FAINT = "$foreground 60%"


class FactsPanel(ModelPanel):
    """Every fact of an entry, one a line."""

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="box") as box:
            box.border_title = "Facts"
            note = f"This version has no panel for models of the type “{self.entry.ui.panel_type}”."
            lines = [*fact_lines(self.entry), Content(), Content.styled(one_line(note), FAINT)]
            yield Static(Content("\n").join(lines))


def fact_lines(entry: RegistryEntry) -> Iterator[Content]:
    """The facts with their labels, and the description."""
    for label, value in facts_of(entry):
        if value:
            yield Content.styled(label.ljust(LABEL_WIDTH), FAINT) + one_line(value)
    if entry.description:
        yield Content()
        yield Content(one_line(entry.description))


def facts_of(entry: RegistryEntry) -> list[tuple[str, str]]:
    """Label and value of each fact; a value that the registry does not know is empty."""
    runtime = entry.runtime
    return [
        ("Id", entry.id),
        ("Category", " · ".join(part for part in (entry.category, entry.subcategory) if part)),
        ("Parameters", runtime.parameters),
        ("Quantization", runtime.quantization),
        ("Memory", f"{runtime.memory_gb:.1f} GB" if runtime.memory_gb else ""),
        ("Context", f"{runtime.context:,} tokens" if runtime.context else ""),
        ("Size on disk", file_size(entry.size_bytes) if entry.size_bytes else ""),
        ("Source", f"{entry.source.type} {getattr(entry.source, 'repo', '')}"),
        ("Licence", entry.license),
        ("Verified", "its repository was seen to exist" if entry.verified else ""),
        ("Tags", ", ".join(entry.tags)),
        ("API", f"{runtime.api_type}, model “{entry.api_id}”"),
    ]
