"""A registry file: bytes from a disk or a server in, checked entries in canonical names out."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec

from ominix_core.errors import RegistryError
from ominix_core.registry.dialects import JsonObject, normalise
from ominix_core.registry.rules import MAX_DEPTH, clean_text
from ominix_core.registry.support import version_key

MAX_BYTES = 8 * 2**20
MAX_ENTRIES = 20_000
FORMAT = (1,)
"""The major version of the format that this reader knows."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A part of a registry file that could not be used, and why.

    Attributes:
        where: The path inside the file, for example "models.3.runtime.memory_gb"; empty for the file as a whole.
        model_id: The entry, when its id could be read.
    """

    file: Path
    where: str
    reason: str
    model_id: str = ""

    def __str__(self) -> str:
        place = " ".join(part for part in (self.model_id, self.where and f"({self.where})") if part)
        if not place and self.reason.startswith(str(self.file)):
            return self.reason
        return f"{self.file}: {place}: {self.reason}" if place else f"{self.file}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Document:
    """What one registry file says.

    Attributes:
        entries: Entries in canonical names by id, as partial as the file has them.
        places: Each entry's path inside the file, "models.3".
        serial: Grows with every edition that a publisher puts out; 0 if the file has none.
        expires: The day after which the edition is stale.
    """

    file: Path
    entries: dict[str, JsonObject] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    version: str = ""
    serial: int = 0
    expires: date | None = None
    min_app_version: str = ""

    @property
    def expired(self) -> bool:
        return self.expires is not None and self.expires < datetime.now(UTC).date()


def read_document(file: Path) -> Document:
    """Read a registry file. Raises RegistryError if it cannot be read as a whole, FileNotFoundError if it is absent."""
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise RegistryError(f"Cannot read the registry {file}: {error.strerror}") from error
    return parse_document(data, file)


def parse_document(data: bytes, file: Path) -> Document:
    """Parse the bytes of a registry file; `file` names it in errors. Raises RegistryError that names the fault."""
    return _document(parse_json(data, str(file)), file)


def parse_json(data: bytes, name: str) -> Any:
    """JSON within Ominix's limits, every text in it cleaned of control characters. Raises RegistryError."""
    if len(data) > MAX_BYTES:
        raise RegistryError(f"{name} is larger than {MAX_BYTES // 2**20} MB, the most that a registry may have.")
    try:
        text = data.decode("utf-8-sig")
        value = _parsed(text)
    except UnicodeDecodeError as error:
        raise RegistryError(f"{name} is not UTF-8 text (byte {error.start}).") from error
    except json.JSONDecodeError as error:
        raise RegistryError(f"{name} is not valid JSON: line {error.lineno}, {error.msg}.") from error
    except RecursionError as error:
        raise RegistryError(f"{name} is nested too deeply.") from error
    except ValueError as error:
        raise RegistryError(f"{name} is not valid JSON: {error}.") from error
    return value if _plain(text) else _cleaned(value, name)


