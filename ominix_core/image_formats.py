"""File formats of pictures that models made, which come as PNG."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Literal

ImageFormat = Literal["png", "jpeg", "webp"]

SUFFIXES: dict[str, ImageFormat] = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}
BEST_QUALITY = 100

_MOST_OF_JPEG = 65_000
"""Bytes of a description in a JPEG, whose metadata is one segment of at most 64 KiB."""

_IMAGE_DESCRIPTION, _SOFTWARE = 0x010E, 0x0131  # EXIF tags


def format_of(path: Path) -> ImageFormat | None:
    """The format that a file's name asks for, PNG if it asks for none; None for one that is not written here."""
    return SUFFIXES.get(path.suffix.lower()) if path.suffix else "png"


def in_format(png: bytes, kind: ImageFormat, quality: int = BEST_QUALITY) -> bytes:
    """A PNG in this format; takes up to a few tenths of a second.

    What it was made with, in the texts of the PNG, is then in the EXIF description, as JSON; very long prompts are cut
    in a JPEG.

    Args:
        quality: Of JPEG and WebP, in 0..100; a PNG is always exact.
    """
    if kind == "png":
        return png
    from PIL import Image

    with Image.open(io.BytesIO(png), formats=("PNG",)) as image:
        exif = Image.Exif()
        texts = {str(name): str(text) for name, text in image.info.items()}
        exif[_IMAGE_DESCRIPTION] = _told(texts, _MOST_OF_JPEG) if kind == "jpeg" else json.dumps(texts)
        exif[_SOFTWARE] = "Ominix"
        file = io.BytesIO()
        whole_colours = {"subsampling": 0} if kind == "jpeg" and quality >= BEST_QUALITY - 10 else {}
        image.convert("RGB").save(file, kind.upper(), quality=quality, exif=exif, **whole_colours)
    return file.getvalue()


def _told(texts: dict[str, str], most: int) -> str:
    """The texts as JSON of at most so many bytes, of which the longest are cut for that."""
    texts = dict(texts)
    while len(told := json.dumps(texts)) > most:
        longest = max(texts, key=lambda name: len(texts[name]))
        texts[longest] = texts[longest][: len(texts[longest]) // 2] + "…"
    return told
