"""The API keys, a line for each."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets.option_list import Option

from ominix_core.server.keys import ApiKey
from ominix_tui.text import one_line
from ominix_tui.widgets.list_keys import Lines


class KeyList(Lines):
    """Its keys run actions of the screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d", "screen.revoke", "Revoke", id="server.revoke", tooltip="Take the key back, at once"),
    ]

    @property
    def chosen(self) -> str | None:
        """The id of the key under the cursor."""
        return None if self.highlighted is None else self.get_option_at_index(self.highlighted).id

    def show(self, keys: Sequence[ApiKey]) -> None:
        """Show these keys, the cursor where it was."""
        former = self.highlighted or 0
        self.set_options(Option(_line(key), key.id) for key in keys)
        if keys:
            self.highlighted = min(former, len(keys) - 1)


def _line(key: ApiKey) -> Content:
    day = datetime.date.fromtimestamp(key.created).isoformat()
    scopes = " + ".join(key.scopes)
    return Content.assemble(f" {key.id}  ", (f"{scopes:14} {day}  ", "$text-muted"), (one_line(key.name), "bold"))
