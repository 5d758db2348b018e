"""The one check of images that come from outside: files, pastes and requests. What passes it can be shown and read."""

from __future__ import annotations

import base64
import io
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from ominix_core.errors import OminixError
from ominix_core.image_depth import DEEP_MODES, correct_layout, to_eight_bits
from ominix_core.small_files import read_small_file

if TYPE_CHECKING:
    from PIL.Image import Image

# Pillow can read far more; these are what cameras, browsers and scanners write, and none of them runs a program.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "ICO")

WEB_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
"""What every service that looks at images takes."""

MAX_IMAGE_BYTES = 20_000_000
"""The largest encoded image that is taken."""

_SIGNATURES = {
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"RIFF": "WebP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
}
_HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
_EXIF_ORIENTATION = 0x0112


class ImageError(OminixError):
    """An image that cannot be taken; the text says why and what to do."""

    code = "invalid_image"


@dataclass(frozen=True, slots=True)
class CheckedImage:
    """What an image is: its format as Pillow names it, and its size in pixels as it is shown, upright."""

    format: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class NamedImage:
    """An encoded image that passed the check, with the name of its file."""

    name: str
    data: bytes
    facts: CheckedImage


def read_image(path: Path) -> NamedImage:
    """Read and check an image file. Raises ImageError."""
    data = read_small_file(path, "an image", MAX_IMAGE_BYTES, ImageError)
    return NamedImage(path.name, data, check_image(data))


def check_image(data: bytes) -> CheckedImage:
    """Decode an image wholly, which takes tens of milliseconds for a photo, and tell what it is. Raises ImageError."""
    image, kind = _decode(data)
    return CheckedImage(kind, image.width, image.height)


def open_image(data: bytes) -> Image:
    """The picture as RGB, upright, transparent parts white; of an animation the first frame. Raises ImageError."""
    image, _ = _decode(data)
    if not image.has_transparency_data:
        return image.convert("RGB")
    from PIL import Image

    shown = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", shown.size, "white"), shown).convert("RGB")


def shrink(data: bytes, side: int) -> bytes:
    """The image as PNG with neither side longer than `side` pixels; as it is if it is so small. Raises ImageError."""
    kind = check_image(data)
    if max(kind.width, kind.height) <= side:
        return data
    picture = open_image(data)
    picture.thumbnail((side, side))
    return _encoded(picture, "PNG")


def thumbnail(data: bytes, side: int) -> bytes:
    """The picture as a JPEG with at most `side` pixels each way. Raises ImageError."""
    image = open_image(data)
    image.thumbnail((side, side))
    return _encoded(image, "JPEG")


def data_url(data: bytes, formats: Collection[str] = FORMATS) -> str:
    """The image as a `data:` URL, changed into a PNG if its format is none of these. Raises ImageError."""
    pillow = _pillow()
    try:
        with pillow.open(io.BytesIO(data), formats=FORMATS) as image:
            kind = _kind(image)
    except Exception as error:
        raise ImageError(_why_unreadable(data)) from error
    if kind not in formats:
        kind, data = "PNG", _encoded(open_image(data), "PNG")
    return f"data:{pillow.MIME[kind]};base64,{base64.b64encode(data).decode()}"


def _encoded(image: Image, kind: str) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind)
    return stream.getvalue()


def _decode(data: bytes) -> tuple[Image, str]:
    """The first frame, upright, in its own mode or in grey of 8 bits; and the name of its format."""
    pillow = _pillow()
    try:
        image: Image = pillow.open(io.BytesIO(data), formats=FORMATS)
        kind = _kind(image)
        correct_layout(image)
        image.load()
    except (pillow.DecompressionBombError, pillow.DecompressionBombWarning) as error:
        limit = pillow.MAX_IMAGE_PIXELS // 10**6
        raise ImageError(f"This image has more than {limit} megapixels. Make it smaller first.") from error
    except Exception as error:  # Pillow's decoders raise whatever they stumble over
        raise ImageError(_why_unreadable(data)) from error
    return _upright(_shallow(image), image), kind


def _kind(image: Image) -> str:
    return "JPEG" if image.format == "MPO" else image.format or ""  # MPO: a JPEG with more pictures behind it


def _pillow() -> ModuleType:
    import warnings

    from PIL import Image

    # Pillow warns on stderr, where a terminal program draws; of images between once and twice its limit it only warns.
    warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
    warnings.filterwarnings("error", category=Image.DecompressionBombWarning)
    return Image


def _shallow(image: Image) -> Image:
    """With at most 8 bits a channel: of more, Pillow's own conversion cuts everything above 255 off."""
    if image.mode not in DEEP_MODES:
        return image
    try:
        return to_eight_bits(image)
    except ValueError as error:
        raise ImageError(f"This image shows nothing: {error}. Get the file again.") from error


def _upright(image: Image, source: Image) -> Image:
    """Turned as the camera was held, by what the image says that it was made of."""
    from PIL import Image, ImageOps

    try:
        orientation = source.getexif().get(_EXIF_ORIENTATION, 1)
        if orientation == 1:
            return image
        exif = Image.Exif()
        exif[_EXIF_ORIENTATION] = orientation
        image.info["exif"] = exif.tobytes()
        return ImageOps.exif_transpose(image)
    except Exception:  # damaged metadata does not cost the picture
        return image


def _why_unreadable(data: bytes) -> str:
    if not data:
        return "This image is empty: it has no bytes."
    start = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(b"<svg") or (start.startswith(b"<?xml") and b"<svg" in start):
        return "This is an SVG drawing; models look at pixels. Export it as PNG first."
    if data[4:8] == b"ftyp" and data[8:12] in _HEIC_BRANDS:
        return "HEIC photos cannot be read. Export it as JPEG first (on a Mac: sips -s format jpeg a.heic --out a.jpg)."
    kind = next((name for signature, name in _SIGNATURES.items() if data.startswith(signature)), None)
    kind = "AVIF" if data[4:12] == b"ftypavif" else kind
    if kind == "TIFF":
        return (
            "This looks like a TIFF image, but it is cut short, damaged, or of a kind that few programs read. "
            "Get the file again, or save it as PNG."
        )
    if kind is not None:
        return f"This looks like a {kind} image, but it is cut short, damaged or has no pixels. Get the file again."
    return "This is not an image. PNG, JPEG, WebP, GIF, BMP, TIFF and AVIF can be read."
