"""What lies on this machine's disk, a line for each model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len, set_cell_size
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets.option_list import Option

from ominix_core.system import file_size
from ominix_tui.text import one_line
from ominix_tui.widgets.list_keys import Lines

if TYPE_CHECKING:
    from textual import events

BAR_CELLS = 16


@dataclass(frozen=True, slots=True)
class Stored:
    """A model's folder.

    Attributes:
        bytes: What it takes on disk.
        note: What is unusual about it, or empty.
    """

    model_id: str
    name: str
    bytes: int
    note: str = ""


class StoredModels(Lines):
    """Its keys run actions of the screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select", "Show", id="stored.show", tooltip="Show this model in the hub"),
        Binding("d", "screen.remove", "Remove", id="stored.remove", tooltip="Delete the model's files"),
        Binding("v", "screen.verify", "Verify", id="stored.verify", tooltip="Compare every file with its checksum"),
    ]

    def __init__(self, *, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self._models: Sequence[Stored] = ()

    @property
    def chosen(self) -> Stored | None:
        """The model under the cursor."""
        return None if self.highlighted is None or not self._models else self._models[self.highlighted]

    def show(self, models: Sequence[Stored]) -> None:
        """Show these, the cursor on the model that it was on."""
        former = self.chosen
        self._models = models
        self._draw()
        if models:
            places = [model.model_id for model in models]
            self.highlighted = places.index(former.model_id) if former and former.model_id in places else 0

    def on_resize(self, event: events.Resize) -> None:
        before = self.highlighted
        self._draw()
        self.highlighted = before

    def _draw(self) -> None:
        most = max((model.bytes for model in self._models), default=0) or 1
        self.set_options(Option(self._line(model, most), model.model_id) for model in self._models)

    def _line(self, model: Stored, most: int) -> Content:
        size = f"{file_size(model.bytes):>9}"
        full = round(model.bytes / most * BAR_CELLS)
        note = f"{one_line(model.note)}  " if model.note else ""
        room = self.scrollable_content_region.width - cell_len(note) - BAR_CELLS - len(size) - 3
        name = set_cell_size(one_line(model.name), max(room, 8))
        return Content.assemble(
            f" {name} ",
            (note, "$text-warning"),
            ("━" * full, "$text-primary"),
            ("━" * (BAR_CELLS - full), "$foreground 15%"),
            f" {size}",
        )
