"""The settings screen: every setting on the left, its meaning and its value on the right."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, OptionList

from ominix_core.config_file import ConfigFile
from ominix_core.errors import SettingsError
from ominix_core.setting_fields import SettingField, setting_fields
from ominix_core.settings import FOLLOWED, Settings
from ominix_tui.screens.place import PlaceScreen
from ominix_tui.widgets.setting_editor import SettingEditor
from ominix_tui.widgets.settings_list import SettingsList
from ominix_tui.widgets.telling import telling

LATER = "Saved. It holds from the next start of Ominix on."
FROM_NOW = "Saved. It holds from now on; for a model in memory, when it is loaded again."


class SettingsScreen(PlaceScreen):
    """Changes `config.toml`, whose comments stay as they are."""

    PLACE = "settings"
    CSS_PATH = ["hub.tcss", "settings.tcss"]
    AUTO_FOCUS = "SettingsList"

    def __init__(self) -> None:
        super().__init__()
        self.list = SettingsList(id="settings")
        self.editor = SettingEditor(id="editor", classes="box")
        self._values: dict[str, Any] = {}

    def body(self) -> ComposeResult:
        with Horizontal():
            with Vertical(id="settings-box", classes="box") as box:
                box.border_title = "config.toml"
                yield Input(placeholder="/ to search", compact=True, id="search")
                yield self.list
            yield self.editor

    def on_mount(self) -> None:
        self._read()

    @work
    @telling
    async def _read(self) -> None:
        settings = await asyncio.to_thread(Settings.load, self.app.home)
        self._values = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
        self._list()

    def _list(self) -> None:
        words = self.query_one("#search", Input).value.lower().split()
        found = [field for field in setting_fields() if all(word in _searched(field) for word in words)]
        named = sorted((field.name.find(words[0]), field.name) for field in found if words and words[0] in field.name)
        self.list.show(found, self._values, named[0][1] if named else None)
        self.editor.visible = bool(found)  # it belongs to what the list shows
        self.query_one("#settings-box").border_subtitle = "• not the default"

    # -- finding --------------------------------------------------------------------------------------------------

    @on(Input.Changed, "#search")
    def _on_search(self) -> None:
        if self._values:
            self._list()

    @on(Input.Submitted, "#search")
    def _on_found(self) -> None:
        self.list.focus()

    def action_find(self) -> None:
        self.query_one("#search").focus()

    def action_back(self) -> None:
        """Forget the search first, if there is one."""
        search = self.query_one("#search", Input)
        if search.value or search.has_focus:
            search.value = ""
            self.list.focus()
        else:
            super().action_back()

    def action_leave(self) -> None:
        self.list.focus()

    # -- changing -------------------------------------------------------------------------------------------------

    @on(OptionList.OptionHighlighted)
    async def _on_moved(self, event: OptionList.OptionHighlighted) -> None:
        gone_on = event.option_index != event.option_list.highlighted  # an arrow is held down
        if event.option_id and event.option_id != self.editor.shown and not gone_on:
            await self._show(event.option_id)

    async def _show(self, name: str) -> None:
        field = next(field for field in setting_fields() if field.name == name)
        await self.editor.show(field, self._values[name])

    @on(OptionList.OptionSelected)
    def _on_selected(self) -> None:
        self.editor.focus_field()

    @on(SettingEditor.Edited)
    @work(exclusive=True, group="keep")
    async def _on_edited(self, event: SettingEditor.Edited) -> None:
        try:
            await asyncio.to_thread(ConfigFile(self.app.home).set, event.name, event.value)
            settings = await asyncio.to_thread(Settings.load, self.app.home)
        except SettingsError as error:
            self.editor.tell(str(error), well=False)
            return
        self._values[event.name] = getattr(settings, event.name)
        self._list()
        self._tell_kept(event.name)

    def action_reset(self) -> None:
        if name := self.list.chosen:
            self._reset(name)

    @work(exclusive=True, group="keep")
    @telling
    async def _reset(self, name: str) -> None:
        await asyncio.to_thread(ConfigFile(self.app.home).unset, name)
        settings = await asyncio.to_thread(Settings.load, self.app.home)
        self._values[name] = getattr(settings, name)
        self._list()
        await self._show(name)
        self._tell_kept(name)

    def _tell_kept(self, name: str) -> None:
        if name == "keys":
            self.app.use_own_keys()
        self.editor.tell("Saved." if name == "keys" else FROM_NOW if name in FOLLOWED else LATER)


def _searched(field: SettingField) -> str:
    return f"{field.name} {field.name.replace('_', ' ')} {field.meaning}".lower()
