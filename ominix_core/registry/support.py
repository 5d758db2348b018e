"""Which entries this version and this machine can run, and why not the others."""

from __future__ import annotations

import functools
import platform
import re
import sys
from typing import TYPE_CHECKING

from ominix_core import __version__
from ominix_core.engines import ENGINES
from ominix_core.registry.entry import Category, DirectUrlSource, PyPISource, UnavailableSource

if TYPE_CHECKING:
    from ominix_core.registry.entry import RegistryEntry

_CATEGORIES = frozenset(Category)
_PLATFORM_NAMES = {"apple_silicon": "a Mac with Apple silicon", "cuda": "an NVIDIA GPU", "cpu": "a CPU"}
_GGUF_QUANTIZATION = re.compile(r"I?Q\d+_\w+", re.IGNORECASE)


@functools.cache
def current_platform() -> str:
    """What `runtime.platforms` calls this machine: "apple_silicon" or "cpu"."""
    return "apple_silicon" if sys.platform == "darwin" and platform.machine() == "arm64" else "cpu"


def unsupported_reason(entry: RegistryEntry, on_platform: str | None = None) -> str | None:
    """Why `entry` cannot run, as one sentence for people, or None if nothing is known against it."""
    if entry.category not in _CATEGORIES and entry.category not in _plugins("ominix.panels"):
        return f"Ominix has no panel for {entry.category or 'unnamed'} models yet."
    if entry.min_app_version and version_key(entry.min_app_version) > version_key(__version__):
        return f"It needs Ominix {entry.min_app_version} or newer; this is {__version__}."
    if _is_gguf(entry):
        return "Its weights are GGUF, which MLX cannot run. Look for an MLX conversion of the model."
    if not entry.runtime.engine:
        return "Ominix has no engine for this family of models yet."
    if entry.runtime.engine not in ENGINES and entry.runtime.engine not in _plugins("ominix.engines"):
        return f"It needs the engine '{entry.runtime.engine}', which this version of Ominix does not have."
    here = on_platform or current_platform()
    if entry.runtime.platforms and here not in entry.runtime.platforms:
        wanted = " or ".join(_PLATFORM_NAMES.get(name, name) for name in entry.runtime.platforms)
        return f"It runs on {wanted} only."
    if isinstance(entry.source, UnavailableSource):
        kind = entry.source.kind
        return f"Its source '{kind}' is of an unknown kind." if kind else "The registry names no source to get it from."
    return None


def version_key(version: str) -> tuple[int, ...]:
    """The numbers of a version, for comparison: "0.10.1rc2" becomes (0, 10, 1)."""
    numbers = [re.match(r"[0-9]{1,9}", part) for part in version.strip().lstrip("vV").split(".")]
    return tuple(int(number[0]) for number in numbers if number)


def _is_gguf(entry: RegistryEntry) -> bool:
    if isinstance(entry.source, PyPISource):
        return False
    if _GGUF_QUANTIZATION.fullmatch(entry.runtime.quantization) or entry.repo.lower().endswith("-gguf"):
        return True
    files = entry.storage.expected_files
    if isinstance(entry.source, DirectUrlSource):
        files = (*files, entry.source.url)
    return any(name.lower().endswith(".gguf") for name in files)


@functools.cache
def _plugins(group: str) -> frozenset[str]:
    from importlib.metadata import entry_points

    return frozenset(point.name for point in entry_points(group=group))
