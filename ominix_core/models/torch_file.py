"""Reading a checkpoint of PyTorch without PyTorch. It holds a pickle, which could run anything; nothing is run."""

from __future__ import annotations

import io
import math
import mmap
import pickle
import re
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

MAX_PICKLE_BYTES = 16 << 20
_OLD_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_LOCAL_HEADER, _LOCAL_MAGIC = 30, b"PK\x03\x04"
_COUNT_BYTES = 8
_BFLOAT16 = "BFloat16Storage"
_DTYPES: dict[str, Any] = {
    "DoubleStorage": np.float64,
    "FloatStorage": np.float32,
    "HalfStorage": np.float16,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "ShortStorage": np.int16,
    "CharStorage": np.int8,
    "ByteStorage": np.uint8,
    "BoolStorage": np.bool_,
    _BFLOAT16: np.uint16,
}
# Where a training script keeps the weights, if it saves more than them.
_STATES = ("state_dict", "model_state_dict", "model")


class TorchFileError(Exception):
    """The file cannot be read, or must not be; the text is a sentence."""


@dataclass(frozen=True)
class _Storage:
    key: str
    dtype: str
    count: int

    @property
    def bytes(self) -> int:
        return self.count * int(np.dtype(_DTYPES[self.dtype]).itemsize)


@dataclass(frozen=True)
class _Place:
    """Where a storage lies in the file."""

    start: int
    bytes: int


