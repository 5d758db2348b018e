"""Images that are bad, which is to be told, and images that are only odd, which are to be read like any other."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray
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


def tiff(
    pixels: NDArray[Any],
    order: str = "<",
    *,
    photometric: int = 1,
    deflate: bool = False,
    extra: Sequence[tuple[int, int, int, bytes]] = (),
) -> bytes:
    """A TIFF of (height, width) pixels, or of (channels, height, width) which then lie apart.

    Args:
        order: "<" is little endian, ">" big endian.
        photometric: 0: white is zero; 1: black is zero; 2: RGB.
        extra: More tags: number, type, count, at most 4 bytes of value.
    """
    planes = pixels.reshape(-1, *pixels.shape[-2:]).astype(pixels.dtype.newbyteorder(order))
    strips = [zlib.compress(plane.tobytes()) if deflate else plane.tobytes() for plane in planes]
    count, height, width = planes.shape
    kind = {"u": 1, "i": 2, "f": 3}[pixels.dtype.kind]
    body, tags = bytearray(), []

    def add(tag: int, size: int, *values: int) -> None:
        data = struct.pack(f"{order}{len(values)}{'H' if size == 2 else 'I'}", *values)
        if len(data) > 4:
            body.extend(data)
            data = struct.pack(f"{order}I", 8 + len(body) - len(data))
        tags.append((tag, 3 if size == 2 else 4, len(values), data))

    begins = []
    for strip in strips:
        begins.append(8 + len(body))
        body += strip + b"\0" * (len(strip) % 2)
    add(256, 2, width)
    add(257, 2, height)
    add(258, 2, *[8 * pixels.dtype.itemsize] * count)
    add(259, 2, 8 if deflate else 1)
    add(262, 2, photometric)
    add(273, 4, *begins)
    add(277, 2, count)
    add(278, 2, height)
    add(279, 4, *map(len, strips))
    add(284, 2, 2 if count > 1 else 1)
    add(339, 2, *[kind] * count)
    entries = b"".join(struct.pack(f"{order}HHI", *tag[:3]) + tag[3].ljust(4, b"\0") for tag in sorted([*tags, *extra]))
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8 + len(body))
    return head + bytes(body) + struct.pack(f"{order}H", len(tags) + len(extra)) + entries + bytes(4)


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
