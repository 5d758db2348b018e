"""Settings: `config.toml` under `OMINIX_HOME`, overridden by `OMINIX_*` variables."""

from __future__ import annotations

import difflib
import os
import tomllib
from dataclasses import dataclass, fields
from typing import Any, Literal, Self, get_args

from ominix_core.errors import SettingsError
from ominix_core.paths import Home

Isolation = Literal["process", "thread"]


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting with its default. Each field's docstring is its documentation."""

    isolation: Isolation = "process"
    """Where a loaded model lives: a process of its own, or a thread of this one (for embedding and fast tests)."""

    host: str = "127.0.0.1"
    """The address that `ominix serve` listens on."""

    port: int = 8080
    """The port that `ominix serve` listens on."""

    @classmethod
    def load(cls, home: Home) -> Self:
        """Read the file and the environment. Raises SettingsError that names the file, the key and the nearest one."""
        values = _read_file(home)
        for field in fields(cls):
            variable = os.environ.get(f"OMINIX_{field.name.upper()}")
            if variable:
                values[field.name] = variable
        return cls(**{name: _checked(name, value) for name, value in values.items()})


def _read_file(home: Home) -> dict[str, Any]:
    try:
        text = home.config.read_text("utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"Cannot read {home.config}: {error}") from error
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{home.config} is not valid TOML: {error}. Mend or remove the file.") from error
    known = [field.name for field in fields(Settings)]
    for name in values:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else f" Known settings: {', '.join(known)}."
            raise SettingsError(f"{home.config} has an unknown setting '{name}'.{hint}")
    return values


def _checked(name: str, value: Any) -> Any:
    if name == "isolation" and value not in get_args(Isolation):
        raise SettingsError(f"isolation must be one of {', '.join(get_args(Isolation))}, not '{value}'.")
    if name == "port":
        try:
            port = int(value)
        except (TypeError, ValueError):
            port = -1
        if not 0 <= port <= 65535:
            raise SettingsError(f"port must be a whole number from 0 to 65535, not '{value}'.")
        return port
    return value
