"""Images that are bad, which is to be told, and images that are only odd, which are to be read like any other."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

from PIL import Image, ImageDraw


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header promises this size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def _photo() -> Image.Image:
    """Of a colour that CMYK can say exactly, and no two of its quarters alike."""
    photo = Image.new("RGB", (96, 64), (255, 0, 0))
    ImageDraw.Draw(photo).line((0, 0, 96, 32), fill="white", width=9)
    return photo


def _turned(photo: Image.Image) -> bytes:
    """As a camera writes it that was held upright."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(photo.transpose(Image.Transpose.ROTATE_90), exif=exif)


def _inked(photo: Image.Image) -> bytes:
    inks = [band.point(lambda value: 255 - value) for band in photo.split()]
    return encoded(Image.merge("CMYK", [*inks, Image.new("L", photo.size, 0)]), "TIFF")


def _moving(photo: Image.Image) -> bytes:
    others = [Image.new("RGB", photo.size, color) for color in ("blue", "green")]
    return encoded(photo, "WEBP", save_all=True, append_images=others, lossless=True)


PLAIN = encoded(_photo())

ODD: dict[str, bytes] = {
    "CMYK": _inked(_photo()),
    "turned by EXIF": _turned(_photo()),
    "animated": _moving(_photo()),
    "with transparency": encoded(_photo().convert("RGBA")),
}
"""Each shows what PLAIN shows."""

BAD: dict[str, tuple[bytes, str]] = {
    "not an image": (b"just text", "This is not an image"),
    "empty": (b"", "it has no bytes"),
    "without pixels": (png_that_claims(0, 0), "has no pixels"),
    "bomb": (png_that_claims(20_000, 10_000), "more than 89 megapixels"),
    "truncated": (encoded(Image.effect_noise((64, 64), 50))[:900], "cut short"),
    "SVG": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG drawing"),
    "HEIC": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC photos cannot be read"),
}
"""Each with words of the sentence that tells what is wrong."""
