"""Structs whose texts have been checked, and every fault of a value that cannot become one.

`msgspec.convert` stops at the first fault. That is enough to see that a value is bad, and makes the good ones cheap;
only what is bad is then gone through field by field.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from typing import Annotated, Any, NamedTuple, get_args, get_origin

import msgspec
from msgspec import Meta, inspect, structs

from ominix_core.registry.rules import Rule, clean_text

Check = Callable[[str], object]
"""Raises ValueError, with a reason for people, if a text is not what it must be."""


def kept_by(check: Check) -> Meta:
    """Annotates a text with what checks it; a JSON Schema shows a rule as its pattern."""
    schema = {"pattern": f"^(?:{check.pattern})$"} if isinstance(check, Rule) else None
    return Meta(extra={"check": check}, extra_json_schema=schema)


class Part(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Part of an entry. However it is made, ValueError is raised if a text in it does not pass its check."""

    def __post_init__(self) -> None:
        for name, check, is_list in _checks(type(self)):
            value = getattr(self, name)
            if is_list:
                for text in value:
                    check(text)
            elif value is not None:
                check(value)


class Fault(NamedTuple):
    """What is wrong, and where: "runtime.memory_gb"."""

    path: str
    reason: str


def faults_of(value: Any, part: type[Part]) -> list[Fault]:
    """All that keeps `value` from being read as a `part`, each fault at the deepest place that has it."""
    return [Fault(".".join(path), reason) for path, reason in _faults(value, inspect.type_info(part), ())]


@functools.cache
def _checks(part: type[Part]) -> tuple[tuple[str, Check, bool], ...]:
    """The fields of `part` that are checked, by what, and whether each is a list of texts."""
    return tuple((field.name, *found) for field in structs.fields(part) for found in _checks_in(field.type))


def _checks_in(kind: Any, in_list: bool = False) -> Iterator[tuple[Check, bool]]:
    for meta in getattr(kind, "__metadata__", ()):
        if meta.extra:
            yield meta.extra["check"], in_list
    for inner in get_args(kind):
        yield from _checks_in(inner, in_list or get_origin(kind) is tuple)


def _options(kind: inspect.Type) -> list[inspect.Type]:
    """What a value may be, besides null."""
    options = kind.types if isinstance(kind, inspect.UnionType) else (kind,)
    return [option for option in options if not isinstance(option, inspect.NoneType)]


_Path = tuple[str, ...]


def _faults(value: Any, kind: inspect.Type, path: _Path) -> Iterator[tuple[_Path, str]]:
    match kind:
        case inspect.UnionType():
            if value is not None or not kind.includes_none:
                yield from _faults_as_option(value, _options(kind), path)
        case inspect.StructType() if isinstance(value, dict):
            for field in kind.fields:
                place = (*path, field.name)
                if field.name in value:
                    yield from _faults(value[field.name], field.type, place)
                elif field.required:
                    yield place, "is missing"
        case inspect.VarTupleType(max_length=int(most)) if isinstance(value, list | tuple) and len(value) <= most:
            for index, item in enumerate(value):
                yield from _faults(item, kind.item_type, (*path, str(index)))
        case inspect.DictType() if isinstance(value, dict):
            pass
        case _:
            if reason := _refusal(value, kind):
                yield path, reason


def _faults_as_option(value: Any, options: list[inspect.Type], path: _Path) -> Iterator[tuple[_Path, str]]:
    """The faults of `value` as the one of several objects that its tag names."""
    tagged = {option.tag: option for option in options if isinstance(option, inspect.StructType)}
    if len(options) == 1 or not isinstance(value, dict):
        yield from _faults(value, options[0], path)
        return
    field = str(next(iter(tagged.values())).tag_field)
    kind = next((option for tag, option in tagged.items() if tag == value.get(field)), None)
    if kind is not None:
        yield from _faults(value, kind, path)
    elif field in value:
        yield (*path, field), f"must be one of {', '.join(map(str, tagged))}{_found(value[field])}"
    else:
        yield (*path, field), "is missing"


_PLAIN: dict[type[inspect.Type], tuple[type, str]] = {
    inspect.IntType: (int, "a whole number"),
    inspect.FloatType: (float, "a number"),
    inspect.StrType: (str, "text"),
    inspect.BoolType: (bool, "true or false"),
}
_LIMITS = ("gt", "ge", "le", "min_length", "max_length")


def _refusal(value: Any, kind: inspect.Type) -> str:
    """Why `value` is not a `kind`, or nothing. A list or object is one only if it has been gone through before."""
    check: Check | None = None
    if isinstance(kind, inspect.Metadata):
        check, kind = (kind.extra or {}).get("check"), kind.type
    limits = {name: limit for name in _LIMITS if (limit := getattr(kind, name, None)) is not None}
    if type(kind) not in _PLAIN:
        noun = f"a list of at most {limits['max_length']} items" if "max_length" in limits else "an object"
        return f"must be {noun}{_found(value)}"
    plain, noun = _PLAIN[type(kind)]
    try:
        msgspec.convert(value, Annotated[plain, Meta(**limits)], strict=False)
        if check is not None:
            check(value)
    except msgspec.ValidationError:
        return f"must be {noun}{_limited(limits)}{_found(value)}"
    except ValueError as error:
        return f"{error}{_found(value)}" if isinstance(check, Rule) else str(error)
    return ""


def _limited(limits: dict[str, Any]) -> str:
    """The limits in words, such as " from 0 to 5"."""
    shown = {name: f"{limit:,}".removesuffix(".0") for name, limit in limits.items()}
    match shown:
        case {"gt": least, "le": most}:
            return f" above {least}, at most {most}"
        case {"ge": least, "le": most}:
            return f" from {least} to {most}"
        case {"min_length": least, "max_length": most}:
            return f" of {least} to {most} characters"
        case {"max_length": most}:
            return f" of at most {most} characters"
    return ""


def _found(value: Any) -> str:
    """What stands there, as JSON has it; of an object or a list only that it is one."""
    if isinstance(value, dict):
        return " (it is an object)"
    if isinstance(value, list | tuple):
        return f" (it is a list of {len(value)})"
    return f" (it is {clean_text(json.dumps(value, ensure_ascii=False))[:60]})"
