"""An entry from JSON in canonical names, and JSON from an entry."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import zip_longest
from typing import Any

import msgspec

from ominix_core.errors import RegistryError
from ominix_core.registry.checking import Fault, Part, faults_of
from ominix_core.registry.dialects import JsonObject, complete
from ominix_core.registry.entry import Defaults, RegistryEntry, Source


class FaultyEntryError(RegistryError):
    """An entry that cannot be used; `faults` are all its faults."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("The entry is not valid: " + "; ".join(f"{path}: {reason}" for path, reason in self.faults))


def read_entry(fields: JsonObject) -> RegistryEntry:
    """The entry that `fields` describe, with what follows from them. Raises FaultyEntryError."""
    said = complete(fields)
    whole = {**said, "said": said}
    try:
        return msgspec.convert(whole, RegistryEntry, strict=False)
    except msgspec.ValidationError as error:
        raise FaultyEntryError(faults_of(whole, RegistryEntry) or [Fault("", str(error))]) from error


def said_fields(entry: RegistryEntry) -> JsonObject:
    """What the registry says of a model, and what follows from it, as JSON."""
    return _fields(entry, entry.said, lambda _, is_said: is_said)


def all_fields(entry: RegistryEntry) -> JsonObject:
    """The entry as JSON with every field, those that nothing is said of with the values that they have then."""
    return _fields(entry, entry.said, lambda part, is_said: is_said or not isinstance(part, Defaults))


def _fields(part: Part, said: JsonObject, is_wanted: Callable[[Part, bool], bool]) -> JsonObject:
    """The fields of `part` that are wanted, in their order, then those that `said` alone has."""
    names = [name for name in part.__struct_fields__ if name != "said"]
    fields: JsonObject = {"type": part.type} if isinstance(part, Source) else {}
    for name in names:
        if is_wanted(part, name in said):
            fields[name] = _json(getattr(part, name), said.get(name), is_wanted)
    return fields | {name: value for name, value in said.items() if name not in fields and name not in names}


def _json(value: Any, said: Any, is_wanted: Callable[[Part, bool], bool]) -> Any:
    if isinstance(value, Part):
        return _fields(value, said or {}, is_wanted)
    if isinstance(value, tuple):
        return [_json(item, its_said, is_wanted) for item, its_said in zip_longest(value, said or ())]
    return value
