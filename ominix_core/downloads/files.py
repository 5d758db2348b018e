"""The files of a model: what a source offers, and the manifest that is kept beside what was fetched."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

import msgspec

from ominix_core.errors import DownloadError
from ominix_core.registry import rules

if TYPE_CHECKING:
    from hashlib import _Hash

MAX_FILES = 10_000
MAX_FILE_BYTES = 1 << 44
PRIVATE_FOLDER = ".ominix"
HEX = {"sha256": re.compile(r"[0-9a-f]{64}"), "git": re.compile(r"[0-9a-f]{40}")}


class Digest(msgspec.Struct, frozen=True):
    """What the bytes of a file must hash to: plain SHA-256, or the SHA-1 that git gives a blob."""

    algorithm: Literal["sha256", "git"]
    value: str

    def __post_init__(self) -> None:
        if not HEX[self.algorithm].fullmatch(self.value):
            raise DownloadError("The source lists a checksum that is not one. Nothing was fetched.")

    def hasher(self, size: int) -> _Hash:
        """A fresh hash object for a file of `size` bytes."""
        if self.algorithm == "sha256":
            return hashlib.sha256()
        return hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)


class RemoteFile(msgspec.Struct, frozen=True):
    """One file that a model consists of.

    Attributes:
        path: Where it belongs, relative to the model's folder, with forward slashes; always safe to join.
        size: In bytes.
        digest: None where the source declares none.
        urls: Where it can be had, best first; empty for files that are made here (converted ones).
    """

    path: str
    size: int
    digest: Digest | None = None
    urls: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_path(self.path)
        if not 0 <= self.size <= MAX_FILE_BYTES:
            raise DownloadError(f"The source says that {self.path} has {self.size} bytes, which cannot be.")


class Manifest(msgspec.Struct, frozen=True):
    """What a model's folder is to hold; kept in the folder, so that a download goes on at the same commit.

    Attributes:
        source: The registry's sources that the list was made from, as canonical JSON.
        origin: For people: repository and commit.
        was_complete: Every file was there once; if one is not now, that is damage, not an unfinished download.
    """

    source: str
    origin: str
    files: tuple[RemoteFile, ...]
    was_complete: bool = False

    @property
    def total_bytes(self) -> int:
        return sum(file.size for file in self.files)


def check_path(path: str) -> None:
    """Raise DownloadError unless `path` names a place inside the model's folder."""
    try:
        rules.check_file(path)
    except ValueError as error:
        raise DownloadError(
            f"The source lists a file that is not safe to write: {error}. Nothing was fetched."
        ) from error
    if path.split("/")[0].lower() == PRIVATE_FOLDER:
        raise DownloadError(f"The source lists a file in {PRIVATE_FOLDER}, which is Ominix's own. Nothing was fetched.")


def check_files(files: Iterable[RemoteFile]) -> tuple[RemoteFile, ...]:
    """The files as a tuple. Raises DownloadError if two would fall on the same place, or one inside another."""
    listed = tuple(files)
    if len(listed) > MAX_FILES:
        raise DownloadError(f"The source lists {len(listed)} files; {MAX_FILES} is the most that a model may have.")
    folded = {unicodedata.normalize("NFC", file.path).casefold() for file in listed}
    if len(folded) != len(listed):
        raise DownloadError("The source lists two files of the same name. Nothing was fetched.")
    for path in folded:
        parts = path.split("/")
        if any("/".join(parts[:depth]) in folded for depth in range(1, len(parts))):
            raise DownloadError(
                f"The source lists a file and a folder of the same name ({path!r}). Nothing was fetched."
            )
    return listed
