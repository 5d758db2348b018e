"""One file on its way: its partial bytes, the address they come from, and the hash of those that are complete."""

from __future__ import annotations

import threading
from collections import deque

from ominix_core.downloads.files import RemoteFile
from ominix_core.downloads.partial import PartialFile
from ominix_core.downloads.retry import Waits

HASH_BLOCK = 256 << 10
SYNC_BYTES = 64 << 20
"""What a power cut may cost of a file, roughly. It also spreads the writing, so that little is left for the end."""


class Target:
    """Thread-safe. Many threads fetch segments of it; one at a time hashes what is complete from the front.

    Attributes:
        pending: Segments that no thread has taken yet; None stands for one that only hashes what is there.
        threads: How many work on it. Both are guarded by the transfer's lock.
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
        missing = [segment for segment in range(self.part.segments) if not self.part.is_full(segment)]
        self.pending: deque[int | None] = deque(missing) if missing else deque([None])
        self._streamed_by: int | None = None
        self._is_hashing = False
        self._hashed_segments = 0
        self._synced_bytes = 0
        self._hasher = self.file.digest.hasher(self.file.size) if self.file.digest else None

    # -- fetching -----------------------------------------------------------------------------------------------

    def needs(self, segment: int) -> bool:
        """Whether this thread, which works on `segment`, has more to do.

        A server that ignores ranges gets one thread for the whole file; the others leave it alone.
        """
        if self._streamed_by is None:
            return not self.part.is_full(segment)
        return self.is_streaming and self.part.first_missing is not None

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

    def hash_ahead(self, waits: Waits) -> bool:
        """Hash what is complete from the front, unless another thread is at it. Raises Cancelled.

        Returns True for the one call after which every byte is hashed.
        """
        with self._lock:
            if self._is_hashing:
                return False
            self._is_hashing = True
        while self._next_is_ready():
            self._hash_segment(waits)
            self._hashed_segments += 1
            if self._hashed_segments * self.part.segment_bytes - self._synced_bytes >= SYNC_BYTES:
                self._synced_bytes = self._hashed_segments * self.part.segment_bytes
                self.part.sync()
        return self._hashed_segments == self.part.segments

    def _next_is_ready(self) -> bool:
        """Whether the next segment can be hashed. If not, and some are left, another thread may take over later."""
        with self._lock:
            if self._hashed_segments == self.part.segments:
                return False  # stays claimed, so that nobody finishes it twice
            self._is_hashing = self.part.is_full(self._hashed_segments)
            return self._is_hashing

    def _hash_segment(self, waits: Waits) -> None:
        if self._hasher is None:
            return
        buffer = memoryview(bytearray(HASH_BLOCK))
        offset, end = self._hashed_segments * self.part.segment_bytes, self.part.end_of(self._hashed_segments)
        while offset < end:
            waits.check()
            count = self.part.read_into(buffer[: end - offset], offset)
            self._hasher.update(buffer[:count])
            offset += count

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
