"""A file while it is being fetched: its bytes in a sparse `.part`, and a journal of which ones have arrived."""

from __future__ import annotations

import hashlib
import mmap
import os
import subprocess
import sys
from functools import cache
from pathlib import Path


@cache
def boot_session() -> bytes:
    """Eight bytes that differ after every restart of the machine."""
    try:
        text = Path("/proc/sys/kernel/random/boot_id").read_bytes()
    except OSError:
        command = ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"]
        text = subprocess.run(command, capture_output=True, check=False).stdout
    return hashlib.sha256(text).digest()[:8]


def flush_to_disk(descriptor: int) -> None:
    """fsync that also empties the drive's own cache, which plain fsync does not on macOS."""
    if sys.platform == "darwin":
        import fcntl

        try:
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
        except OSError:  # not every file system knows it (network shares do not)
            os.fsync(descriptor)
    else:
        os.fsync(descriptor)


class PartialFile:
    """Written by many threads at once, each in segments of its own.

    The journal is memory-mapped, so that what it says outlives `kill -9` at any moment: a position moves after its
    bytes were written. A power cut may lose bytes that the journal counts, so a second column holds what is
    certainly on the disk; after a restart of the machine only that column is believed.

    Layout of the journal: 32 bytes identity, 8 bytes boot session, 24 bytes zero, then two columns of one uint64
    per segment: bytes written, and bytes on the disk.
    """

    HEADER = 64

    def __init__(self, base: Path, size: int, identity: str, segment_bytes: int) -> None:
        """Open the pair `base`.part and `base`.journal, going on where it stopped if it is of the same file.

        Args:
            base: Path without suffix; its folder must exist.
            size: Of the finished file, in bytes.
            identity: Whatever makes these bytes these bytes; another identity starts from zero.
            segment_bytes: Size of every segment but the last.
        """
        self.size = size
        self.segment_bytes = segment_bytes
        self.segments = -(-size // segment_bytes)
        self.data_path = base.with_name(base.name + ".part")
        self.journal_path = self.journal_of(base)
        marker = hashlib.sha256(f"{identity} {size} {segment_bytes}".encode()).digest()
        if not self._is_of(marker):
            self.journal_path.write_bytes(marker.ljust(self.HEADER, b"\0") + bytes(16 * self.segments))
        self._file = os.open(self.data_path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
        os.ftruncate(self._file, size)
        with self.journal_path.open("r+b") as journal:
            self._map = mmap.mmap(journal.fileno(), 0)
        self._columns = memoryview(self._map)[self.HEADER :].cast("Q")
        self._written = self._columns[: self.segments]
        self._durable = self._columns[self.segments :]
        if self._map[32:40] != boot_session():
            self._written[:] = self._durable
            self._map[32:40] = boot_session()
        if any(self.position(segment) > self.end_of(segment) for segment in range(self.segments)):
            self.clear()  # the journal itself was damaged

    @staticmethod
    def journal_of(base: Path) -> Path:
        return base.with_name(base.name + ".journal")

    def _is_of(self, marker: bytes) -> bool:
        try:
            with self.journal_path.open("rb") as journal:
                head = journal.read(self.HEADER)
                length = journal.seek(0, os.SEEK_END)
            return (
                head[:32] == marker
                and length == self.HEADER + 16 * self.segments
                and self.data_path.stat().st_size == self.size
            )
        except OSError:
            return False

    # -- what is there ------------------------------------------------------------------------------------------

    @property
    def done_bytes(self) -> int:
        return sum(self._written)

    def end_of(self, segment: int) -> int:
        return min((segment + 1) * self.segment_bytes, self.size)

    def position(self, segment: int) -> int:
        """The offset in the file of the segment's first missing byte."""
        return segment * self.segment_bytes + self._written[segment]

    def is_full(self, segment: int) -> bool:
        return self.position(segment) >= self.end_of(segment)

    @property
    def first_missing(self) -> int | None:
        """The first segment that is not complete; None if all are."""
        return next((segment for segment in range(self.segments) if not self.is_full(segment)), None)

    # -- changes ------------------------------------------------------------------------------------------------

    def write(self, offset: int, data: bytes | memoryview) -> int:
        """Store bytes that continue a segment, over segment borders; those that are there already are left out.

        Returns the offset after `data`.
        """
        view = memoryview(data)
        while view:
            segment = offset // self.segment_bytes
            piece = view[: self.end_of(segment) - offset]
            have = self.position(segment)
            if offset <= have < offset + len(piece):
                self._write_all(piece[have - offset :], have)
                self._written[segment] = offset + len(piece) - segment * self.segment_bytes
            offset += len(piece)
            view = view[len(piece) :]
        return offset

    def _write_all(self, data: memoryview, offset: int) -> None:
        while data:
            count = os.pwrite(self._file, data, offset)
            data, offset = data[count:], offset + count

    def read_into(self, buffer: memoryview, offset: int) -> int:
        return os.preadv(self._file, [buffer], offset)

    def sync(self) -> None:
        """Bring what is written so far to the disk, and note that it is there."""
        written = self._written.tolist()
        if written != self._durable.tolist():
            flush_to_disk(self._file)
            for segment, count in enumerate(written):
                self._durable[segment] = count

    def clear(self) -> None:
        """Forget every byte, and give the disk its space back."""
        for index in range(len(self._columns)):
            self._columns[index] = 0
        os.ftruncate(self._file, 0)
        os.ftruncate(self._file, self.size)

    def close(self) -> None:
        for view in (self._written, self._durable, self._columns):
            view.release()
        self._map.close()
        os.close(self._file)

    def install(self, destination: Path) -> None:
        """Move the finished bytes to where they belong, in one step that a crash cannot split. Does not close."""
        flush_to_disk(self._file)
        destination.parent.mkdir(parents=True, exist_ok=True)
        os.replace(self.data_path, destination)
        self.journal_path.unlink()
        sync_folder(destination.parent)


def arrived_bytes(journal: Path) -> int:
    """What a journal counts, without opening it for writing; 0 if it cannot be read."""
    try:
        content = journal.read_bytes()
        columns = memoryview(content)[PartialFile.HEADER :].cast("Q")
    except (OSError, TypeError):
        return 0
    half = len(columns) // 2
    return sum(columns[:half] if content[32:40] == boot_session() else columns[half:])


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
