"""The questions about API keys: what a new one is for, and the one time that its secret is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.widgets import Input, Label

from ominix_tui.widgets.choice_row import ChoiceRow
from ominix_tui.widgets.dialogs import CANCEL, DIALOG_CSS, Dialog

SCOPES = {"use": "use the models", "manage": "also load, unload and download them"}


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that is to be made.

    Attributes:
        manages: Whether it may load, unload and download models too.
    """

    name: str
    manages: bool


class NewKeyDialog(Dialog[NewKey | None]):
    """Asks what a key is for; None if the user thinks better of it."""

    DEFAULT_CSS = f"""
    NewKeyDialog {{
        {DIALOG_CSS}
        Label {{ width: 1fr; color: $text-muted; }}
        Input {{ background: $foreground 8%; margin-bottom: 1; }}
        ChoiceRow {{ margin-bottom: 1; }}
    }}
    """
    BINDINGS: ClassVar[list[BindingType]] = [CANCEL]

    def compose(self) -> ComposeResult:
        with Container() as box:
            box.border_title = "New API key"
            yield Label("What it is for, such as the program that will use it")
            yield Input(compact=True, max_length=80)
            yield Label("It may")
            yield ChoiceRow(SCOPES.items(), id="scope")
            yield Label("Enter makes it · Tab and ← → choose what it may · Escape cancels")

    @on(Input.Submitted)
    def _on_submitted(self, event: Input.Submitted) -> None:
        if name := event.value.strip():
            self.dismiss(NewKey(name, self.query_one(ChoiceRow).chosen == "manage"))


class SecretDialog(Dialog[None]):
    """Shows a key, which nothing can show again."""

    DEFAULT_CSS = f"""
    SecretDialog {{
        {DIALOG_CSS}
        Label {{ width: 1fr; }}
        #secret {{ margin: 1 0; text-style: bold; color: $text-success; }}
        .hint {{ color: $text-muted; }}
    }}
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c,y", "copy", "Copy", id="secret.copy", tooltip="Copy the key to the clipboard"),
        Binding("enter,escape", "dismiss", "Close", id="secret.close", tooltip="Close; the key is not shown again"),
    ]

    def __init__(self, name: str, secret: str) -> None:
        super().__init__()
        self._title = f"API key for {name}"
        self._secret = secret

    def compose(self) -> ComposeResult:
        with Container() as box:
            box.border_title = Content(self._title)
            yield Label(self._secret, id="secret", markup=False)
            yield Label("Keep it: nothing can show it again.", classes="hint")
            yield Label("c copies it · Enter closes", classes="hint", id="told")

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self._secret)
        self.query_one("#told", Label).update("It was copied. Enter closes")
