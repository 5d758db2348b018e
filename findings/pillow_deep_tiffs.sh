#!/usr/bin/env bash
# Pillow 13.0.0 reads two kinds of valid TIFFs of more than 8 bits as noise, without a warning:
#   1. big-endian 32-bit floats and signed integers, compressed (here with deflate): on a little-endian machine libtiff
#      hands the samples out in the machine's order, but Pillow still unpacks them as big-endian ("F;32BF", "I;32BS").
#   2. 16-bit RGB whose colours lie apart (PlanarConfiguration 2), not compressed: each plane is unpacked as 8 bits.
# One would expect the same pixels as from the uncompressed, or interleaved, file; both controls are read right.
# Exits 1 if Pillow behaves otherwise than described.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/v"
"$tmp/v/bin/pip" install -q pillow==13.0.0 numpy==2.2.6
"$tmp/v/bin/python" - <<'PYTHON'
import io
import struct
import sys
import zlib

import numpy as np
import PIL
from PIL import Image


def tiff(planes, order, deflate, photometric):
    """A TIFF 6.0 file; planes are (channels, height, width), and lie apart if there are several."""
    count, height, width = planes.shape
    raw = [plane.astype(plane.dtype.newbyteorder(order)).tobytes() for plane in planes]
    strips = [zlib.compress(each) if deflate else each for each in raw]
    body, begins = b"", []
    for strip in strips:
        begins.append(8 + len(body))
        body += strip + b"\0" * (len(strip) % 2)
    kind = {"u": 1, "i": 2, "f": 3}[planes.dtype.kind]
    tags = [
        (256, "H", [width]), (257, "H", [height]), (258, "H", [8 * planes.dtype.itemsize] * count),
        (259, "H", [8 if deflate else 1]), (262, "H", [photometric]), (273, "I", begins), (277, "H", [count]),
        (278, "H", [height]), (279, "I", [len(strip) for strip in strips]), (284, "H", [2 if count > 1 else 1]),
        (339, "H", [kind] * count),
    ]
    entries = b""
    for tag, form, values in tags:
        data = struct.pack(f"{order}{len(values)}{form}", *values)
        if len(data) > 4:
            body, data = body + data, struct.pack(f"{order}I", 8 + len(body))
        entries += struct.pack(f"{order}HHI", tag, 3 if form == "H" else 4, len(values)) + data.ljust(4, b"\0")
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8 + len(body))
    return head + body + struct.pack(f"{order}H", len(tags)) + entries + bytes(4)


def opened(data):
    return np.asarray(Image.open(io.BytesIO(data)))


x, y = np.meshgrid(np.arange(96), np.arange(64))
grey = ((x * 2 + y) % 256).astype("float32")
colours = np.stack([grey, 255 - grey, grey // 2]).astype("uint16") * 257
print("Pillow", PIL.__version__)

right = {}
for name, values in (("floats", grey), ("integers", grey.astype("int32"))):
    for way, deflate in (("plain", False), ("deflate", True)):
        seen = opened(tiff(values[None], ">", deflate, 1))
        right[name, way] = np.array_equal(seen, values)
        print(f"big-endian {name}, {way}:", seen[0, 1:4], "right" if right[name, way] else "wrong")

wanted = np.moveaxis(colours >> 8, 0, -1)
apart = opened(tiff(colours, "<", False, 2))
together = opened(tiff(colours, "<", True, 2))  # by way of libtiff
print("16-bit planes, deflate:", together[0, 1:4, 0], "right" if np.array_equal(together, wanted) else "wrong")
print("16-bit planes, plain:", apart[0, 1:4, 0], "right" if np.array_equal(apart, wanted) else "wrong")

as_described = (
    all(is_right == (way == "plain") for (_, way), is_right in right.items())
    and np.array_equal(together, wanted)
    and not np.array_equal(apart, wanted)
)
sys.exit(not as_described)
PYTHON
