"""The values of settings as text that people read and type."""

from __future__ import annotations

import tomllib
from typing import Any, Literal, get_args, get_origin

from ominix_core.errors import SettingsError
from ominix_core.setting_fields import SettingField

EMPTY = "–"


def choices(field: SettingField) -> dict[str, Any]:
    """The few values that a setting may have, by their words; empty if it may have others."""
    if field.type is bool:
        return {"yes": True, "no": False}
    if get_origin(field.type) is Literal:
        return {str(value): value for value in get_args(field.type)}
    return {}


def is_table(field: SettingField) -> bool:
    """Whether it is written on lines of its own, as TOML."""
    return get_origin(field.type) is dict


def brief(value: Any) -> str:
    """A value in a few words, for lists."""
    match value:
        case bool():
            return "yes" if value else "no"
        case tuple() | list():
            return ", ".join(map(str, value)) or EMPTY
        case dict():
            return ", ".join(value) or EMPTY
        case float():
            return f"{value:g}"
    return str(value) or EMPTY


def typed(field: SettingField, value: Any) -> str:
    """A value as it is typed; `parsed` takes it back."""
    if is_table(field):
        import tomlkit

        return tomlkit.dumps(value).strip()
    return "" if value in ("", ()) else brief(value)


def parsed(field: SettingField, text: str) -> Any:
    """What was typed, as a value for the file. Raises SettingsError if it is not of the setting's kind."""
    if is_table(field):
        try:
            return tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise SettingsError(f"This is not valid TOML: {error}.") from error
    if get_origin(field.type) is tuple:
        return tuple(part for each in text.split(",") if (part := each.strip()))
    text = text.strip()
    if field.type in (int, float):
        try:
            return field.type(text)
        except ValueError as error:
            kind = "a whole number" if field.type is int else "a number"
            raise SettingsError(f"'{text}' is not {kind}.") from error
    return text


def kind(field: SettingField) -> str:
    """What may be typed, in a few words."""
    if is_table(field):
        return "TOML, a line for each"
    if get_origin(field.type) is tuple:
        return "words, separated by commas"
    return {int: "a whole number", float: "a number", str: "text"}.get(field.type, "one of these")
