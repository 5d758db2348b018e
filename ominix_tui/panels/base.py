"""What every panel is: the part of the hub screen that is made for one kind of model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import Button, Input, Label, TextArea

from ominix_core.errors import NotReadyError, OminixError
from ominix_core.states import Downloaded, Downloading, Error, Loaded, Loading, ModelState, NotDownloaded, Paused
from ominix_tui.text import one_line, printable

if TYPE_CHECKING:
    from ominix_core.chat_tree import Exchange
    from ominix_core.facade import HubFacade
    from ominix_core.registry.entry import RegistryEntry

BORDER = 2
RESULT_LINES = 5 + BORDER
FORM_LINES = 3 + BORDER


class ModelPanel(Vertical):
    """A panel for one model. The screen makes it when the model is first selected, and tells it of state changes.

    It composes what has the id "form", then the label "problem", then what has the class "result", which gets whatever
    room the form leaves, and RESULT_LINES at the least: the form scrolls where there is no room for both.

    Attributes:
        hub: Where the model's requests go.
        entry: The model.
        PROMPT_LINES: What the prompt grows to where there is room.
    """

    DEFAULT_CSS = """
    ModelPanel {
        #form { height: auto; overflow-y: auto; scrollbar-size-vertical: 1; }
        #form .caption { width: 8; color: $text-muted; }
        #form Horizontal:focus-within > .caption { color: $text-accent; }
        Input, TextArea { background: $foreground 4%; }
        Input:focus, TextArea:focus { background: $foreground 10%; background-tint: transparent; }
        PromptArea { width: 1fr; height: auto; min-height: 2; max-height: 6; border: none; padding: 0; }
        .spring { width: 1fr; }
        #problem { display: none; width: 1fr; padding: 0 2; color: $text-error; }
        .result { height: 1fr; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            *("pageup", "page(-1)", "Answer up"),
            id="panel.page_up",
            tooltip="Scroll the answer up, also from the prompt",
            show=False,
            priority=True,
        ),
        Binding(
            *("pagedown", "page(1)", "Answer down"),
            id="panel.page_down",
            tooltip="Scroll the answer down, also from the prompt",
            show=False,
            priority=True,
        ),
    ]
    PROMPT_LINES = 6

    def __init__(self, hub: HubFacade, entry: RegistryEntry) -> None:
        super().__init__()
        self.hub = hub
        self.entry = entry
        self._state: ModelState = NotDownloaded()
        self._refused = False  # whether the problem that is shown lies in the state

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
        if self._refused and type(state) is not type(self._state):
            self.show_problem(None)
        self._state = state
        self.show_hint()

    @on(events.DescendantFocus)
    @on(events.DescendantBlur)
    def _on_focus_moved(self) -> None:
        self.show_hint()

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
        self._refused = False
        label = self.query_one("#problem", Label)
        label.update(printable(problem or ""))
        label.display = problem is not None
        self.call_after_refresh(self._make_room)

    def show_refusal(self, error: OminixError) -> None:
        """Say why the model does not begin. If that lies in its state, it is said as long as that lasts."""
        refused = isinstance(error, NotReadyError)
        on_its_way = {Loading: "into memory", Downloading: "to this machine"}.get(type(self._state))
        if refused and on_its_way:
            name = one_line(self.entry.name)
            self.show_problem(f"{name} is still on its way {on_its_way}. Press Enter again when it is loaded.")
        else:
            self.show_problem(str(error))
        self._refused = refused

    def on_resize(self) -> None:
        self._make_room()

    def _make_room(self) -> None:
        """Let the form have what is left of the height when the result has its least."""
        for form in self.query("#form"):
            others = [child for child in self.children if child is not form and not child.has_class("result")]
            taken = sum(max(child.outer_size.height, child.id != "problem") for child in others)
            room = max(self.size.height - RESULT_LINES - taken, FORM_LINES)
            form.styles.max_height = room
            for prompt in form.query("PromptArea"):
                prompt.styles.max_height = max(min(self.PROMPT_LINES, room - BORDER - 1), 2)

    @property
    def _pages(self) -> Iterator[Widget]:
        """What PageUp and PageDown move: a result that is longer than its box, unless the focus moves by pages."""
        if isinstance(self.screen.focused, Input | TextArea | Button):
            yield from (each for each in self.query(".result") if each.max_scroll_y)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "page" or any(self._pages)

    def action_page(self, step: int) -> None:
        """Scroll the result by a page."""
        for result in self._pages:
            (result.scroll_page_up if step < 0 else result.scroll_page_down)(animate=False)

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