def _parsed(text: str) -> Any:
    """What the quick reader refuses the other one may take (NaN, half a surrogate), or name the line of its fault."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return json.loads(text, parse_constant=str, parse_float=_finite)


def _finite(text: str) -> float | str:
    """1e999 is no number; as text it fails the field that it stands in, and that entry alone."""
    number = float(text)
    return number if math.isfinite(number) else text


# Only these can put a control or invisible character into a parsed string; most files have none and skip the walk.
_ESCAPES = re.compile(r"\\[bfnrtu]")
_UNUSUAL = re.compile(r"[^\x00-\x7e\u00a1-\u00ac\u00ae-\u02ff\u2010-\u2027\u4e00-\u9fff]")


def _plain(text: str) -> bool:
    if "\\" in text and _ESCAPES.search(text):
        return False
    return (text.isascii() and "\x7f" not in text) or _UNUSUAL.search(text) is None


def _cleaned(value: Any, name: str, depth: int = 0) -> Any:
    if depth > MAX_DEPTH:
        raise RegistryError(f"{name} is nested more than {MAX_DEPTH} levels deep.")
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return {clean_text(key): _cleaned(item, name, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_cleaned(item, name, depth + 1) for item in value]
    return value


def _document(value: Any, file: Path) -> Document:
    header, models = _shape(value, file)
    version = header.get("version", "")
    if isinstance(version, str) and version_key(version)[:1] > FORMAT:
        raise RegistryError(f"{file} has format version {version[:20]}, which is too new. Update Ominix to read it.")
    if len(models) > MAX_ENTRIES:
        raise RegistryError(f"{file} has {len(models)} models; the most is {MAX_ENTRIES}.")
    entries: dict[str, JsonObject] = {}
    places: dict[str, str] = {}
    problems: list[Problem] = []
    for place, raw in models:
        entry, problem = _entry(raw, place, file)
        if problem is None and entry["id"] in entries:
            problem = Problem(file, place, f"a second entry with this id; {places[entry['id']]} is used", entry["id"])
        if problem is not None:
            problems.append(problem)
            continue
        entries[entry["id"]] = entry
        places[entry["id"]] = place
    serial = header.get("serial", 0)
    if not isinstance(serial, int) or isinstance(serial, bool) or not 0 <= serial < 2**63:
        raise RegistryError(f"{file}: 'serial' must be a whole number from 0 on.")
    return Document(
        file=file,
        entries=entries,
        places=places,
        problems=tuple(problems),
        version=str(version),
        serial=serial,
        expires=_date(header.get("expires"), file),
        min_app_version=str(header.get("min_app_version") or "")[:20],
    )


def _shape(value: Any, file: Path) -> tuple[JsonObject, list[tuple[str, Any]]]:
    """The file's own fields, and its entries with their places: a list, an object by id, or one entry alone."""
    if isinstance(value, list):
        return {}, [(str(index), raw) for index, raw in enumerate(value)]
    if not isinstance(value, dict):
        raise RegistryError(f"{file} is not a registry: it must be an object with a list 'models'.")
    models = value.get("models")
    if isinstance(models, list):
        return value, [(f"models.{index}", raw) for index, raw in enumerate(models)]
    if isinstance(models, dict):
        return value, [
            (f"models.{name}", {"id": name, **raw} if isinstance(raw, dict) else raw) for name, raw in models.items()
        ]
    if "models" not in value and "id" in value:
        return {}, [("", value)]
    raise RegistryError(f"{file} is not a registry: it has no list 'models'.")


def _entry(raw: Any, place: str, file: Path) -> tuple[JsonObject, Problem | None]:
    if not isinstance(raw, dict):
        return {}, Problem(file, place, f"an entry must be an object, not {type(raw).__name__}")
    model_id = raw.get("id")
    if not isinstance(model_id, str):
        return {}, Problem(file, place, "the entry has no id")
    if _is_deeper_than(MAX_DEPTH, raw):
        return {}, Problem(file, place, f"nested more than {MAX_DEPTH} levels deep", model_id[:64])
    return normalise(raw), None


_CONTAINERS = frozenset({dict, list})


def _is_deeper_than(limit: int, entry: JsonObject) -> bool:
    """Whether `entry` nests lists and objects more than `limit` deep; looks no deeper than that."""
    level: list[Any] = [entry]
    for _ in range(limit + 1):
        level = [
            item
            for container in level
            for item in (container.values() if isinstance(container, dict) else container)
            if type(item) in _CONTAINERS
        ]
        if not level:
            return False
    return True


def _date(value: Any, file: Path) -> date | None:
    if value is None:
        return None
    try:
        return datetime.fromisoformat(str(value)).date()
    except ValueError as error:
        raise RegistryError(f"{file}: 'expires' must be a date such as 2027-01-31.") from error
