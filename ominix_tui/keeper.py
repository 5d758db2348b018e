"""Keeps the state of the screen while the program runs, so that the next start finds it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from ominix_tui.remembered import Remembered, save

if TYPE_CHECKING:
    from textual.app import App
    from textual.widgets import TextArea

KEEP_SECONDS = 3.0
"""What a program that is killed may lose."""


class StateKeeper:
    """Reads the state of the last time when it is made.

    Attributes:
        remembered: The state; whoever changes something on the screen that is to stay changes it here.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.remembered = Remembered.load(path)
        self._kept = self.remembered.text()
        self._areas: dict[str, TextArea] = {}
        self._edited: set[str] = set()

    def restore_theme(self, app: App[None]) -> None:
        """Use the theme of the last time, if there is still one of this name."""
        if self.remembered.theme in app.available_themes:
            app.theme = self.remembered.theme

    def restore_draft(self, area: TextArea) -> None:
        """Put back what was typed into this field and not sent."""
        if name := draft_name(area):
            self._areas[name] = area
            if not area.text and (draft := self.remembered.drafts.get(name)):
                area.text = draft
                area.move_cursor(area.document.end)

    def note_edit(self, area: TextArea) -> None:
        """The field's text has changed. It is read when it is kept: joining a long one for each key would be slow."""
        if name := draft_name(area):
            self._edited.add(name)

    async def keep(self, *, finally_: bool = False) -> None:
        """Write the state, if it has changed.

        Args:
            finally_: Read every field: the news of the last edits may not have come yet.
        """
        edited, self._edited = self._edited, set()
        for name in self._areas if finally_ else edited & self._areas.keys():
            self.remembered.keep_draft(name, self._areas[name].text)
        text = self.remembered.text()
        if text != self._kept:
            self._kept = text
            await asyncio.to_thread(save, self._path, text)


def draft_name(area: TextArea) -> str | None:
    """What tells this prompt from others at the next start; None for other fields, and for one whose panel has gone."""
    from ominix_tui.panels.base import ModelPanel
    from ominix_tui.widgets.prompt_area import PromptArea

    if area.id is None or not isinstance(area, PromptArea) or not area.is_attached:
        return None
    for node in area.ancestors:
        if isinstance(node, ModelPanel):
            return f"{node.entry.id}/{area.id}"
    return f"{type(area.screen).__name__}/{area.id}"
