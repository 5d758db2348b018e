"""Three layers make one catalogue: bundled, then what was fetched, then the user's own. Later ones win, field by field.

Objects are merged, lists replaced, `null` removes a field, and `"hidden": true` removes an entry from view.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from ominix_core.registry import rules
from ominix_core.registry.dialects import JsonObject
from ominix_core.registry.document import Document, Problem
from ominix_core.registry.entry import RegistryEntry
from ominix_core.registry.entry_json import FaultyEntryError, read_entry, said_fields

LayerName = Literal["bundled", "fetched", "user"]
Origin = Literal["bundled", "fetched", "user", "derived"]


@dataclass(frozen=True, slots=True)
class Layer:
    """One registry file and how far it is trusted.

    Attributes:
        signed: Whether a known publisher's signature vouches for a fetched layer.
    """

    name: LayerName
    document: Document
    signed: bool = False


@dataclass(frozen=True, slots=True)
class Merged:
    """The entries of all layers, those that can be shown and those that were hidden, and what went wrong."""

    entries: list[RegistryEntry]
    hidden: frozenset[str]
    problems: tuple[Problem, ...]


def merge(layers: list[Layer]) -> Merged:
    """Fold the layers into entries. What one layer gets wrong about a model costs that layer's say on it, no more."""
    problems: list[Problem] = [problem for layer in layers for problem in layer.document.problems]
    ids = dict.fromkeys(model_id for layer in layers for model_id in layer.document.entries)
    entries: list[RegistryEntry] = []
    hidden: set[str] = set()
    for model_id in ids:
        entry = _fold(model_id, [layer for layer in layers if model_id in layer.document.entries], problems)
        if entry is None:
            continue
        if entry.hidden:
            hidden.add(model_id)
        else:
            entries.append(entry)
    return Merged(entries, frozenset(hidden), tuple(problems))


def restrain(layer: Layer, bundled: Document, own: Document | None = None) -> Layer:
    """A fetched layer without what it may not say: folders of this machine and, unless it is signed, packages,
    pickles, and other sources for models that the bundled or the user's own layer has."""
    kept: dict[str, JsonObject] = {}
    problems: list[Problem] = []
    for model_id, entry in layer.document.entries.items():
        reason = _refusal(entry, layer.signed)
        if not reason:
            kept[model_id] = entry
            if not layer.signed and _changes_source(entry, bundled.entries.get(model_id)):
                kept[model_id] = _without_sources(entry)
                reason = "an unsigned registry cannot change where a bundled model comes from"
            elif not layer.signed and own is not None and own.entries.get(model_id, {}).get("source"):
                kept[model_id] = _without_sources(entry)
        if reason:
            problems.append(Problem(layer.document.file, layer.document.places[model_id], reason, model_id))
    document = replace(layer.document, entries=kept, problems=(*layer.document.problems, *problems))
    return replace(layer, document=document)


def origins(layers: list[Layer], entry: RegistryEntry) -> dict[str, Origin]:
    """Which layer each value of `entry` comes from, by its dotted path; "derived" if no layer says it."""
    final = said_fields(entry)
    said = [(layer.name, layer.document.entries.get(entry.id, {})) for layer in reversed(layers)]
    found: dict[str, Origin] = {}
    for path, value in _leaves(final):
        found[".".join(path)] = next((name for name, tree in said if _says(tree, path, value)), "derived")
    return found


def overlay(base: JsonObject, over: JsonObject) -> JsonObject:
    """`base` with `over` on top; the arguments stay as they are."""
    if not base:  # most entries are in one layer alone, and this is the quickest copy
        return {
            name: overlay({}, value) if isinstance(value, dict) else value
            for name, value in over.items()
            if value is not None
        }
    merged = dict(base)
    for name, value in over.items():
        below = merged.get(name)
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict):
            starts_anew = not isinstance(below, dict) or (name == "source" and _other_source(below, value))
            merged[name] = overlay({} if starts_anew else below or {}, value)
        else:
            merged[name] = value
    return merged


def _fold(model_id: str, layers: list[Layer], problems: list[Problem]) -> RegistryEntry | None:
    """The entry of all layers, or of those whose say leaves it valid."""
    merged: JsonObject = {}
    for layer in layers:
        merged = overlay(merged, layer.document.entries[model_id])
    try:
        return read_entry(merged)
    except FaultyEntryError:
        pass
    entry = None
    merged = {}
    for layer in layers:
        attempt = overlay(merged, layer.document.entries[model_id])
        try:
            entry = read_entry(attempt)
            merged = attempt
        except FaultyEntryError as error:
            place = layer.document.places[model_id]
            for path, reason in error.faults:
                where = ".".join(part for part in (place, path) if part)
                problems.append(Problem(layer.document.file, where, reason, rules.clean_text(model_id)[:64]))
    return entry


def _refusal(entry: JsonObject, signed: bool) -> str:
    """Why a fetched layer may not have this entry, or nothing."""
    sources = [entry.get("source"), *_parts(entry)]
    if any(_type(source) == "Local" for source in sources):
        return "a fetched registry cannot name a folder on this machine"
    if signed:
        return ""
    if any(_type(source) == "PyPI" for source in sources):
        return "an unsigned registry cannot name a Python package"
    if any(rules.is_pickle(name) for source in sources for name in _file_names(source)):
        return "an unsigned registry cannot name files that may hold a pickle"
    return ""


def _changes_source(entry: JsonObject, bundled: JsonObject | None) -> bool:
    return bundled is not None and any(
        name in entry and entry[name] != bundled.get(name) for name in ("source", "extra_sources")
    )


def _without_sources(entry: JsonObject) -> JsonObject:
    return {name: value for name, value in entry.items() if name not in ("source", "extra_sources")}


def _parts(entry: JsonObject) -> list[Any]:
    parts = entry.get("extra_sources")
    return [part.get("source") for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []


def _type(source: Any) -> Any:
    return source.get("type") if isinstance(source, dict) else None


def _file_names(source: Any) -> list[str]:
    if not isinstance(source, dict):
        return []
    files = source.get("files")
    names = [source.get("url"), *(files if isinstance(files, list) else [])]
    return [name.partition("?")[0] for name in names if isinstance(name, str)]


def _other_source(below: JsonObject, above: JsonObject) -> bool:
    """Whether a source leads elsewhere, so that the revision, files and hashes of the one below do not apply."""
    return any(name in above and above[name] != below.get(name) for name in ("type", "repo", "url", "package", "path"))


def _leaves(tree: JsonObject, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    leaves: list[tuple[tuple[str, ...], Any]] = []
    for name, value in tree.items():
        if isinstance(value, dict) and value:
            leaves += _leaves(value, (*path, name))
        else:
            leaves.append(((*path, name), value))
    return leaves


def _says(tree: Any, path: tuple[str, ...], value: Any) -> bool:
    for name in path:
        if not isinstance(tree, dict) or name not in tree:
            return False
        tree = tree[name]
    return isinstance(tree, list | dict) or bool(tree == value)
