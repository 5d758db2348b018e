"""Pictures as PNG, with what they were made with inside."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import mlx.core as mx

    from ominix_core.engines.diffusion.family import Plan

# The level that Pillow defaults to takes twice as long for a few per cent less.
_COMPRESSION = 4


def encode(pixels: mx.array, texts: dict[str, str] | None = None) -> bytes:
    """A PNG of uint8 (height, width, 3), with these texts in its metadata."""
    import numpy as np
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    for name, text in (texts or {}).items():
        info.add_text(name, text)  # Pillow writes iTXt where Latin-1 does not suffice
    file = io.BytesIO()
    Image.fromarray(np.array(pixels)).save(file, "PNG", pnginfo=info, compress_level=_COMPRESSION)
    return file.getvalue()


def parameters(plan: Plan, model: str) -> dict[str, str]:
    """What an image was made with, under the names that it has in PNG metadata."""
    texts = {
        "prompt": plan.prompt,
        "seed": str(plan.seed),
        "steps": str(plan.steps),
        "guidance": f"{plan.guidance:g}",
        "model": model,
        "software": "Ominix",
    }
    if plan.negative_prompt:
        texts["negative_prompt"] = plan.negative_prompt
    if plan.sources:
        texts["strength"] = f"{plan.strength:g}"
    return texts
