"""The two questions that the chat screen asks: for a text, and for a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.screen import ModalScreen
from textual.widgets import Label, OptionList
from textual.widgets.option_list import Option

from ominix_core.chat_models import ChatModel
from ominix_tui.text import one_line, words_for
from ominix_tui.widgets.dialog import CANCEL, DIALOG_CSS
from ominix_tui.widgets.prompt_area import PromptArea


class TextDialog(ModalScreen[str | None]):
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
            box.border_title = self._title
            yield PromptArea(self._text, compact=True, highlight_cursor_line=False)
            yield Label(self._hint, markup=False)

    def on_mount(self) -> None:
        area = self.query_one(PromptArea)
        area.move_cursor(area.document.end)

    @on(PromptArea.Submitted)
    def _on_submitted(self) -> None:
        self.dismiss(self.query_one(PromptArea).text)


class ModelDialog(ModalScreen[str | None]):
    """Asks which model answers; its id, or None if the user thinks better of it."""

    DEFAULT_CSS = f"""
    ModelDialog {{
        {DIALOG_CSS}
        OptionList {{ height: auto; max-height: 16; border: none; padding: 0; background: transparent; }}
        OptionList:focus {{ border: none; background-tint: transparent; }}
        Label {{ width: 1fr; color: $text-muted; }}
    }}
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        CANCEL,
        Binding("j", "app.simulate_key('down')", "Down", id="dialog.down", tooltip="The next model", show=False),
        Binding("k", "app.simulate_key('up')", "Up", id="dialog.up", tooltip="The previous model", show=False),
    ]

    def __init__(self, models: Sequence[ChatModel], chosen: str) -> None:
        super().__init__()
        self._models = models
        self._chosen = chosen

    def compose(self) -> ComposeResult:
        with Container() as box:
            box.border_title = "Model"
            if self._models:
                yield OptionList(*(Option(describe(model), model.id) for model in self._models))
            hint = "Enter uses the model, and loads it if it is on this machine" if self._models else NO_MODEL
            yield Label(hint, markup=False)

    def on_mount(self) -> None:
        places = [model.id for model in self._models]
        if self._chosen in places:
            self.query_one(OptionList).highlighted = places.index(self._chosen)

    @on(OptionList.OptionSelected)
    def _on_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_id)


NO_MODEL = "No model is on this machine yet. Get one in the Model Hub (Ctrl+T)."


def describe(model: ChatModel) -> Text:
    """A model on one line: name, where it runs, and its state."""
    text = Text(f"{one_line(model.name)} [{one_line(model.badge)}]", no_wrap=True, overflow="ellipsis")
    if model.state is not None:
        words = words_for(model.state)
        text.append(f" {words.glyph} {words.long}")
    return text
