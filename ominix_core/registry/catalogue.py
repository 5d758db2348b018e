"""The catalogue: every model that the layers describe, and how to find one."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import islice
from pathlib import Path

from ominix_core.errors import RegistryError, UnknownModelError
from ominix_core.paths import Home, bundled_registry
from ominix_core.registry.document import Document, Problem, read_document
from ominix_core.registry.entry import HuggingFaceSource, LocalSource, ModelScopeSource, RegistryEntry
from ominix_core.registry.layers import Layer, LayerName, Origin, merge, origins, restrain
from ominix_core.registry.pasted import Pasted
from ominix_core.registry.search import SearchIndex

__all__ = ["Problem", "Registry"]


class Registry:
    """An immutable, ordered set of entries. One bad entry is a `Problem` and costs no other.

    Attributes:
        problems: What could not be used, in any layer.
        hidden: Ids that a layer hides; they are in no list.
        held: Ids that no layer has any more, but that are in use.
    """

    def __init__(self, entries: Sequence[RegistryEntry], problems: Sequence[Problem] = ()) -> None:
        self._by_id = {entry.id: entry for entry in entries}
        self.entries: tuple[RegistryEntry, ...] = tuple(self._by_id.values())
        self._index = SearchIndex(self.entries)
        self._layers: list[Layer] = []
        self.problems = tuple(problems)
        self.hidden: frozenset[str] = frozenset()
        self.held: frozenset[str] = frozenset()

    @classmethod
    def from_layers(cls, layers: Sequence[Layer], problems: Sequence[Problem] = ()) -> Registry:
        """The catalogue that the layers make, the lowest first; `problems` go before those found in them."""
        merged = merge(list(layers))
        registry = cls(merged.entries, (*problems, *merged.problems))
        registry._layers = list(layers)
        registry.hidden = merged.hidden
        return registry

    @classmethod
    def load(cls, home: Home, publisher_key: str = "", previous: Registry | None = None) -> Registry:
        """Read all layers. A fetched or user file that cannot be read is a problem; the others still count.

        Args:
            publisher_key: A publisher's public key from the settings, beside those that ship with Ominix.
            previous: What was read before; where a file is broken now, what it said then still counts.

        Raises:
            RegistryError: The bundled catalogue is missing or broken, and there is no previous one.
        """
        with _collector_paused():
            return cls._load(home, publisher_key, previous)

    @classmethod
    def _load(cls, home: Home, publisher_key: str, previous: Registry | None) -> Registry:
        from ominix_core.registry.fetched import read_fetched

        problems: list[Problem] = []

        def layer(name: LayerName, file: Path, read: Callable[[], Layer | None]) -> Layer | None:
            try:
                return read()
            except RegistryError as error:
                before = previous._layer(name) if previous else None
                if name == "bundled" and before is None:
                    raise
                still = " What it said before is still used." if before else ""
                problems.append(Problem(file, "", f"{error}{still}"))
                return before

        bundled = layer("bundled", bundled_registry(), lambda: Layer("bundled", _bundled()))
        own = layer("user", home.registry_override, lambda: _own(home))
        fetched = layer("fetched", home.registry, lambda: read_fetched(home, publisher_key))
        assert bundled is not None
        if fetched is not None:
            fetched = restrain(fetched, bundled.document, own.document if own else None)
        return cls.from_layers([each for each in (bundled, fetched, own) if each is not None], problems)

    def holding(self, entries: Iterable[RegistryEntry]) -> Registry:
        """This one with entries that no layer has any more, but that are in use."""
        held = [entry for entry in entries if entry.id not in self._by_id]
        if not held:
            return self
        registry = Registry((*self.entries, *held), self.problems)
        registry._layers, registry.hidden = self._layers, self.hidden
        registry.held = frozenset(entry.id for entry in held)
        return registry

    @classmethod
    def bundled(cls) -> Registry:
        """The catalogue that ships with Ominix, alone. Raises RegistryError."""
        return cls.from_layers([Layer("bundled", _bundled())])

    @classmethod
    def from_file(cls, file: Path) -> Registry:
        """One registry file alone, as `ominix registry validate` sees it. Raises RegistryError, FileNotFoundError."""
        return cls.from_layers([Layer("user", read_document(file))])

    def get(self, model_id: str) -> RegistryEntry | None:
        return self._by_id.get(model_id)

    def resolve(self, name: str) -> RegistryEntry:
        """The entry whose id, API id or repository is `name`, or is on the page whose address it is.

        Raises:
            UnknownModelError: With near names, or with what to do for a repository.
        """
        entry = self._by_id.get(name) or self._by_name.get(name) or self._by_name.get(name.lower())
        return entry or self._resolve_address(name)

    def _resolve_address(self, name: str) -> RegistryEntry:
        from ominix_core.registry import pasted
        from ominix_core.registry.repository import endpoint

        try:
            found = pasted.read(name, endpoint())
        except RegistryError:
            raise UnknownModelError(name, self._near(name)) from None
        entry = self._by_name.get(found.repo) or self._by_name.get(found.repo.lower())
        if entry is not None and _is_from(entry, found):
            return entry
        hint = "" if found.is_modelscope else f"To add it to the registry: ominix registry add {found.address}"
        raise UnknownModelError(name, self._near(name), hint)

    def search(self, query: str, limit: int = 500) -> list[RegistryEntry]:
        """At most `limit` entries for what a person typed, the likeliest first."""
        return self._index.find(query, limit)

    def origin(self, model_id: str) -> dict[str, Origin]:
        """Which layer each value of an entry comes from, by its dotted path. Raises UnknownModelError."""
        return origins(self._layers, self.resolve(model_id))

    def layer(self, name: str) -> Document | None:
        """The file behind the layer "bundled", "fetched" or "user", if there is one."""
        layer = self._layer(name)
        return layer.document if layer else None

    def _layer(self, name: str) -> Layer | None:
        return next((layer for layer in self._layers if layer.name == name), None)

    @cached_property
    def local_folders(self) -> dict[str, str]:
        """The folders of the models that lie somewhere on this machine and are used in place."""
        sources = ((entry.id, entry.source) for entry in self.entries)
        return {model_id: source.path for model_id, source in sources if isinstance(source, LocalSource)}

    @cached_property
    def _by_name(self) -> dict[str, RegistryEntry]:
        """API ids before repositories, and earlier entries before later ones, so that none can be taken over."""
        names: dict[str, RegistryEntry] = {}
        for entry in self.entries:
            names.setdefault(entry.api_id, entry)
        for entry in self.entries:
            if entry.repo:
                names.setdefault(entry.repo, entry)
        for name, entry in list(names.items()):
            names.setdefault(name.lower(), entry)
        return names

    def _near(self, name: str) -> list[str]:
        import difflib

        # It compares every pair of letters; beyond a few thousand ids that would hold up the error.
        return difflib.get_close_matches(name.lower(), list(islice(self._by_id, 2000)), n=2, cutoff=0.5)


def _is_from(entry: RegistryEntry, found: Pasted) -> bool:
    """Whether an entry is of this repository, at this revision if one is named."""
    source = entry.source
    if not isinstance(source, ModelScopeSource if found.is_modelscope else HuggingFaceSource):
        return False
    return not found.revision or found.revision in ("main", "master", source.revision)


def _own(home: Home) -> Layer | None:
    try:
        return Layer("user", read_document(home.registry_override))
    except FileNotFoundError:
        return None


def _bundled() -> Document:
    path = bundled_registry()
    try:
        return read_document(path)
    except FileNotFoundError as error:
        raise RegistryError(f"The bundled registry {path} is missing. Reinstall Ominix.") from error


@contextmanager
def _collector_paused() -> Iterator[None]:
    """A large registry allocates objects by the hundred thousand, none of them cyclic; collections double its time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
