"""Work that ends while nobody looks: what is said about it on another screen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ominix_core.states import Downloaded, Downloading, Error, Loaded, Loading, ModelState
from ominix_tui.text import one_line

if TYPE_CHECKING:
    from ominix_core.events import ModelStateChanged


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of a download, a load or a run.

    Attributes:
        of_download: Whether it was a download.
        words: What happened, after the model's name.
    """

    of_download: bool
    words: str
    severity: Literal["information", "error"] = "information"


class Endings:
    """Remembers what each model was doing, and tells when that has ended."""

    def __init__(self) -> None:
        self._former: dict[str, type[ModelState]] = {}

    def of(self, event: ModelStateChanged) -> Ending | None:
        """What this event ends, or None."""
        state = event.state
        former = self._former.get(event.model_id)
        self._former[event.model_id] = type(state)
        of_download = former is Downloading
        match state:
            case Downloaded() if of_download:
                return Ending(True, "is on this machine now.")
            case Loaded() if former is Loading:
                return Ending(False, "is loaded.")
            case Error() if former in (Downloading, Loading, Loaded):
                return Ending(of_download, f"! {one_line(state.message)}", "error")
        return None
