"""File formats of pictures that models made, which come as PNG."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Literal

ImageFormat = Literal["png", "jpeg", "webp"]

SUFFIXES: dict[str, ImageFormat] = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}
BEST_QUALITY = 100

_IMAGE_DESCRIPTION, _SOFTWARE = 0x010E, 0x0131  # EXIF tags


def format_of(path: Path) -> ImageFormat | None:
    """The format that a file's name asks for, PNG if it asks for none; None for one that is not written here."""
    return SUFFIXES.get(path.suffix.lower()) if path.suffix else "png"


def in_format(png: bytes, kind: ImageFormat, quality: int = BEST_QUALITY) -> bytes:
    """A PNG in this format; takes up to a few tenths of a second.

    What it was made with, in the texts of the PNG, is then in the EXIF description, as JSON.

    Args:
        quality: Of JPEG and WebP, in 0..100; a PNG is always exact.
    """
    if kind == "png":
        return png
    from PIL import Image

    with Image.open(io.BytesIO(png), formats=("PNG",)) as image:
        exif = Image.Exif()
        exif[_IMAGE_DESCRIPTION] = json.dumps({name: str(text) for name, text in image.info.items()})
        exif[_SOFTWARE] = "Ominix"
        file = io.BytesIO()
        whole_colours = {"subsampling": 0} if kind == "jpeg" and quality >= BEST_QUALITY - 10 else {}
        image.convert("RGB").save(file, kind.upper(), quality=quality, exif=exif, **whole_colours)
    return file.getvalue()
