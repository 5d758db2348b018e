"""What questions in front of a screen look like, and the simplest of them."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal
from textual.screen import ModalScreen
from textual.widgets import Button, Label

from ominix_tui.text import printable

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
CANCEL = Binding("escape", "dismiss", "Cancel", id="dialog.cancel", tooltip="Close this and change nothing")


class ConfirmDialog(ModalScreen[bool]):
    """Asks before something is lost; True if it may be.

    Args:
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
            box.border_title = printable(self._title)
            yield Label(printable(self._question), markup=False)
            with Horizontal():
                yield Button("No (n)", compact=True, action="screen.answer(False)")
                yield Button(f"{self._yes} (y)", compact=True, action="screen.answer(True)")

    def action_answer(self, answer: bool) -> None:
        self.dismiss(answer)
