"""Every setting with its value, grouped by what it is about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from rich.cells import cell_len, set_cell_size
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets.option_list import Option

from ominix_core.setting_fields import SettingField
from ominix_tui.setting_values import brief
from ominix_tui.text import one_line
from ominix_tui.widgets.list_keys import Lines

if TYPE_CHECKING:
    from textual import events

GROUPS = {
    "Memory": ("guard", "context", "max_loaded_per_category", "idle_minutes"),
    "Models": (
        *("isolation", "warm_spare", "hang_seconds", "prompt_cache_gb", "kv_bits", "draft_models", "adapters"),
        *("allow_code", "quantize"),
    ),
    "Downloads": ("simultaneous_downloads",),
    "Server": (
        *("host", "port", "allowed_hosts", "cors_origins", "certfile", "keyfile", "max_body_mb"),
        *("max_upload_mb", "requests_per_minute", "max_requests_per_model", "drain_seconds", "preload", "jit"),
    ),
    "Registry": ("registry_url", "registry_key"),
    "Chat": ("providers",),
    "Screen": ("images", "keys"),
}
OTHERS = "More"
WIDEST_VALUE = 14


def grouped(fields: Iterable[SettingField]) -> dict[str, list[SettingField]]:
    """The settings by group; one that no group names is among the others."""
    by_name = {field.name: field for field in fields}
    groups = {title: [by_name.pop(name) for name in names if name in by_name] for title, names in GROUPS.items()}
    return {title: members for title, members in (groups | {OTHERS: list(by_name.values())}).items() if members}


class SettingsList(Lines):
    """A mark tells the settings that are not at their default. Its keys run actions of the screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select", "Change", id="settings.change", tooltip="Go to the setting's value"),
        Binding("r", "screen.reset", "Reset", id="settings.reset", tooltip="Let the setting have its default again"),
        Binding("slash", "screen.find", "Find", id="settings.find", tooltip="Search the settings", key_display="/"),
    ]

    def __init__(self, *, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self._fields: list[SettingField] = []
        self._values: Mapping[str, Any] = {}

    @property
    def chosen(self) -> str | None:
        """The name of the setting under the cursor."""
        return None if self.highlighted is None else self.get_option_at_index(self.highlighted).id

    def show(self, fields: Iterable[SettingField], values: Mapping[str, Any], cursor_on: str | None = None) -> None:
        """Show these settings, the cursor on the one that is named or on the one that it was on."""
        self._fields, self._values = list(fields), values
        self._draw(cursor_on)

    def on_resize(self, event: events.Resize) -> None:
        self._draw()

    def _draw(self, cursor_on: str | None = None) -> None:
        former = cursor_on or self.chosen
        self.set_options(self._grouped_options())
        names = [option.id for option in self.options]
        if names:
            self.highlighted = names.index(former) if former and former in names else 1  # below the first heading

    def _grouped_options(self) -> Iterator[Option]:
        for title, members in grouped(self._fields).items():
            yield Option(title, disabled=True)
            for field in members:
                yield Option(self._line(field), field.name)

    def _line(self, field: SettingField) -> Content:
        value = self._values[field.name]
        words = one_line(brief(value))
        shown = words if cell_len(words) <= WIDEST_VALUE else set_cell_size(words, WIDEST_VALUE - 1) + "…"
        mark = " " if value == field.default else "•"
        room = max(self.scrollable_content_region.width - cell_len(shown) - 4, 8)
        name = field.name if len(field.name) <= room else field.name[: room - 1] + "…"
        return Content.assemble((f" {mark}", "$text-accent"), f"{name:{room}} ", (shown, "$text-muted"), " ")