@dataclass(frozen=True)
class _Tensor:
    """A view into a storage; offset and strides are in elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_tensors(path: Path) -> dict[str, Array]:
    """The tensors of a state dict that `torch.save` wrote, as views into the file, which is mapped into memory.

    Raises:
        TorchFileError: The file is damaged, of a kind that is not known, or wants something run.
        OSError: It cannot be opened.
    """
    with path.open("rb") as file:
        is_old = file.read(len(_OLD_MAGIC)) == _OLD_MAGIC
        file.seek(0)
        try:
            state, places = _open_old(file) if is_old else _open_archive(file)
        except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError, RuntimeError) as error:
            raise TorchFileError("It is damaged or cut short.") from error
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return {name: _view(tensor, content, places) for name, tensor in _tensors(state).items()}


# -- the two kinds of files -------------------------------------------------------------------------------------------


def _open_archive(file: BinaryIO) -> tuple[Any, dict[str, _Place]]:
    """What PyTorch has written since 1.6: a zip archive that is not packed."""
    with zipfile.ZipFile(file) as archive:
        records = {info.filename: info for info in archive.infolist()}
        pickles = [name for name in records if name.rpartition("/")[2] == "data.pkl"]
        if len(pickles) != 1:
            raise TorchFileError("It is not a file of PyTorch.")
        root = pickles[0].removesuffix("data.pkl")
        small = [records[name] for name in (f"{root}data.pkl", f"{root}byteorder") if name in records]
        if any(record.file_size > MAX_PICKLE_BYTES for record in small):
            raise TorchFileError("Its list of tensors is larger than it can be.")
        if len(small) > 1 and archive.read(small[1]) != b"little":
            raise TorchFileError("It was written on a machine with another byte order.")
        state = _Unpickler(io.BytesIO(archive.read(pickles[0]))).load_all()
    folder = f"{root}data/"
    data = {name.removeprefix(folder): info for name, info in records.items() if name.startswith(folder)}
    return state, {key: _place(info, file) for key, info in data.items()}


def _place(record: zipfile.ZipInfo, file: BinaryIO) -> _Place:
    file.seek(record.header_offset)
    header = file.read(_LOCAL_HEADER)
    if record.compress_type != zipfile.ZIP_STORED or not header.startswith(_LOCAL_MAGIC):
        raise TorchFileError("It is damaged, or packed in a way that PyTorch does not use.")
    names = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
    return _Place(record.header_offset + _LOCAL_HEADER + names, record.file_size)


def _open_old(file: BinaryIO) -> tuple[Any, dict[str, _Place]]:
    """What it wrote before: five pickles, then every storage after the number of its elements."""
    head = io.BytesIO(file.read(MAX_PICKLE_BYTES))
    _, _, machine = (_Unpickler(head).load_all() for _ in range(3))
    if not isinstance(machine, dict) or not machine.get("little_endian"):
        raise TorchFileError("It was written on a machine with another byte order.")
    unpickler = _Unpickler(head)
    state, keys = unpickler.load_all(), _Unpickler(head).load_all()
    places, position = {}, head.tell()
    for key in keys if isinstance(keys, list) else ():
        storage = unpickler.storages.get(key) if isinstance(key, str) else None
        if storage is None:
            raise TorchFileError("It names a kind of data that is not known.")
        places[storage.key] = place = _Place(position + _COUNT_BYTES, storage.bytes)
        position = place.start + place.bytes
    return state, places


# -- the pickle -------------------------------------------------------------------------------------------------------


# C's unpickler would allocate a table as large as any index that the file names; this one keeps a dict.
class _Unpickler(pickle._Unpickler):
    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)
    stack: list[Any]

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.storages: dict[str, _Storage] = {}

    def load_build(self) -> None:
        """Leave attributes as they are: weights need none, and it could be those of a function below."""
        self.stack.pop()

    dispatch[pickle.BUILD[0]] = load_build

    def find_class(self, module: str, name: str) -> Any:
        if module in ("torch", "torch.storage") and name in _DTYPES:
            return name
        known: dict[tuple[str, str], Callable[..., Any]] = {
            ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
            ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
            ("collections", "OrderedDict"): OrderedDict,
        }
        if (module, name) not in known:
            raise TorchFileError(f"It wants to run {module}.{name}, which no file of weights needs. It was not run.")
        return known[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _, count, *_ = pid
        if kind != "storage" or not isinstance(dtype, str) or not isinstance(key, str) or not _is_size(count):
            raise TorchFileError("It names a kind of data that is not known.")
        return self.storages.setdefault(key, _Storage(key, dtype, count))

    def load_all(self) -> Any:
        """The next object. Raises TorchFileError."""
        try:
            return self.load()
        except TorchFileError:
            raise
        except Exception as error:  # a broken pickle raises nearly anything
            raise TorchFileError("Its list of tensors is damaged.") from error


def _rebuild_tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _Tensor:
    sizes = (offset, *shape, *strides)
    if not isinstance(storage, _Storage) or len(shape) != len(strides) or not all(map(_is_size, sizes)):
        raise TorchFileError("It describes a tensor that cannot be.")
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    count = math.prod(shape)
    if count > storage.count or (count and last >= storage.count):
        raise TorchFileError("It describes a tensor that is larger than its data.")
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


def _rebuild_parameter(tensor: Any, *_: Any) -> Any:
    return tensor


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 48


def _tensors(state: Any) -> dict[str, _Tensor]:
    """The tensors by name; training scripts save other things beside them."""
    for name in _STATES:
        if isinstance(state, dict) and isinstance(state.get(name), dict):
            state = state[name]
    if not isinstance(state, dict):
        raise TorchFileError("It holds no weights.")
    tensors = {
        re.sub(r"^module\.", "", name): tensor
        for name, tensor in state.items()
        if isinstance(name, str) and isinstance(tensor, _Tensor)
    }
    if not tensors:
        raise TorchFileError("It holds no weights.")
    return tensors


# -- the data ---------------------------------------------------------------------------------------------------------


def _view(tensor: _Tensor, content: mmap.mmap, places: dict[str, _Place]) -> Array:
    storage, place = tensor.storage, places.get(tensor.storage.key)
    if place is None or place.bytes != storage.bytes:
        raise TorchFileError("A part of its data is missing.")
    if place.start + place.bytes > len(content):
        raise TorchFileError("It is damaged or cut short.")
    dtype = np.dtype(_DTYPES[storage.dtype])
    whole = np.frombuffer(content, dtype, storage.count, place.start) if storage.count else np.zeros(0, dtype)
    strides = [stride * dtype.itemsize for stride in tensor.strides]
    view = np.lib.stride_tricks.as_strided(whole[tensor.offset :], tensor.shape, strides, writeable=False)
    if storage.dtype != _BFLOAT16:
        return view
    wide: Array = (view.astype(np.uint32) << 16).view(np.float32)  # NumPy has no bfloat16
    return wide
