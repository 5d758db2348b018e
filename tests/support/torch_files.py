"""Files as `torch.save` writes them, without PyTorch: good ones, and any pickle in their place."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

OLD_MAGIC = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"
_STORAGES = {"float32": "FloatStorage", "float16": "HalfStorage", "int64": "LongStorage", "uint16": "BFloat16Storage"}


def write_torch_file(path: Path, tensors: Mapping[str, Array]) -> Path:
    """A state dict. Arrays of uint16 become bfloat16."""
    path.parent.mkdir(parents=True, exist_ok=True)
    items = [pickled_text(name) + tensor(array, str(key)) for key, (name, array) in _numbered(tensors)]
    content = pickled(b"ccollections\nOrderedDict\n)R(" + b"".join(items) + b"u")
    return write_archive(path, content, {str(key): array.tobytes() for key, array in enumerate(tensors.values())})


def write_archive(path: Path, pickle: bytes, data: Mapping[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", pickle)
        archive.writestr("archive/byteorder", b"little")
        for key, content in data.items():
            archive.writestr(f"archive/data/{key}", content)
    return path


def write_old_file(path: Path, tensors: Mapping[str, Array], *, little_endian: bool = True) -> Path:
    """The same as PyTorch wrote it before 1.6."""
    items = [pickled_text(name) + tensor(array, str(key), more=b"N") for key, (name, array) in _numbered(tensors)]
    machine = b"}" + pickled_text("little_endian") + (b"\x88" if little_endian else b"\x89") + b"s"
    keys = b"](" + b"".join(pickled_text(str(key)) for key in range(len(tensors))) + b"e"
    pickles = [OLD_MAGIC, b"M\xe9\x03", machine, b"}(" + b"".join(items) + b"u", keys]
    data = [struct.pack("<q", array.size) + array.tobytes() for array in tensors.values()]
    path.write_bytes(b"".join(map(pickled, pickles)) + b"".join(data))
    return path


def _numbered(tensors: Mapping[str, Array]) -> list[tuple[int, tuple[str, Array]]]:
    return list(enumerate(tensors.items()))


def pickled(content: bytes) -> bytes:
    return b"\x80\x02" + content + b"."


def pickled_text(text: str) -> bytes:
    encoded = text.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def tensor(
    array: Array,
    key: str,
    *,
    offset: int = 0,
    shape: tuple[int, ...] | None = None,
    count: int | None = None,
    more: bytes = b"",
) -> bytes:
    """A tensor whose numbers lie in the record `key`; keywords say something else than what is true.

    Args:
        more: What else is said of its storage.
    """
    shape = array.shape if shape is None else shape
    strides = [int(np.prod(shape[index + 1 :])) for index in range(len(shape))]
    kind = f"ctorch\n{_STORAGES[array.dtype.name]}\n".encode()
    storage = pickled_text("storage") + kind + pickled_text(key) + pickled_text("cpu")
    storage = b"(" + storage + _number(array.size if count is None else count) + more + b"tQ"
    sizes = _numbers(shape) + _numbers(strides)
    no_hooks = b"ccollections\nOrderedDict\n)R"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + _number(offset) + sizes + b"\x89" + no_hooks + b"tR"


def _numbers(values: Any) -> bytes:
    return b"(" + b"".join(map(_number, values)) + b"t"


def _number(value: int) -> bytes:
    length = (value.bit_length() + 8) // 8
    return b"\x8a" + bytes([length]) + value.to_bytes(length, "little", signed=True)
