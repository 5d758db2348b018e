"""Turning what a source delivers into a folder that MLX engines load. Runs inside a worker."""

from __future__ import annotations

from pathlib import Path

from ominix_core.errors import DownloadError


def convert(converter: str, source: Path, target: Path) -> None:
    """Write the MLX folder `target` from the downloaded `source`. Raises DownloadError for an unknown converter."""
    if converter != "gguf-llama":
        raise DownloadError(f"This version of Ominix has no converter '{converter}'. Update Ominix.")
    from ominix_core.conversion.gguf_llama import convert_gguf

    convert_gguf(source, target)
