"""How a model is to be loaded, as the user's settings say."""

from __future__ import annotations

from pathlib import Path

from ominix_core import prompt_caches
from ominix_core.engines.base import LoadOptions
from ominix_core.memory import GB
from ominix_core.paths import Home, typed_path
from ominix_core.registry.entry import LocalSource, RegistryEntry
from ominix_core.settings import Settings


def load_options(
    entry: RegistryEntry, folder: Path, draft_folder: Path | None, home: Home, settings: Settings
) -> LoadOptions:
    """The options for the model in `folder`; makes room for its prompt caches on the disk.

    Args:
        draft_folder: Where the small model that drafts for it is, if one does.
    """
    adapter = settings.adapters.get(entry.id)
    cache_bytes = int(settings.prompt_cache_gb * GB)
    prompt_caches.prune(home, cache_bytes)
    variants = [adapter or "", str(settings.kv_bits)]
    if draft_folder:  # it has a cache of its own, which must be as long
        variants.append(str(draft_folder))
    cache_folder = prompt_caches.folder_for(home, entry.id, folder, *variants)
    return LoadOptions(
        variant=entry.runtime.variant,
        bits=settings.quantize.get(entry.id, 0),
        cache_folder=str(cache_folder) if cache_bytes else None,
        cache_bytes=cache_bytes,
        draft_folder=str(draft_folder) if draft_folder else None,
        adapter_folder=str(typed_path(adapter)) if adapter else None,
        kv_bits=settings.kv_bits,
        allow_code=entry.id in settings.allow_code,
        local=isinstance(entry.source, LocalSource),
    )
