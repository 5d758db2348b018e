"""Headers of sound files that were written to a pipe: whoever wrote them could not go back and fill in the length.

libsndfile believes some of what then stands there, and finds no sound: a size of 0 in WAV and AU, "unknown" in RF64,
W64 and CAF. As in every other reader, the sound then goes on to the end of the file.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

_MOST_CHUNKS = 1000
_UNKNOWN = b"\xff" * 4
_W64_FILE = bytes.fromhex("726966662e91cf11a5d628db04c10000")
_W64_DATA = bytes.fromhex("64617461f3acd3118cd100c04f8edb8a")

Corrections = dict[int, bytes]
"""What is to be read in place of what a file holds, by where it stands."""


class CorrectedFile:
    """A file as soundfile reads it, with corrections. It takes the file over, and closes it."""

    def __init__(self, file: BinaryIO, corrections: Corrections) -> None:
        self._file = file
        self._corrections = corrections
        self.seek, self.tell, self.close = file.seek, file.tell, file.close

    def readinto(self, buffer: Any) -> int:
        start = self._file.tell()
        count: int = self._file.readinto(buffer)  # type: ignore[attr-defined]  # files opened in binary have it
        for at, right in self._corrections.items():
            for offset, byte in enumerate(right, at - start):
                if 0 <= offset < count:
                    buffer[offset] = bytes([byte])
        return count


def corrections(file: BinaryIO) -> Corrections:
    """What is wrong with the length that a header tells; nothing for files that libsndfile reads to their end."""
    file.seek(0)
    head = file.read(24)
    size = file.seek(0, os.SEEK_END)
    match head[:4]:
        case b"RIFF" | b"RIFX":
            return _of_wav(file, size, ">" if head[:4] == b"RIFX" else "<")
        case b"RF64" | b"BW64":
            return _of_rf64(file, size)
        case b".snd" | b"dns." if len(head) == 24:
            begin, length = struct.unpack_from(">II" if head[:4] == b".snd" else "<II", head, 4)
            return {8: _UNKNOWN} if not 0 < length <= size - begin else {}
        case b"caff":
            return _of_caf(file, size)
    return _of_w64(file, size) if head.startswith(_W64_FILE) else {}


class _Chunk(NamedTuple):
    """A part of a file: its name, where its size stands, where its content begins, and how long it says that is."""

    name: bytes
    size_at: int
    begin: int
    length: int


def _chunks(file: BinaryIO, at: int, sizes: str, even: bool = True) -> Iterator[_Chunk]:
    """The chunks from here on, as far as they go."""
    end = file.seek(0, os.SEEK_END)
    for _ in range(_MOST_CHUNKS):
        if at > end:  # a damaged size may be more than can be sought
            return
        file.seek(at)
        head = file.read(4 + struct.calcsize(sizes))
        if len(head) < 4 + struct.calcsize(sizes):
            return
        (length,) = struct.unpack_from(sizes, head, 4)
        yield _Chunk(head[:4], at + 4, at + len(head), length)
        if length < 0:
            return
        at += len(head) + length + (length % 2 if even else 0)


def _is_open(chunk: _Chunk, file: BinaryIO, size: int, sizes: str, even: bool = True) -> bool:
    """Whether a chunk of no length does go on: what follows it is not the rest of a file whose recording is empty."""
    if chunk.begin >= size:
        return False
    end = chunk.begin
    for each in _chunks(file, chunk.begin, sizes, even):
        if not each.name.isascii() or not each.name.decode("ascii").isprintable():
            return True
        end = each.begin + each.length
    return end not in (size, size + 1)


def _of_wav(file: BinaryIO, size: int, order: str) -> Corrections:
    sizes = order + "I"
    for chunk in _chunks(file, 12, sizes):
        if chunk.name == b"data":
            if chunk.length or not _is_open(chunk, file, size, sizes):
                return {}
            return {chunk.size_at: struct.pack(sizes, min(size - chunk.begin, 2**32 - 1))}
    return {}


def _of_rf64(file: BinaryIO, size: int) -> Corrections:
    known: dict[bytes, _Chunk] = {}
    for chunk in _chunks(file, 12, "<I"):
        known[chunk.name] = chunk
        if chunk.name == b"data":
            break
    if not known.keys() >= {b"ds64", b"fmt ", b"data"}:
        return {}
    lengths, data = known[b"ds64"], known[b"data"]
    rest = size - data.begin
    file.seek(lengths.begin + 8)
    (declared,) = struct.unpack("<Q", file.read(8))
    if 0 < declared <= rest:
        return {}
    file.seek(known[b"fmt "].begin + 12)
    (frame,) = struct.unpack("<H", file.read(2))
    return {
        lengths.begin: struct.pack("<QQQ", size - 8, rest, rest // max(1, frame)),
        data.size_at: _UNKNOWN,
    }


def _of_caf(file: BinaryIO, size: int) -> Corrections:
    for chunk in _chunks(file, 8, ">q", even=False):
        if chunk.name == b"data":
            rest = size - chunk.begin
            is_right = 0 < chunk.length <= rest or (
                chunk.length == 0 and not _is_open(chunk, file, size, ">q", even=False)
            )
            return {} if is_right else {chunk.size_at: struct.pack(">q", rest)}
    return {}


def _of_w64(file: BinaryIO, size: int) -> Corrections:
    at = 40
    for _ in range(_MOST_CHUNKS):
        if at > size:  # as above
            return {}
        file.seek(at)
        head = file.read(24)
        if len(head) < 24:
            return {}
        length = int.from_bytes(head[16:], "little")
        if head.startswith(_W64_DATA):
            return {at + 16: struct.pack("<Q", size - at)} if length > size - at else {}
        at += max(24, (length + 7) // 8 * 8)
    return {}
