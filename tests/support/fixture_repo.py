"""Repositories on disk for the fixture hub, and how both hubs describe them."""

from __future__ import annotations

import hashlib
import json
import os
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LARGE_SUFFIXES = (".safetensors", ".npz", ".bin", ".gguf")
BLOCK = 1 << 20
MODELSCOPE_LIMIT = 3000


@dataclass(frozen=True)
class StoredFile:
    """One file and what a hub says about it."""

    path: Path
    size: int
    sha256: str
    git_oid: str

    @classmethod
    def read(cls, path: Path) -> StoredFile:
        size = path.stat().st_size
        sha256, git = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % size)
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                sha256.update(block)
                git.update(block)
        return cls(path, size, sha256.hexdigest(), git.hexdigest())

    @property
    def is_large(self) -> bool:
        """Whether the Hugging Face hub keeps it in LFS, where its checksum is a SHA-256."""
        return self.path.name.endswith(LARGE_SUFFIXES)


@dataclass
class Repo:
    """A repository at its one commit.

    Attributes:
        tree_extra: Raw items that the listing adds, for hostile listings.
    """

    id: str
    folder: Path
    is_gated: bool = False
    is_private: bool = False
    tree_extra: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        paths = sorted(path for path in self.folder.rglob("*") if path.is_file())
        self.files = {path.relative_to(self.folder).as_posix(): StoredFile.read(path) for path in paths}
        listing = json.dumps({name: file.sha256 for name, file in self.files.items()})
        self.commit = hashlib.sha1(listing.encode()).hexdigest()

    @property
    def total_bytes(self) -> int:
        return sum(file.size for file in self.files.values())

    def tree(self) -> list[Any]:
        """As `GET /api/models/{id}/tree/{commit}?recursive=true` answers."""
        items: list[Any] = []
        for name, file in self.files.items():
            item: dict[str, Any] = {"type": "file", "oid": file.git_oid, "size": file.size, "path": name}
            if file.is_large:
                item["lfs"] = {"oid": file.sha256, "size": file.size, "pointerSize": 135}
            items.append(item)
        folders = {parent.as_posix() for name in self.files for parent in Path(name).parents} - {"."}
        items += [{"type": "directory", "oid": "0" * 40, "size": 0, "path": folder} for folder in sorted(folders)]
        return items + self.tree_extra

    def modelscope_files(self, root: str = "", recursive: bool = True) -> list[dict[str, Any]]:
        """As the `Data.Files` of ModelScope's listing, which ends at its limit without a word."""
        items: list[dict[str, Any]] = [
            {"Path": name, "Name": file.path.name, "Size": file.size, "Sha256": file.sha256, "Type": "blob"}
            for name, file in self.files.items()
        ]
        folders = {parent.as_posix() for name in self.files for parent in Path(name).parents} - {"."}
        items += [{"Path": folder, "Size": 0, "Sha256": "", "Type": "tree"} for folder in sorted(folders)]
        below = [item for item in items if not root or item["Path"].startswith(f"{root}/")]
        depth = root.count("/") + 1 if root else 0
        return [item for item in below if recursive or item["Path"].count("/") == depth][:MODELSCOPE_LIMIT]


def make_model(folder: Path, shards: int = 2, shard_bytes: int = 1 << 20, seed: int = 0) -> None:
    """Write a model of valid safetensors files with random weights, their index, and the small files beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    weight_map = {}
    for number in range(1, shards + 1):
        name = f"model-{number:05d}-of-{shards:05d}.safetensors"
        _write_safetensors(folder / name, f"layer.{number}", shard_bytes, f"{seed} {number}")
        weight_map[f"layer.{number}"] = name
    index = {"metadata": {"total_size": shards * shard_bytes}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen3", "hidden_size": 64}))
    (folder / "tokenizer.json").write_text(json.dumps({"vocab": {str(n): n for n in range(500)}}))
    (folder / "tokenizer_config.json").write_text("{}")
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    (folder / "README.md").write_text("# A model\n")


def _write_safetensors(path: Path, tensor: str, size: int, seed: str) -> None:
    """A file of exactly `size` bytes with one tensor of bytes."""
    blank = json.dumps({tensor: {"dtype": "U8", "shape": [10**9], "data_offsets": [0, 10**9]}})
    header_size = len(blank) + 16
    body = size - 8 - header_size
    header = json.dumps({tensor: {"dtype": "U8", "shape": [body], "data_offsets": [0, body]}}).ljust(header_size)
    generator = random.Random(seed)
    with path.open("wb") as file:
        file.write(header_size.to_bytes(8, "little") + header.encode())
        block = generator.randbytes(min(body, 4 * BLOCK))
        while body:
            # every block differs, at the cost of a few random bytes
            piece = generator.randbytes(16) + block[16:]
            file.write(piece[:body])
            body -= min(body, len(piece))
    os.utime(path, (0, 0))
