"""What becomes of the models in memory, and of the downloads, when the program ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.widgets import Label, OptionList
from textual.widgets.option_list import Option

from ominix_tui.text import listed
from ominix_tui.widgets.dialogs import DIALOG_CSS, UnhurriedDialog

Ending = Literal["serve", "unload", "stay"]

_SERVE = {
    (True, False): "Keep serving in the background",
    (False, True): "Go on downloading in the background",
    (True, True): "Keep serving and downloading in the background",
}
_QUIT = {
    (True, False): "Unload and quit",
    (False, True): "Pause the downloads and quit",
    (True, True): "Unload, pause the downloads and quit",
}
"""The words of two choices, by whether there are models and downloads."""


class QuitDialog(UnhurriedDialog[Ending]):
    """Asks whether what is at work goes on without this program. Ctrl+Q once more does not wait for the answer.

    Args:
        models: The names of the models in memory.
        downloads: The names of those that are on their way to this machine.
    """

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

    def __init__(self, models: Sequence[str], downloads: Sequence[str]) -> None:
        super().__init__()
        self._models = models
        self._downloads = downloads

    def compose(self) -> ComposeResult:
        at_work = bool(self._models), bool(self._downloads)
        endings: dict[Ending, str] = {"serve": _SERVE[at_work], "unload": _QUIT[at_work], "stay": "Stay"}
        with Container() as box:
            box.border_title = "Quit"
            for names, happens in ((self._models, "in memory"), (self._downloads, "being downloaded")):
                if names:
                    yield Label(f"{listed(names)} {'is' if len(names) == 1 else 'are'} {happens}.", markup=False)
            yield OptionList(*(Option(text, ending) for ending, text in endings.items()))
            if self._downloads:
                yield Label("What has arrived is kept; the next start says how to go on.", markup=False)
            yield Label("A server in the background goes on until `ominix stop`.", markup=False)

    @on(OptionList.OptionSelected)
    def _on_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(cast("Ending", event.option_id))
