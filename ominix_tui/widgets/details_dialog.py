"""Everything that the registry tells of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content

from ominix_tui.panels.facts import fact_lines
from ominix_tui.text import one_line
from ominix_tui.widgets.dialogs import ChoiceDialog

if TYPE_CHECKING:
    from ominix_core.registry.entry import RegistryEntry


def details_dialog(entry: RegistryEntry) -> ChoiceDialog:
    """Shows the facts of an entry until Escape."""
    return ChoiceDialog(one_line(entry.name), Content("\n").join(fact_lines(entry)), {}, hint="Escape closes this")
