"""The questions that every screen asks: for a yes, for one of several choices, and for a text."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import ClassVar, TypeVar

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.await_complete import AwaitComplete
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen, Screen
from textual.widgets import Button, Label, OptionList, Static
from textual.widgets.option_list import Option

from ominix_tui.text import one_line, printable
from ominix_tui.widgets.prompt_area import PromptArea

DIALOG_CSS = """
    align: center middle;
    background: $background 60%;
    & > Container {
        width: 90%; max-width: 76; height: auto; max-height: 90%;
        padding: 0 1;
        border: round $border;
        border-title-color: $text-primary;
        background: $surface;
    }
"""
DEAF_SECONDS = 0.4
"""An Enter that comes before anybody can have read a dialog is not meant for it."""
SENTENCE_SECONDS = 1.5
"""Who types a sentence does not stop for so long in the midst of it, as a rule."""
CANCEL = Binding("escape", "dismiss", "Cancel", id="dialog.cancel", tooltip="Close this and change nothing")


Answer = TypeVar("Answer")


class OneAnswer(Screen[Answer]):
    """The next key of one that is held down, or a second click, comes too late to close another screen."""

    def dismiss(self, result: Answer | None = None) -> AwaitComplete:
        return super().dismiss(result) if self.is_active else AwaitComplete()


class Dialog(ModalScreen[Answer], OneAnswer[Answer]):
    """Lies over a screen until it is answered."""


class UnhurriedDialog(Dialog[Answer]):
    """A dialog that a letter may have opened in the midst of a sentence: what is typed on does not answer it.

    Attributes:
        listens: Whether its letters and Enter answer.
    """

    def __init__(self) -> None:
        super().__init__()
        self._deaf_until = float("inf")

    @property
    def listens(self) -> bool:
        return time.monotonic() >= self._deaf_until

    def on_mount(self) -> None:
        self._deaf_until = time.monotonic() + DEAF_SECONDS

    def on_key(self, event: events.Key) -> None:
        """Bindings are looked up after this: what stops here does nothing."""
        answers = event.key in self.active_bindings
        if event.is_printable and not answers:
            self._deaf_until = time.monotonic() + SENTENCE_SECONDS
        if (event.is_printable or event.key == "enter") and not (answers and self.listens):
            event.stop()


class ConfirmDialog(UnhurriedDialog[bool]):
    """Asks before something is lost; True if it may be. No is chosen at first.

    Args:
        question: What would be lost.
        yes: The word on the button that goes on.
    """

    DEFAULT_CSS = f"""
    ConfirmDialog {{
        {DIALOG_CSS}
        Label {{ width: 1fr; }}
        Horizontal {{ height: auto; margin-top: 1; align-horizontal: right; }}
        Button {{ min-width: 0; padding: 0 2; margin-left: 1; background: $surface-lighten-1; }}
        Button:focus {{ background: $primary; color: $text; text-style: bold reverse; }}
    }}
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes", id="confirm.yes", tooltip="Do it"),
        Binding("n,escape", "answer(False)", "No", id="confirm.no", tooltip="Change nothing"),
        Binding("left", "app.focus_previous", "Left", id="confirm.left", tooltip="The other button", show=False),
        Binding("right", "app.focus_next", "Right", id="confirm.right", tooltip="The other button", show=False),
    ]

    def __init__(self, title: str, question: str, yes: str) -> None:
        super().__init__()
        self._title = title
        self._question = question
        self._yes = yes

    def compose(self) -> ComposeResult:
        with Container() as box:
            box.border_title = Content(one_line(self._title))
            yield Label(printable(self._question), markup=False)
            with Horizontal():
                yield Button("No (n)", compact=True, action="screen.answer(False)")
                yield Button(f"{self._yes} (y)", compact=True, action="screen.answer(True)")

    def action_answer(self, answer: bool) -> None:
        self.dismiss(answer)


