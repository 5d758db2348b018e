"""What every panel is: the part of the hub screen that is made for one kind of model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import events, on
from textual.containers import Vertical
from textual.widgets import Label

from ominix_core.states import Downloaded, Downloading, Error, Loaded, Loading, ModelState, NotDownloaded, Paused
from ominix_tui.text import printable

if TYPE_CHECKING:
    from ominix_core.chat_tree import Exchange
    from ominix_core.facade import HubFacade
    from ominix_core.registry.entry import RegistryEntry


class ModelPanel(Vertical):
    """A panel for one model. The screen makes it when the model is first selected, and tells it of state changes.

    Attributes:
        hub: Where the model's requests go.
        entry: The model.
    """

    DEFAULT_CSS = """
    ModelPanel {
        #form { height: auto; }
        #form .caption { width: 8; color: $text-muted; }
        #form Horizontal:focus-within > .caption { color: $text-accent; }
        Input, TextArea { background: $foreground 4%; }
        Input:focus, TextArea:focus { background: $foreground 10%; background-tint: transparent; }
        PromptArea { width: 1fr; height: auto; min-height: 2; max-height: 6; border: none; padding: 0; }
        .spring { width: 1fr; }
        #problem { display: none; width: 1fr; color: $text-error; }
    }
    """

    def __init__(self, hub: HubFacade, entry: RegistryEntry) -> None:
        super().__init__()
        self.hub = hub
        self.entry = entry
        self._state: ModelState = NotDownloaded()

    @property
    def holds_work(self) -> bool:
        """Whether something of the user's would be lost with the panel. The screen drops only panels without."""
        return False

    @property
    def exchange(self) -> Exchange | None:
        """What a conversation can go on with: the last question and its answer, once that has ended."""
        return None

    def show_state(self, state: ModelState) -> None:
        """The model's state is now `state`. Called once after mounting, then with every change."""
        self._state = state
        self.show_hint()

    @on(events.DescendantFocus)
    @on(events.DescendantBlur)
    def show_hint(self) -> None:
        """Say where the result will be how it gets there; it depends on where what is typed would go."""

    def hint(self, loaded: str, meanwhile: str) -> str:
        """What stands where the result will be: `loaded` once the model is, before that how it gets there.

        Args:
            meanwhile: What can be done already, as in "type your prompt".
        """
        return hint(self._state, loaded, meanwhile, inside=self.has_focus_within)

    def show_problem(self, problem: str | None) -> None:
        """Say below the form what is wrong with it; None is nothing."""
        label = self.query_one("#problem", Label)
        label.update(printable(problem or ""))
        label.display = problem is not None

    def focus_first(self) -> None:
        """Give the focus to the field where using the model begins."""
        for widget in self.query("*"):
            if widget.focusable:
                widget.focus()
                return


def hint(state: ModelState, loaded: str, meanwhile: str, *, inside: bool) -> str:
    """See `ModelPanel.hint`. Nobody is invited to type while the focus is not `inside`: keys are commands there."""
    way_in = f"You can {meanwhile} already." if inside else f"Enter lets you {meanwhile} already."
    way_out = "Escape, then " if inside else ""
    match state:
        case Loaded():
            return loaded if inside else f"{loaded} Enter lets you {meanwhile}."
        case Loading():
            return f"The model is on its way into memory. {way_in}"
        case Downloading():
            return f"The model is on its way to this machine. {way_in}"
        case Downloaded():
            return f"The model is not in memory: {way_out}l loads it."
        case NotDownloaded():
            return f"The model is not on this machine yet: {way_out}g gets it."
        case Paused():
            return f"The download is paused: {way_out}g goes on with it."
        case Error():
            return "The model is not in memory; what happened is told above."
        case _:
            return ""
