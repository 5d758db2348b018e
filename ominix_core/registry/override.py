"""Changes to the user's own registry file. What it holds beyond the change stays as it was written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ominix_core.errors import RegistryError
from ominix_core.paths import Home
from ominix_core.registry.dialects import JsonObject
from ominix_core.registry.fetched import write_atomic


def put(home: Home, entry: JsonObject) -> None:
    """Write `entry` to the user's layer, in the place of the one with its id if there is one. Raises RegistryError."""
    with _editing(home) as models:
        for index, present in enumerate(models):
            if _is(present, entry["id"]):
                models[index] = entry
                return
        models.append(entry)


def remove(home: Home, model_id: str) -> bool:
    """Take the user's own entry of this id away; False if there is none. Raises RegistryError."""
    with _editing(home) as models:
        kept = [entry for entry in models if not _is(entry, model_id)]
        found = len(kept) < len(models)
        models[:] = kept
    return found


def hide(home: Home, model_id: str) -> None:
    """Keep a model of another layer out of every list. Raises RegistryError."""
    put(home, {"id": model_id, "hidden": True})


@contextmanager
def _editing(home: Home) -> Iterator[list[Any]]:
    """The entries of the user's file, to be changed in place; written back if they were."""
    from filelock import FileLock

    file = home.registry_override
    home.registry.mkdir(parents=True, exist_ok=True)
    with FileLock(home.registry / ".override.lock"):
        try:
            text = file.read_text("utf-8-sig")
            document = json.loads(text)
        except FileNotFoundError:
            text, document = "", {"version": "1.0.0", "models": []}
        except (OSError, ValueError, RecursionError) as error:
            raise RegistryError(f"{file} cannot be read: {error}. Mend it first; it was not changed.") from error
        models = document.get("models") if isinstance(document, dict) else document
        if not isinstance(models, list):
            raise RegistryError(f"{file} has no list 'models', so Ominix cannot edit it. It was not changed.")
        before = json.dumps(document)
        yield models
        if json.dumps(document) != before:
            write_atomic(file, (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode())


def _is(entry: Any, model_id: str) -> bool:
    return isinstance(entry, dict) and entry.get("id") == model_id