class TextDialog(Dialog[str | None]):
    """Asks for a text, which may have several lines; None if the user thinks better of it."""

    DEFAULT_CSS = f"""
    TextDialog {{
        {DIALOG_CSS}
        PromptArea {{ height: auto; max-height: 14; border: none; padding: 0; background: $foreground 8%; }}
        Label {{ width: 1fr; color: $text-muted; }}
    }}
    """
    BINDINGS: ClassVar[list[BindingType]] = [CANCEL]

    def __init__(self, title: str, text: str = "", hint: str = "") -> None:
        super().__init__()
        self._title = title
        self._text = text
        self._hint = hint or "Enter saves · Ctrl+J starts a new line · Escape cancels"

    def compose(self) -> ComposeResult:
        with Container() as box:
            box.border_title = Content(one_line(self._title))
            yield PromptArea(self._text, compact=True, highlight_cursor_line=False)
            yield Label(self._hint, markup=False)

    def on_mount(self) -> None:
        area = self.query_one(PromptArea)
        area.move_cursor(area.document.end)

    @on(PromptArea.Submitted)
    def _on_submitted(self) -> None:
        self.dismiss(self.query_one(PromptArea).text)


class ChoiceDialog(Dialog[str | None]):
    """Asks for one of several choices; its key, or None if the user thinks better of it.

    Args:
        text: What the choice is about; it stands above the choices.
        choices: The words of each choice by its key. There may be none: then the text is all.
        chosen: The choice that the cursor stands on at first; the first one if there is no such key.
        hint: What stands below the choices.
    """

    DEFAULT_CSS = f"""
    ChoiceDialog {{
        {DIALOG_CSS}
        VerticalScroll {{ height: auto; max-height: 1fr; margin-bottom: 1; scrollbar-size-vertical: 1; }}
        OptionList {{ height: auto; max-height: 16; border: none; padding: 0; background: transparent; }}
        OptionList:focus {{ border: none; background-tint: transparent; }}
        Label {{ width: 1fr; color: $text-muted; }}
    }}
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        CANCEL,
        Binding("j", "app.simulate_key('down')", "Down", id="dialog.down", tooltip="The next choice", show=False),
        Binding("k", "app.simulate_key('up')", "Up", id="dialog.up", tooltip="The choice above", show=False),
    ]

    def __init__(
        self,
        title: str,
        text: Content | str,
        choices: Mapping[str, Text | str],
        *,
        chosen: str | None = None,
        hint: str = "",
    ) -> None:
        super().__init__()
        self._title = title
        self._text = Content(text) if isinstance(text, str) else text
        self._choices = choices
        self._chosen = chosen
        self._hint = hint

    def compose(self) -> ComposeResult:
        with Container() as box:
            box.border_title = Content(one_line(self._title))
            if self._text:
                with VerticalScroll(can_focus=not self._choices):
                    yield Static(self._text)
            if self._choices:
                words = {key: Text(word) if isinstance(word, str) else word for key, word in self._choices.items()}
                yield OptionList(*(Option(word, key) for key, word in words.items()))
            if self._hint:
                yield Label(self._hint, markup=False)

    def on_mount(self) -> None:
        keys = list(self._choices)
        if keys:
            self.query_one(OptionList).highlighted = keys.index(self._chosen) if self._chosen in keys else 0

    @on(OptionList.OptionSelected)
    def _on_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_id)


class UnaskedDialog(ChoiceDialog):
    """A choice that comes by itself, perhaps while somebody types: text does not answer it, nor does its Enter.

    Until an arrow key is pressed, the choice is `chosen`, which should change nothing.
    """

    HINT = "↑ ↓ choose · Enter answers · Escape: nothing changes"

    def __init__(self, title: str, text: Content | str, choices: Mapping[str, Text | str], *, chosen: str) -> None:
        super().__init__(title, text, choices, chosen=chosen, hint=self.HINT)
        self._is_typing = True

    def on_mount(self) -> None:
        self._rest = self.set_timer(DEAF_SECONDS, self._listen)

    def _listen(self) -> None:
        self._is_typing = False

    def on_key(self, event: events.Key) -> None:
        """Bindings are looked up after this: what stops here does nothing."""
        if event.is_printable:
            self._rest.stop()
        if event.is_printable or (event.key == "enter" and self._is_typing):
            self._is_typing = True
            event.stop()
        else:
            self._is_typing = False
