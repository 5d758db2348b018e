"""Pictures of more than 8 bits a pixel as 8 bits, which is what screens show and models read."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

DEEP_MODES = frozenset({"I;16", "I;16L", "I;16B", "I;16N", "I", "F"})
"""Pillow's modes of one channel with more than 8 bits; it reads colours of 16 bits as 8 bits by itself."""

_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT, _NO_DATA = 258, 262, 339, 42113
_WHITE_IS_ZERO, _UNSIGNED = 0, 1
_IN_NATIVE_ORDER = {"F;32BF": "F;32NF", "I;16BS": "I;16NS", "I;32BS": "I;32NS"}


def correct_layout(image: Image) -> None:
    """Tell Pillow, before it loads a TIFF, the layout of two kinds that version 13.0.0 reads as noise.

    One are big-endian floats and signed integers, compressed: libtiff already hands them out in this machine's order.
    The other are colours of 16 bits that lie apart and not compressed, which it takes for 8 bits.
    """
    tags = getattr(image, "tag_v2", None)
    if tags is None:
        return
    apart = "" if max(tags.get(_BITS, (1,))) != 16 else ";16B" if tags.prefix == b"MM" else ";16L"
    for number, tile in enumerate(image.tile):  # type: ignore[attr-defined]  # TIFFs have it
        mode, *rest = tile.args
        if tile.codec_name == "libtiff":
            mode = _IN_NATIVE_ORDER.get(mode, mode)
        elif len(mode) == 1 and mode in "RGBACMYKX":
            mode += apart
        image.tile[number] = tile._replace(args=(mode, *rest))  # type: ignore[attr-defined]


def to_eight_bits(image: Image) -> Image:
    """A picture of a deep mode as grey levels, with alpha if one of its values stands for "transparent".

    Values of 16 bits keep their range. Of integers of 32 bits and of floats no format says what is white: floats
    within 0..1 keep that range, all others reach from 0, or the lowest if that is below, to the highest.

    Raises:
        ValueError: No pixel is a number.
    """
    import numpy as np
    from PIL import Image

    tags = getattr(image, "tag_v2", {})
    raw = np.asarray(image)
    if image.mode == "I" and tags.get(_BITS) == (32,) and tags.get(_SAMPLE_FORMAT, (1,)) == (_UNSIGNED,):
        raw = raw.view(np.uint32)
    values = raw.astype(np.float32)
    if image.mode.startswith("I;16"):
        low, high = 0.0, float(2 ** tags.get(_BITS, (16,))[0] - 1)
    else:
        low, high = _range(values, tags)
    with np.errstate(over="ignore", invalid="ignore"):  # what lies beyond white is white, infinite or not
        values -= low
        values *= 255 / (high - low)
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        np.subtract(255, values, out=values)
    np.nan_to_num(values.clip(0, 255, out=values), copy=False)
    grey = Image.fromarray(np.rint(values, out=values).astype(np.uint8))
    key = image.info.get("transparency")
    if isinstance(key, int):
        grey.putalpha(Image.fromarray(np.where(raw == key, 0, 255).astype(np.uint8)))
    return grey


def _range(values: NDArray[np.float32], tags: Any) -> tuple[float, float]:
    """The values of black and of white. What stands for "no data" becomes NaN."""
    import numpy as np

    with contextlib.suppress(ValueError):  # damaged metadata does not cost the picture
        values[values == np.float32(str(tags.get(_NO_DATA, "nan")).strip(" \0"))] = np.nan
    real = np.isfinite(values)
    if not real.any():
        raise ValueError("no pixel is a number")
    lowest = float(values.min(where=real, initial=np.inf))
    highest = float(values.max(where=real, initial=-np.inf))
    if lowest >= 0 and highest <= 1:
        return 0.0, 1.0
    return min(0.0, lowest), max(highest, 0.0)
