"""Files of models as they lie on the disk: which of them is not what it should be, and what helps.

Only beginnings and sizes are read; JSON is read whole.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ominix_core.memory import read_config

# What MLX reads, as safetensors calls it.
_READABLE = {"BOOL", "U8", "U16", "U32", "U64", "I8", "I16", "I32", "I64"}
_READABLE |= {"F16", "BF16", "F32", "C64", "F8_E4M3", "F8_E8M0"}
_POINTER = b"version https://git-lfs.github.com/spec/"
_LARGEST_POINTER = 1024
# What Git LFS usually keeps of a model.
_IN_LFS = frozenset({".safetensors", ".json", ".model", ".npz", ".pt", ".bin", ".gguf", ".tiktoken", ".jinja", ".txt"})
_JSON = frozenset(
    [
        "added_tokens.json",
        "config.json",
        "generation_config.json",
        "hf_quant_config.json",
        "model_index.json",
        "preprocessor_config.json",
        "processor_config.json",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "tokens.json",
        "vocab.json",
    ]
)
_COUNTED = re.compile(r"(.+)-(\d{1,6})-of-(\d{1,6})\.safetensors")
_LONGEST_HEADER = 100 << 20


@dataclass(frozen=True)
class Fault:
    """What is wrong with a model's files, as sentences.

    Attributes:
        fetch_again: Whether the same files, fetched once more, may be right.
    """

    text: str
    fetch_again: bool = False


def is_pointer(path: Path) -> bool:
    """Whether Git left a note of where the file is in place of the file, as it does without Git LFS."""
    try:
        if path.stat().st_size > _LARGEST_POINTER:
            return False
        with path.open("rb") as file:
            return file.read(len(_POINTER)) == _POINTER
    except OSError:
        return False


def pointers_instead_of_weights(folder: Path) -> bool:
    """Whether Git LFS has not fetched the weights in `folder`."""
    return any(is_pointer(path) for path in folder.glob("*.safetensors"))


def missing_shards(folder: Path) -> Fault | None:
    """The files of weights that an index names and the folder lacks, unless the weights lie there in other files."""
    for index in _files(folder, "*.index.json"):
        shards = _shards(index)
        missing = sorted(name for name in shards if not (index.parent / name).is_file())
        others = any(path.name not in shards for path in index.parent.glob("*.safetensors"))
        if missing and not (others and len(missing) == len(shards)):
            more = f" ({len(missing)} of {len(shards)} such files are)" if len(missing) > 1 else ""
            return Fault(f"{_name(folder, index.parent / missing[0])} of {folder.name} is missing{more}.", True)
    return None


def fault_in(folder: Path) -> Fault | None:
    """The first thing that is wrong with the files in `folder` and in the folders in it."""
    if not folder.is_dir():
        return Fault(f"The folder of {folder.name} does not exist.", True)
    pointers = [path for path in _files(folder, "*") if path.suffix in _IN_LFS and is_pointer(path)]
    if pointers:
        more = f" (so are {len(pointers) - 1} others)" if len(pointers) > 1 else ""
        return Fault(
            f"{_name(folder, pointers[0])} of {folder.name} is a Git LFS pointer, not the file itself{more}. "
            "Run `git lfs pull` in its folder."
        )
    for path in _files(folder, "*.json"):
        if (path.name in _JSON or path.name.endswith(".index.json")) and (fault := _fault_in_json(path)):
            return Fault(f"{_name(folder, path)} of {folder.name} {fault.text}", fault.fetch_again)
    if shards := missing_shards(folder) or _gap(folder):
        return shards
    for path in _files(folder, "*.safetensors"):
        if fault := _fault_in_weights(path):
            return Fault(f"{_name(folder, path)} of {folder.name} {fault.text}", fault.fetch_again)
    return None


def _gap(folder: Path) -> Fault | None:
    """A file of weights that the names of the others tell of, where no index does."""
    for path in _files(folder, "*-of-*.safetensors"):
        if not (counted := _COUNTED.fullmatch(path.name)):
            continue
        begin, number, count = counted.groups()
        for other in range(1, int(count) + 1):
            name = f"{begin}-{other:0{len(number)}}-of-{count}.safetensors"
            if not (path.parent / name).is_file():
                return Fault(f"{_name(folder, path.parent / name)} of {folder.name} is missing.", True)
    return None


def other_weights(folder: Path) -> list[str]:
    """The names of the weights in `folder` of every kind."""
    kinds = {".safetensors", ".npz", ".bin", ".pt", ".pth", ".gguf", ".onnx", ".h5"}
    return sorted(path.name for path in folder.glob("*") if path.suffix in kinds and not path.name.startswith("."))


def _files(folder: Path, pattern: str) -> Iterator[Path]:
    """Those in the folder and in the folders in it, in their order."""
    for depth in (pattern, f"*/{pattern}"):
        yield from sorted(path for path in folder.glob(depth) if path.is_file() and not path.name.startswith("."))


def _name(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()


def _shards(index: Path) -> set[str]:
    weight_map = read_config(index.parent, index.name).get("weight_map")
    if not isinstance(weight_map, dict):
        return set()
    return {name for name in weight_map.values() if isinstance(name, str)}


def _fault_in_json(path: Path) -> Fault | None:
    """The rest of a sentence that begins with the file's name."""
    content = path.read_bytes()
    if content.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        return Fault("begins with a byte order mark, as some editors write it. Save it as UTF-8 without one.")
    if _is_page(content):
        return Fault("holds a web page, not the file.", True)
    try:
        json.loads(content)
    except json.JSONDecodeError as error:
        return Fault(f"is no valid JSON: {error.msg} in line {error.lineno}, column {error.colno}.", True)
    except ValueError:
        return Fault("is no valid JSON: it is not UTF-8.", True)
    return None


def _fault_in_weights(path: Path) -> Fault | None:
    """The rest of a sentence that begins with the file's name."""
    size = path.stat().st_size
    with path.open("rb") as file:
        begin = file.read(8)
        (length,) = struct.unpack("<Q", begin) if len(begin) == 8 else (0,)
        content = begin + file.read(min(length, _LONGEST_HEADER))
    if _is_page(content):
        return Fault("holds a web page, not the file.", True)
    try:
        header: Any = json.loads(content[8 : 8 + length])
        tensors = [tensor for name, tensor in header.items() if name != "__metadata__"]
        end = 8 + length + max((tensor["data_offsets"][1] for tensor in tensors), default=0)
        kinds = sorted({tensor["dtype"] for tensor in tensors} - _READABLE)
    except (ValueError, AttributeError, KeyError, TypeError, IndexError):
        whole = "is empty" if not size else "is cut short or damaged: its table of contents cannot be read"
        return Fault(f"{whole}.", True)
    if end > size:
        return Fault(f"is cut short: it has {size:,} of {end:,} bytes.", True)
    if kinds:
        return Fault(
            f"holds weights of the type {kinds[0]}, which MLX cannot read. "
            "Convert the model to bfloat16 or float16, or get a conversion for MLX."
        )
    return None


def _is_page(content: bytes) -> bool:
    return content[:256].lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml"))
