"""What becomes of the models in memory when the program ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.widgets import Label, OptionList
from textual.widgets.option_list import Option

from ominix_tui.text import one_line
from ominix_tui.widgets.dialogs import DIALOG_CSS, Dialog

Ending = Literal["serve", "unload", "stay"]

_ENDINGS: dict[Ending, str] = {
    "serve": "Keep serving in the background",
    "unload": "Unload and quit",
    "stay": "Stay",
}


class QuitDialog(Dialog[Ending]):
    """Asks whether the models stay in memory without this program. Ctrl+Q once more does not wait for the answer."""

    DEFAULT_CSS = f"""
    QuitDialog {{
        {DIALOG_CSS}
        OptionList {{ height: auto; border: none; padding: 0; background: transparent; }}
        OptionList:focus {{ border: none; background-tint: transparent; }}
        Label {{ width: 1fr; color: $text-muted; }}
    }}
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss('stay')", "Stay", id="quit.stay", tooltip="Go on as before"),
        Binding("j", "app.simulate_key('down')", "Down", id="quit.down", tooltip="The next choice", show=False),
        Binding("k", "app.simulate_key('up')", "Up", id="quit.up", tooltip="The choice before", show=False),
    ]

    def __init__(self, models: Sequence[str]) -> None:
        super().__init__()
        self._models = models

    def compose(self) -> ComposeResult:
        names = " and ".join(one_line(name) for name in self._models)
        with Container() as box:
            box.border_title = "Quit"
            yield Label(f"{names} {'is' if len(self._models) == 1 else 'are'} in memory.", markup=False)
            yield OptionList(*(Option(text, ending) for ending, text in _ENDINGS.items()))
            yield Label("A server in the background goes on until `ominix stop`.", markup=False)

    @on(OptionList.OptionSelected)
    def _on_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(cast("Ending", event.option_id))
