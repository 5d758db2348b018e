"""An entry from JSON in canonical names, and JSON from an entry."""

from __future__ import annotations

from collections.abc import Iterable
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
    return _fields(entry, entry.said, every=False)


def all_fields(entry: RegistryEntry) -> JsonObject:
    """The entry as JSON with every field; of its defaults those that are said, because the others are none."""
    return _fields(entry, entry.said, every=True)


def _fields(part: Part, said: JsonObject, *, every: bool) -> JsonObject:
    """The fields of `part` in their order, every one or those that are said, and then those that it does not know."""
    fields: JsonObject = {"type": part.type} if isinstance(part, Source) else {}
    adds_unsaid = every and not isinstance(part, Defaults)
    for name in part.__struct_fields__:
        if (adds_unsaid or name in said) and name != "said":
            fields[name] = _json(getattr(part, name), said.get(name), every)
    return fields | {name: value for name, value in said.items() if name not in fields}


def _json(value: Any, said: Any, every: bool) -> Any:
    if isinstance(value, Part):
        return _fields(value, said or {}, every=every)
    if isinstance(value, tuple) and value and isinstance(value[0], Part):
        return [_json(item, its_said, every) for item, its_said in zip_longest(value, said or ())]
    return list(value) if isinstance(value, tuple) else value
