"""One setting: what it means, what it is, and a field of its kind to change it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, Label, TextArea

from ominix_core.errors import SettingsError
from ominix_core.setting_fields import SettingField
from ominix_tui.setting_values import brief, choices, is_table, kind, parsed, typed
from ominix_tui.text import one_line, printable
from ominix_tui.widgets.choice_row import ChoiceRow


class SettingEditor(Vertical):
    """Posts `Edited` with a value of the setting's type; whoever keeps it answers with `tell`."""

    DEFAULT_CSS = """
    SettingEditor {
        Label { width: 1fr; height: auto; }
        #setting { text-style: bold; color: $text-primary; }
        #meaning { margin: 1 0; }
        #default, #hint { color: $text-muted; }
        #field { height: auto; margin-top: 1; }
        #field Input, #field TextArea { background: $foreground 6%; }
        #field Input:focus, #field TextArea:focus { background: $foreground 12%; background-tint: transparent; }
        #field TextArea { height: 8; border: none; padding: 0; }
        #hint { margin-top: 1; }
        #told { margin-top: 1; }
        #told.-wrong { color: $text-error; }
        #told.-well { color: $text-success; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "keep", "Save", id="setting.keep", tooltip="Save what was typed"),
        Binding("escape", "screen.leave", "Settings", id="setting.leave", tooltip="Back to the list of settings"),
    ]

    @dataclass
    class Edited(Message):
        """The setting is to have another value."""

        name: str
        value: Any

    def __init__(self, *, id: str, classes: str) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._field: SettingField | None = None

    def compose(self) -> ComposeResult:
        yield Label(id="setting", markup=False)
        yield Label(id="meaning", markup=False)
        yield Label(id="default", markup=False)
        yield Vertical(id="field")
        yield Label(id="hint", markup=False)
        yield Label(id="told", markup=False)

    @property
    def shown(self) -> str | None:
        """The name of the setting that is shown."""
        return self._field.name if self._field else None

    async def show(self, field: SettingField, value: Any) -> None:
        """Show a setting with the value that it has."""
        self._field = field
        fixed = field.variable in os.environ
        self.query_one("#setting", Label).update(field.name)
        self.query_one("#meaning", Label).update(field.meaning)
        self.query_one("#default", Label).update(f"Default: {one_line(brief(field.default))}")
        holder = self.query_one("#field")
        with self.app.batch_update():
            await holder.remove_children()
            await holder.mount(Label(printable(brief(value))) if fixed else _field_for(field, value))
        hint = f"The variable {field.variable} sets it; unset that to change it here." if fixed else _hint(field)
        self.query_one("#hint", Label).update(hint)
        self.tell("")

    def tell(self, words: str, well: bool = True) -> None:
        """Say how the last change went."""
        told = self.query_one("#told", Label)
        told.update(printable(words))
        told.set_class(well, "-well").set_class(not well, "-wrong")

    def focus_field(self) -> None:
        for widget in self.query("#field > *"):
            if widget.focusable:
                widget.focus()

    @on(ChoiceRow.Changed)
    def _on_chosen(self, event: ChoiceRow.Changed) -> None:
        if self._field is not None:
            self.post_message(self.Edited(self._field.name, choices(self._field)[event.chosen]))

    @on(Input.Submitted)
    def action_keep(self) -> None:
        if self._field is None:
            return
        for field in self.query("#field > *"):
            if isinstance(field, Input | TextArea):
                text = field.value if isinstance(field, Input) else field.text
                try:
                    self.post_message(self.Edited(self._field.name, parsed(self._field, text)))
                except SettingsError as error:
                    self.tell(str(error), well=False)


def _field_for(field: SettingField, value: Any) -> Widget:
    if options := choices(field):
        row = ChoiceRow(((word, word) for word in options), id="choice")
        row.set_reactive(ChoiceRow.chosen, brief(value))
        return row
    if is_table(field):
        return TextArea(typed(field, value), compact=True, highlight_cursor_line=False)
    return Input(typed(field, value), compact=True)


def _hint(field: SettingField) -> str:
    if choices(field):
        return "← → changes it and saves."
    how = "Ctrl+S saves." if is_table(field) else "Enter saves."
    return f"It takes {kind(field)}. {how}"
