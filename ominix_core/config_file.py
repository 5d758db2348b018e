"""Changing `config.toml` the way a careful person would: one value at a time, everything else as it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ominix_core import atomic
from ominix_core.errors import SettingsError
from ominix_core.settings import Settings

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

    from ominix_core.paths import Home


class ConfigFile:
    """The user's settings file; comments, order and keys that nobody here knows stay. Every method raises SettingsError
    if the file cannot be read or written.
    """

    def __init__(self, home: Home) -> None:
        self._home = home

    def values(self) -> dict[str, Any]:
        """What the file says, as plain values."""
        return self._read().unwrap()

    def set(self, name: str, value: Any) -> None:
        """Keep a setting. Raises SettingsError, before anything is written, if it may not have this value."""
        Settings.check(name, value)
        document = self._read()
        if isinstance(value, Mapping) and isinstance(table := document.get(name), dict):
            _merge(table, value)
        else:
            document[name] = list(value) if isinstance(value, tuple) else value
        self._write(document)

    def unset(self, name: str) -> None:
        """Let a setting have its default again."""
        document = self._read()
        if document.pop(name, None) is not None:
            self._write(document)

    def _read(self) -> TOMLDocument:
        import tomlkit
        from tomlkit.exceptions import TOMLKitError

        try:
            return tomlkit.parse(self._home.config.read_text("utf-8"))
        except FileNotFoundError:
            return tomlkit.document()
        except TOMLKitError as error:
            raise SettingsError(f"{self._home.config} is not valid TOML: {error}. Mend or remove the file.") from error
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"Cannot read {self._home.config}: {error}") from error

    def _write(self, document: TOMLDocument) -> None:
        path = self._home.config.resolve()  # people keep such files elsewhere and link them
        try:
            atomic.write(path, document.as_string())
        except OSError as error:
            raise SettingsError(f"Cannot write {path}: {error.strerror}") from error


def _merge(table: dict[str, Any], value: Mapping[str, Any]) -> None:
    for name in [name for name in table if name not in value]:
        del table[name]
    for name, item in value.items():
        if isinstance(item, Mapping) and isinstance(before := table.get(name), dict):
            _merge(before, item)
        elif table.get(name) != item:
            table[name] = item
