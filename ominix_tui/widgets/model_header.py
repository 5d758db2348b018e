"""The head of every panel: which model, how big, in what state, whether it fits, and what can be done with it now."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.color import Color, ColorParseError
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Label, ProgressBar

from ominix_core.states import Downloading, Error, Loading, ModelState, Unsupported
from ominix_tui.colors import readable
from ominix_tui.model_commands import COMMAND_KEYS, COMMANDS
from ominix_tui.text import download_measure, facts_line, one_line, percent, words_for

if TYPE_CHECKING:
    from ominix_core.registry.entry import RegistryEntry
    from ominix_tui.memory_words import MemoryWords

BUTTONS = (*(each.name for each in COMMANDS), "details")


class ModelHeader(Vertical):
    """Name, facts, state badge, buttons; progress, memory and trouble when there is something to tell of them.

    Its buttons run the screen's actions `model(name)` and `details`.
    """

    DEFAULT_CSS = """
    ModelHeader {
        height: auto;
        padding: 0 1;
        border-left: thick $accent;

        #title-row { height: 1; }
        #name { width: 1fr; text-style: bold; text-wrap: nowrap; text-overflow: ellipsis; }
        #badge { width: auto; padding: 0 1; }
        #facts { width: 1fr; max-height: 2; color: $text-muted; }

        #buttons { height: 1; }
        Button { margin-right: 1; min-width: 0; padding: 0 1; background: $surface-lighten-1; }
        Button.-main { background: $primary-muted; color: $text-primary; }
        Button:focus { background: $primary; color: $text; text-style: bold; }

        #progress { height: auto; }
        #step-row { height: 1; }
        #step { width: 1fr; color: $text-accent; text-wrap: nowrap; text-overflow: ellipsis; }
        #step.-waits { color: $text-warning; }
        #measure { width: auto; padding-left: 1; color: $text-muted; }
        ProgressBar, Bar { width: 1fr; }

        #memory { width: 1fr; max-height: 3; }
        #notice { width: 1fr; color: $text-muted; }
        #notice.-error { color: $text-error; }

        .tone-success { color: $text-success; }
        .tone-accent { color: $text-accent; }
        .tone-warning { color: $text-warning; }
        .tone-error { color: $text-error; }
        .tone-muted { color: $text-muted; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = COMMAND_KEYS

    def __init__(self) -> None:
        super().__init__()
        self._memory = Label(id="memory", markup=False)
        self._memory.display = False
        self._words: MemoryWords | None = None
        self._color = ""

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _: self.call_after_refresh(self.show_color))

    def compose(self) -> ComposeResult:
        with Horizontal(id="title-row"):
            yield Label(id="name", markup=False)
            yield Label(id="badge", markup=False)
        yield Label(id="facts", markup=False)
        with Vertical(id="progress"):
            with Horizontal(id="step-row"):
                yield Label(id="step", markup=False)
                yield Label(id="measure", markup=False)
            yield ProgressBar(total=1, show_eta=False, show_percentage=False)
        yield self._memory
        yield Label(id="notice", markup=False)
        with Horizontal(id="buttons"):
            yield Button("Details", id="details", compact=True, action="screen.details")

    def show_entry(self, entry: RegistryEntry) -> None:
        """Show another model; follow with `show_state`."""
        self.query_one("#name", Label).update(one_line(entry.name))
        self.query_one("#facts", Label).update(facts_line(entry))
        self.show_memory(None)
        self._color = entry.ui.color
        self.show_color()

    def show_color(self) -> None:
        """Show the entry's own colour, made readable on the theme that is on; in the theme's colour if it has none."""
        try:
            color = Color.parse(self._color)
        except ColorParseError:
            self.styles.clear_rule("border_left")
        else:
            _, background = self.background_colors
            self.styles.border_left = ("thick", readable(color, background))

    def show_state(self, state: ModelState, check: Downloading | None) -> None:
        """Show the model's state, and how far the check of its files is while there is one."""
        words = words_for(state)
        badge = self.query_one("#badge", Label)
        badge.update(f"{words.glyph} {words.long}")
        badge.set_classes(f"tone-{words.tone}")
        self._show_progress(check or state)
        self._show_notice(state)

    def show_memory(self, words: MemoryWords | None) -> None:
        """Show whether the model fits into memory, or what it takes there."""
        if words == self._words:
            return
        self._words = words
        self._memory.display = words is not None
        if words is not None:
            self._memory.update(words.text)
            self._memory.set_classes(f"tone-{words.tone}")

    def show_commands(self, names: tuple[str, ...]) -> None:
        """Show the buttons of these commands alone."""
        self._make_buttons(names)
        buttons = {button.id or "": button for button in self.query(Button)}
        had_focus = any(button.has_focus for button in buttons.values())
        for name, button in buttons.items():
            button.display = name in names or name == "details"
            button.set_class(name in names[:1], "-main")
        if had_focus and names and not any(button.has_focus and button.display for button in buttons.values()):
            buttons[names[0]].focus()

    def _make_buttons(self, names: tuple[str, ...]) -> None:
        """Make those that were not needed before: all at once would hold up the first model."""
        row = self.query_one("#buttons")
        there = {button.id for button in row.query(Button)}
        missing = [each for each in COMMANDS if each.name in names and each.name not in there]
        if missing:
            row.mount_all(
                Button(each.label, id=each.name, compact=True, action=f"screen.model('{each.name}')")
                for each in missing
            )
            row.sort_children(key=lambda button: BUTTONS.index(button.id or ""))

    def _show_progress(self, state: ModelState) -> None:
        step, measure, progress = "", "", 0.0
        if isinstance(state, Downloading):
            step, progress = state.note or state.file or "starting", state.progress
            measure = download_measure(state)
        elif isinstance(state, Loading):
            step, progress = state.stage, state.progress
            measure = percent(progress)
        self.query_one("#progress").display = bool(step)
        self.query_one("#step", Label).update(one_line(step))
        self.query_one("#step").set_class(isinstance(state, Downloading) and bool(state.note), "-waits")
        self.query_one("#measure", Label).update(measure)
        self.query_one(ProgressBar).update(progress=progress)

    def _show_notice(self, state: ModelState) -> None:
        notice = self.query_one("#notice", Label)
        text = ""
        if isinstance(state, Error):
            text = state.message
        elif isinstance(state, Unsupported):
            text = state.reason
        notice.display = bool(text)
        notice.update(one_line(text))
        notice.set_class(isinstance(state, Error), "-error")
