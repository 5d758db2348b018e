"""Every setting as data: its name, type, default and meaning, for those who show or change settings."""

from __future__ import annotations

import ast
import functools
import inspect
from dataclasses import MISSING, dataclass, fields
from typing import Any, get_type_hints

from ominix_core.settings import Settings


@dataclass(frozen=True, slots=True)
class SettingField:
    """One setting.

    Attributes:
        type: As annotated, without its limits: bool, int, float, str, a Literal, tuple[str, ...] or a dict.
        meaning: Its documentation.
    """

    name: str
    type: Any
    default: Any
    meaning: str

    @property
    def variable(self) -> str:
        """The environment variable that overrides it."""
        return f"OMINIX_{self.name.upper()}"


@functools.cache
def setting_fields() -> tuple[SettingField, ...]:
    """Every setting, in the order of their definition."""
    types, meanings = get_type_hints(Settings), _docstrings()
    found = []
    for field in fields(Settings):
        default = field.default if field.default_factory is MISSING else field.default_factory()
        found.append(SettingField(field.name, types[field.name], default, meanings.get(field.name, "")))
    return tuple(found)


def _docstrings() -> dict[str, str]:
    """The string under each field, which Python itself throws away."""
    (definition,) = ast.parse(inspect.getsource(Settings)).body
    assert isinstance(definition, ast.ClassDef)
    found = {}
    for field, below in zip(definition.body, definition.body[1:], strict=False):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = " ".join(text.split())
    return found
