"""The head of every panel: which model, how big, in what state, and what can be done with it now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.color import Color, ColorParseError
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Label, ProgressBar

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
from ominix_tui.text import download_measure, facts_line, one_line, percent, words_for

if TYPE_CHECKING:
    from ominix_core.registry.entry import RegistryEntry

BUTTONS = {"get": "Get", "load": "Load", "unload": "Unload", "cancel": "Cancel"}


def actions_for(state: ModelState, on_disk: bool) -> frozenset[str]:
    """What can be done with a model in this state: names from BUTTONS."""
    match state:
        case NotDownloaded() | Paused():
            return frozenset({"get"})
        case Downloading() | Loading():
            return frozenset({"cancel"})
        case Downloaded():
            return frozenset({"load"})
        case Loaded():
            return frozenset({"unload"})
        case Error():
            return frozenset({"load" if on_disk else "get"})
        case Unsupported():
            return frozenset()


class ModelHeader(Vertical):
    """Name, facts, state badge, buttons; progress and trouble when there are any.

    Its buttons run the screen's actions `get_model`, `load_model`, `unload_model` and `cancel_model`.
    """

    DEFAULT_CSS = """
    ModelHeader {
        height: auto;
        padding: 0 1;
        border-left: thick $accent;

        #title-row { height: 1; }
        #name { width: 1fr; text-style: bold; text-wrap: nowrap; text-overflow: ellipsis; }
        #badge { width: auto; padding: 0 1; }
        #facts { width: 1fr; color: $text-muted; text-wrap: nowrap; text-overflow: ellipsis; }

        Button { margin-left: 1; min-width: 0; padding: 0 2; background: $surface-lighten-1; }
        #get, #load { background: $primary-muted; color: $text-primary; }
        Button:focus { background: $primary; color: $text; text-style: bold; }

        #progress { height: auto; }
        #step-row { height: 1; }
        #step { width: 1fr; color: $text-accent; text-wrap: nowrap; text-overflow: ellipsis; }
        #measure { width: auto; padding-left: 1; color: $text-muted; }
        ProgressBar, Bar { width: 1fr; }

        #notice { width: 1fr; color: $text-muted; }
        #notice.-error { color: $text-error; }

        .tone-success { color: $text-success; }
        .tone-accent { color: $text-accent; }
        .tone-error { color: $text-error; }
        .tone-muted { color: $text-muted; }
    }
    """

    def compose(self) -> ComposeResult:
        with Horizontal(id="title-row"):
            yield Label(id="name", markup=False)
            yield Label(id="badge", markup=False)
            for name, label in BUTTONS.items():
                yield Button(label, id=name, compact=True, action=f"screen.{name}_model")
        yield Label(id="facts", markup=False)
        with Vertical(id="progress"):
            with Horizontal(id="step-row"):
                yield Label(id="step", markup=False)
                yield Label(id="measure", markup=False)
            yield ProgressBar(total=1, show_eta=False, show_percentage=False)
        yield Label(id="notice", markup=False)

    def show_entry(self, entry: RegistryEntry) -> None:
        """Show another model; follow with `show_state`."""
        self.query_one("#name", Label).update(one_line(entry.name))
        self.query_one("#facts", Label).update(facts_line(entry))
        try:
            self.styles.border_left = ("thick", Color.parse(entry.ui.color))
        except ColorParseError:
            self.styles.clear_rule("border_left")

    def show_state(self, state: ModelState, actions: frozenset[str]) -> None:
        """Show the model's state and the buttons of what can be done in it."""
        words = words_for(state)
        badge = self.query_one("#badge", Label)
        badge.update(f"{words.glyph} {words.long}")
        badge.set_classes(f"tone-{words.tone}")
        self._show_progress(state)
        self._show_notice(state)
        self._show_buttons(actions)

    def _show_buttons(self, actions: frozenset[str]) -> None:
        buttons = list(self.query(Button))
        had_focus = any(button.has_focus for button in buttons)
        shown = [button for button in buttons if button.id in actions]
        for button in buttons:
            button.display = button in shown
        if had_focus and shown and not any(button.has_focus for button in shown):
            shown[0].focus()

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
