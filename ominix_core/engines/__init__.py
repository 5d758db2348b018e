"""What runs inside a worker. An engine is found by the name that a registry entry gives (`runtime.engine`)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from ominix_core.errors import LoadError

if TYPE_CHECKING:
    from ominix_core.engines.base import Engine

ENGINES = {
    "mlx-lm": "ominix_core.engines.chat:ChatEngine",
    "mlx-audio-tts": "ominix_core.engines.synthesis:SynthesisEngine",
    "mlx-lm-embedding": "ominix_core.engines.embedding:EmbeddingEngine",
    "moxin-vlm": "ominix_core.engines.moxin:MoxinEngine",
    "mlx-vlm": "ominix_core.engines.vision:VisionEngine",
    "flux2": "ominix_core.engines.image:Flux2Engine",
    "z-image": "ominix_core.engines.image:ZImageEngine",
    "mlx-audio": "ominix_core.engines.transcription:TranscriptionEngine",
    "paraformer": "ominix_core.engines.paraformer:ParaformerEngine",
}
"""Where each engine is. Other packages add theirs through the entry-point group `ominix.engines`."""


def create_engine(name: str) -> Engine:
    """A fresh engine. Raises LoadError for a name that neither Ominix nor an installed package provides."""
    target = ENGINES.get(name)
    if target is None:
        from importlib.metadata import entry_points

        target = next((e.value for e in entry_points(group="ominix.engines") if e.name == name), None)
    if target is None:
        raise LoadError(f"This version of Ominix has no engine '{name}'. Update Ominix, or correct the registry entry.")
    module, _, attribute = target.partition(":")
    engine: Engine = getattr(importlib.import_module(module), attribute)()
    return engine


def import_libraries() -> None:
    """Import what takes long, before any model is chosen."""
    from ominix_core.mlx_setup import open_file_limit_kept, prepare

    prepare()
    with open_file_limit_kept():
        import mlx_lm.generate  # noqa: F401
