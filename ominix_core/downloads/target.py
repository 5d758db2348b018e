"""One file on its way: its partial bytes, the address they come from, and the hash of those that are complete."""

from __future__ import annotations

import threading

from ominix_core.downloads.files import RemoteFile
from ominix_core.downloads.partial import PartialFile
from ominix_core.downloads.retry import Waits

HASH_BLOCK = 256 << 10
SYNC_BYTES = 64 << 20
"""What a power cut may cost of a file, roughly. It also spreads the writing, so that little is left for the end."""


class Target:
    """Thread-safe. Many threads fetch segments of it; one at a time hashes what is complete from the front.

    Attributes:
        threads: How many work on it. Guarded by the transfer's lock, as is `take`.
    """

    def __init__(self, file: RemoteFile, part: PartialFile) -> None:
        self.file = file
        self.part = part
        self._lock = threading.Lock()
        self._url_index = 0
        self._dead_urls: set[int] = set()
        self._tries_left = max(1, len(file.urls) - 1)
        self.threads = 0
        self._restart()

    def _restart(self) -> None:
        self._pending = [segment for segment in range(self.part.segments) if not self.part.is_full(segment)]
        self._is_new = True
        self._streamed_by: int | None = None
        self._is_hashing = False
        self._hashed_bytes = 0
        self._synced_bytes = 0
        self._hasher = self.file.digest.hasher(self.file.size) if self.file.digest else None

    # -- which segments -----------------------------------------------------------------------------------------

    @property
    def pending(self) -> int:
        """How many segments no thread has taken yet; 1 if all are there and nobody has looked at them."""
        return len(self._pending) or int(self._is_new)

    def take(self, most: int) -> range | None:
        """The next segments that no thread has taken, up to `most` in a row that one request can bring.

        None if all there is to do is to hash what is there.
        """
        self._is_new = False
        if not self._pending:
            return None
        first = last = self._pending.pop(0)
        while self._pending[:1] == [last + 1] and last + 1 - first < most and self._is_untouched(last + 1):
            last = self._pending.pop(0)
        return range(first, last + 1)

    def _is_untouched(self, segment: int) -> bool:
        return self.part.position(segment) == segment * self.part.segment_bytes

    # -- fetching -----------------------------------------------------------------------------------------------

    def next_of(self, segments: range) -> int | None:
        """The first segment that this thread, which took `segments`, has yet to fetch; None if it is done.

        A server that ignores ranges gets one thread for the whole file; the others leave it alone.
        """
        if self._streamed_by is not None:
            return self.part.first_missing if self.is_streaming else None
        return next((segment for segment in segments if not self.part.is_full(segment)), None)

    @property
    def is_streaming(self) -> bool:
        """Whether this thread is the one that takes the whole file."""
        return self._streamed_by == threading.get_ident()

    def claim_whole(self) -> bool:
        """Become the thread that takes the whole file; False if another one has."""
        with self._lock:
            if self._streamed_by is None:
                self._streamed_by = threading.get_ident()
            return self.is_streaming

    @property
    def address(self) -> tuple[int, str]:
        """The URL to ask, and its number."""
        index = self._url_index
        return index, self.file.urls[index]

    def leave_address(self, failed: int, *, for_good: bool) -> bool:
        """Go over to the next URL, unless another thread has done so; False if none is left."""
        with self._lock:
            if for_good:
                self._dead_urls.add(failed)
            alive = [index for index in range(len(self.file.urls)) if index not in self._dead_urls]
            if self._url_index == failed and alive:
                self._url_index = next((index for index in alive if index > failed), alive[0])
            return bool(alive)

    # -- verifying ----------------------------------------------------------------------------------------------

    def write(self, offset: int, data: memoryview) -> int:
        """Store bytes, and hash those at once that are the next to be hashed. Returns the offset after them."""
        while data:
            segment = offset // self.part.segment_bytes
            piece = data[: self.part.end_of(segment) - offset]
            is_next = self.part.position(segment) == offset
            self.part.write(offset, piece)
            if is_next and self._begin_hashing(offset):
                self._hash(piece)
                self._end_hashing()
            offset, data = offset + len(piece), data[len(piece) :]
        return offset

    def _begin_hashing(self, offset: int | None = None) -> bool:
        """Become the thread that hashes, if nobody is and, where an offset is given, it is the next one."""
        with self._lock:
            if self._is_hashing or offset not in (None, self._hashed_bytes):
                return False
            self._is_hashing = True
            return True

    def _end_hashing(self) -> None:
        with self._lock:
            self._is_hashing = False

    def _hash(self, data: memoryview) -> None:
        if self._hasher is not None:
            self._hasher.update(data)
        self._hashed_bytes += len(data)
        if self._hashed_bytes - self._synced_bytes >= SYNC_BYTES:
            self._synced_bytes = self._hashed_bytes
            self.part.sync()

    def hash_ahead(self, waits: Waits) -> bool:
        """Hash what is there from the front, unless another thread is at it. Raises Cancelled.

        Returns True for the one call after which every byte is hashed.
        """
        if not self._begin_hashing():
            return False
        buffer = memoryview(bytearray(HASH_BLOCK))
        while (end := self._next_end()) is not None:
            while self._hashed_bytes < end:
                waits.check()
                count = self.part.read_into(buffer[: end - self._hashed_bytes], self._hashed_bytes)
                self._hash(buffer[:count])
        return self._hashed_bytes == self.part.size

    def _next_end(self) -> int | None:
        """Where the next segment to be hashed ends, if it is complete; else another thread may take over later."""
        with self._lock:
            if self._hashed_bytes == self.part.size:
                return None  # stays claimed, so that nobody finishes it twice
            segment = self._hashed_bytes // self.part.segment_bytes
            self._is_hashing = self.part.is_full(segment)
            return self.part.end_of(segment) if self._is_hashing else None

    def matches(self) -> bool:
        """Whether the bytes are those that the source declares; call it once every byte is hashed."""
        return self._hasher is None or self.file.digest is None or self._hasher.hexdigest() == self.file.digest.value

    def start_over(self) -> bool:
        """Forget every byte and go over to the next address if there are several; False if it was done before."""
        if self._tries_left == 0:
            return False
        self._tries_left -= 1
        self.part.clear()
        self.leave_address(self._url_index, for_good=False)
        self._restart()
        return True
