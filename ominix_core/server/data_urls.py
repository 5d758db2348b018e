"""Data URLs as RFC 2397 has them, and plain base64 of an image: told apart, and decoded piece by piece.

`data:image/png;name=a.png;base64,iVBO...` with any parameters, in any case; white space, percent-encoding, the alphabet
for URLs and missing padding are all taken. What kind of data it is, the bytes tell.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterable, Iterator
from urllib.parse import unquote_to_bytes

PIECE = 1 << 18
"""Characters that are decoded at a time, because Python does nothing else meanwhile."""

_LONGEST_HEAD = 4096
# How PNG, JPEG, GIF, WebP, both byte orders of TIFF, and AVIF begin in base64.
_BASE64_OF_IMAGES = ("iVBORw0KGgo", "/9j/", "R0lGOD", "UklGR", "SUkqA", "TU0AK", "AAAA")
_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
_WHITE_SPACE = b" \t\r\n\f\v"


class TooLongError(ValueError):
    """What is encoded is longer than it may be."""


def as_data_url(text: str) -> str | None:
    """`text` as a data URL whose scheme is in small letters, if it is one or the plain base64 of an image; else None.

    Raises ValueError if it begins like a data URL and is none.
    """
    text = text.strip()
    if text[:5].lower() == "data:":
        if text.find(",", 0, _LONGEST_HEAD) < 0:
            raise ValueError("should be a data URL, such as data:image/png;base64,...: it has no comma before the data")
        return text if text.startswith("data:") else "data:" + text[5:]
    return f"data:;base64,{text}" if text.startswith(_BASE64_OF_IMAGES) else None


def decode(url: str, most: int) -> bytes:
    """The data of a data URL, which takes a few milliseconds for each megabyte.

    Raises:
        TooLongError: It is longer than `most` bytes.
        ValueError: It is empty or not valid base64; the text says which, fit to follow the parameter's name.
    """
    comma = url.index(",")
    pieces = _pieces(url, comma + 1)
    if url.find("%", comma) >= 0:
        pieces = _unquoted(pieces)
    is_base64 = url[5:comma].rpartition(";")[2].strip().lower() == "base64"
    # Some programs leave the word out.
    if is_base64 or url[comma + 1 : comma + 65].lstrip().startswith(_BASE64_OF_IMAGES):
        pieces = _from_base64(pieces)
    decoded = bytearray()
    for piece in pieces:
        decoded += piece
        if len(decoded) > most:
            raise TooLongError
    if not decoded:
        raise ValueError("is empty: it has no bytes")
    return bytes(decoded)


def _pieces(text: str, start: int) -> Iterator[bytes]:
    for begin in range(start, len(text), PIECE):
        yield text[begin : begin + PIECE].encode("ascii", "replace")


def _unquoted(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Without percent-encoding, of which a part may stand in one piece and the rest in the next."""
    rest = b""
    for piece in pieces:
        piece = rest + piece
        cut = piece.find(b"%", max(0, len(piece) - 2))
        cut = len(piece) if cut < 0 else cut
        rest = piece[cut:]
        yield unquote_to_bytes(piece[:cut])
    yield unquote_to_bytes(rest)


def _from_base64(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    try:
        for piece in pieces:
            rest += piece.translate(_TO_STANDARD, _WHITE_SPACE)
            whole = len(rest) // 4 * 4 - 4  # the last four characters may be padded, or be short of it
            if whole > 0:
                if rest.find(b"=", 0, whole) >= 0:
                    raise ValueError("it goes on after its padding")
                yield binascii.a2b_base64(rest[:whole], strict_mode=True)
                rest = rest[whole:]
        rest = rest.rstrip(b"=")
        if len(rest) % 4 == 1:
            raise ValueError("it is cut off")
        yield binascii.a2b_base64(rest + b"=" * (-len(rest) % 4), strict_mode=True)
    except ValueError as error:
        reason = "it holds other characters" if "Only base64" in str(error) else str(error)
        raise ValueError(f"is not valid base64: {reason}") from error
