"""The catalogue: every entry that was read, and how to find one by name."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from pathlib import Path

import pydantic

from ominix_core.errors import RegistryError, UnknownModelError
from ominix_core.paths import Home, bundled_registry
from ominix_core.registry.entry import RegistryEntry


@dataclass(frozen=True, slots=True)
class Problem:
    """An entry that could not be used, and why."""

    file: Path
    where: str
    reason: str


class Registry:
    """An ordered set of entries. One bad entry is a `Problem` and costs no other."""

    def __init__(self, entries: list[RegistryEntry], problems: tuple[Problem, ...] = ()) -> None:
        self._by_id = {entry.id: entry for entry in entries}
        self.problems = problems

    @property
    def entries(self) -> tuple[RegistryEntry, ...]:
        return tuple(self._by_id.values())

    @classmethod
    def load(cls, home: Home) -> Registry:
        """Read the bundled catalogue and the user's override; an entry of the latter replaces one of the same id.

        Raises RegistryError if the bundled file cannot be read as a whole.
        """
        bundled = _read(bundled_registry())
        if not home.registry_override.is_file():
            return bundled
        try:
            override = _read(home.registry_override)
        except RegistryError as error:
            return cls(list(bundled.entries), (*bundled.problems, Problem(home.registry_override, "", str(error))))
        return cls([*bundled.entries, *override.entries], bundled.problems + override.problems)

    def get(self, model_id: str) -> RegistryEntry | None:
        return self._by_id.get(model_id)

    def resolve(self, name: str) -> RegistryEntry:
        """The entry whose id, API id or repository is `name`. Raises UnknownModelError with near names."""
        if name in self._by_id:
            return self._by_id[name]
        for entry in self._by_id.values():
            if name == entry.api_id or name == getattr(entry.source, "repo", None):
                return entry
        near = difflib.get_close_matches(name.lower(), list(self._by_id), n=2, cutoff=0.5)
        raise UnknownModelError(name, near)


def _read(path: Path) -> Registry:
    try:
        document = json.loads(path.read_bytes())
        raw_entries = document["models"]
    except OSError as error:
        raise RegistryError(f"Cannot read the registry {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise RegistryError(
            f"The registry {path} is broken: {error}. Mend the file, or reinstall Ominix if it is the bundled one."
        ) from error
    entries, problems = [], []
    for index, raw in enumerate(raw_entries):
        try:
            entries.append(RegistryEntry.model_validate(raw))
        except pydantic.ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in ("models", index, *first["loc"]))
            problems.append(Problem(path, where, first["msg"]))
    return Registry(entries, tuple(problems))
