"""The segment engine: many ranges of many files at once, verified as they complete."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import queue
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ominix_core.downloads import space
from ominix_core.downloads.files import PRIVATE_FOLDER, RemoteFile
from ominix_core.downloads.partial import PartialFile, arrived_bytes
from ominix_core.downloads.progress import SHORTEST_INTERVAL, Meter
from ominix_core.downloads.retry import Attempts, TransientError
from ominix_core.downloads.store import is_present
from ominix_core.downloads.target import Target
from ominix_core.downloads.web import RefusedError, Web
from ominix_core.errors import DownloadError
from ominix_core.states import Downloading

if TYPE_CHECKING:
    import httpx

logger = logging.getLogger(__name__)

SEGMENT_BYTES = 32 << 20
CONNECTIONS = 8
SEGMENTS_AT_ONCE = 8
SPACE_SECONDS = 2.0
STOP_SECONDS = 0.1
TRIES_BEFORE_BACKUP = 3


class Transfer:
    """Fetches files into a folder. Call `run` once; stop it by stopping its `Web`.

    Worker threads fetch segments, hash what is complete, install files that match, and fetch those that do not once
    more. The calling thread reports progress at most ten times a second and watches the disk.
    """

    def __init__(
        self,
        folder: Path,
        files: Sequence[RemoteFile],
        web: Web,
        report: Callable[[Downloading], None],
        *,
        connections: int = CONNECTIONS,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        self._folder = folder
        self._files = files
        self._web = web
        self._report = report
        self._connections = connections
        self._segment_bytes = segment_bytes
        self._lock = threading.Condition()
        self._waiting: deque[tuple[RemoteFile, int]] = deque()
        self._news: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        self._targets: list[Target] = []
        self._ended = False
        self._threads_inside = 0
        self._all_left = threading.Event()
        self._meter = Meter()
        self._installed_bytes = 0
        self._total_bytes = sum(file.size for file in files)
        self._next_space = 0.0

    def run(self) -> None:
        """Fetch what is missing. On any failure all bytes that arrived are kept.

        Raises:
            DownloadError: With what to do next.
            Cancelled: When the `Web` is stopped.
        """
        try:
            self._survey()
            self._start_workers()
            self._supervise()
        except OSError as error:
            self._web.stop()
            if error.errno == errno.ENOSPC:
                raise space.disk_is_full(self._folder) from error
            raise DownloadError(f"Cannot write to {self._folder}: {error.strerror}.") from error
        except BaseException:
            self._web.stop()
            raise
        finally:
            self._leave()

    # -- the calling thread -------------------------------------------------------------------------------------

    def _survey(self) -> None:
        """Find the files that are missing, the small ones first, and what has arrived of each."""
        (self._folder / PRIVATE_FOLDER).mkdir(parents=True, exist_ok=True)
        for file in sorted(self._files, key=lambda file: file.size):
            if is_present(self._folder, file):
                self._installed_bytes += file.size
            else:
                journal = PartialFile.journal_of(self._base_of(file))
                self._waiting.append((file, arrived_bytes(journal)))

    def _base_of(self, file: RemoteFile) -> Path:
        return self._folder / PRIVATE_FOLDER / hashlib.sha256(file.path.encode()).hexdigest()[:16]

    def _start_workers(self) -> None:
        self._threads_inside = self._connections if self._waiting else 0
        for index in range(self._threads_inside):
            threading.Thread(target=self._worker, name=f"download-{index}", daemon=True).start()

    def _supervise(self) -> None:
        while self._is_unfinished():
            with contextlib.suppress(queue.Empty):
                if error := self._news.get(timeout=SHORTEST_INTERVAL):
                    raise error
            self._web.waits.check()
            if self._meter.due():
                self._look_around()

    def _is_unfinished(self) -> bool:
        with self._lock:
            return bool(self._waiting or self._targets)

    def _look_around(self) -> None:
        with self._lock:
            resting = sum(arrived for _, arrived in self._waiting)
            done = self._installed_bytes + resting + sum(target.part.done_bytes for target in self._targets)
            current = _current(self._targets)
        self._meter.measure(done)
        note = self._web.waits.note() if self._meter.is_quiet else ""
        self._report(Downloading(done, self._total_bytes, current, self._meter.speed, note))
        if time.monotonic() >= self._next_space:
            self._next_space = time.monotonic() + SPACE_SECONDS
            space.watch(self._folder)

    def _leave(self) -> None:
        """End the workers and close the files; a worker that hangs in a connect is left to do so when it returns."""
        with self._lock:
            self._ended = True
            self._lock.notify_all()
            nobody_inside = self._threads_inside == 0
        if nobody_inside:
            self._close_parts()
        else:
            self._all_left.wait(STOP_SECONDS if self._web.stopped else None)

    def _close_parts(self) -> None:
        for target in self._targets:
            target.part.close()

    # -- worker threads -----------------------------------------------------------------------------------------

    def _worker(self) -> None:
        try:
            while (work := self._next_work()) is not None:
                self._advance(*work)
        except BaseException as error:  # the calling thread raises it
            self._news.put(error)
        with self._lock:
            self._threads_inside -= 1
            if self._threads_inside == 0:
                if self._ended:
                    self._close_parts()
                self._all_left.set()

    def _next_work(self) -> tuple[Target, range | None] | None:
        """Segments of the file that needs this thread most, or None at the end.

        Every file gets one thread before any gets two: a file system lets one thread at a time write to a file, and
        segments that arrive in order can be hashed at once.
        """
        with self._lock:
            while not self._ended:
                unfinished = [target for target in self._targets if target.pending]
                target = min(unfinished, key=lambda target: target.threads, default=None)
                if self._waiting and (target is None or target.threads):
                    self._begin(self._waiting[0][0])
                    self._waiting.popleft()  # not before: what cannot be opened is still missing
                elif target is not None:
                    segments = target.take(self._share(unfinished))
                    target.threads += 1
                    return target, segments
                else:
                    self._lock.wait()
        return None

    def _share(self, unfinished: list[Target]) -> int:
        """How many segments one request may bring: fewer towards the end, so that all threads end together."""
        pending = sum(target.pending for target in unfinished)
        pending += sum(file.size // self._segment_bytes for file, _ in self._waiting)
        return max(1, min(SEGMENTS_AT_ONCE, pending // (2 * self._connections)))

    def _begin(self, file: RemoteFile) -> None:
        """Open a file only when somebody has time for it: a system may allow no more than 256 open files."""
        identity = file.digest.value if file.digest else " ".join(file.urls)
        part = PartialFile(self._base_of(file), file.size, identity, self._segment_bytes)
        self._targets.append(Target(file, part))

    def _advance(self, target: Target, segments: range | None) -> None:
        try:
            if segments is not None:
                self._fetch(target, segments)
            if target.hash_ahead(self._web.waits):
                self._finish(target)
        finally:
            with self._lock:
                target.threads -= 1
                if target.threads == 0 and target not in self._targets:
                    target.part.close()

    def _fetch(self, target: Target, segments: range) -> None:
        """Fetch segments to their end, or the whole file if the server knows no ranges."""
        retry = self._web.retry
        attempts = Attempts(retry, retry.patience)
        while (segment := target.next_of(segments)) is not None:
            self._web.waits.turn()
            before, (number, url) = target.part.done_bytes, target.address
            try:
                self._stream(target, range(segment, segments.stop), url)
            except TransientError as error:
                wait = attempts.failed(error, target.part.done_bytes - before)
                if attempts.in_a_row >= TRIES_BEFORE_BACKUP:
                    target.leave_address(number, for_good=False)
                self._web.waits.nap(wait, error.reason)
            except RefusedError:
                if not target.leave_address(number, for_good=True):
                    raise

    def _stream(self, target: Target, segments: range, url: str) -> None:
        part = target.part
        start, end = part.position(segments.start), part.end_of(max(segments.start, segments.stop - 1))
        with self._web.open(url, {"Range": f"bytes={start}-{end - 1}"}) as response:
            offset = start
            if is_whole := response.status_code == 200:
                if not target.claim_whole():
                    return
                offset, end = 0, part.size
            _check_extent(response, target.file, start, whole=is_whole)
            for chunk in self._web.body(response):
                self._web.waits.check()
                offset = target.write(offset, chunk[: end - offset])
                if offset >= end:
                    return
        raise TransientError("the server sent less than it was asked for", tries=5)

    def _finish(self, target: Target) -> None:
        """Install a file that matches; start one that does not over, and refuse it the second time."""
        if target.matches():
            target.part.install(self._folder / target.file.path)
            with self._lock:
                self._targets.remove(target)
                self._installed_bytes += target.file.size
            self._news.put(None)
        elif target.start_over():
            logger.warning("%s does not match its checksum and is fetched again", target.file.path)
            with self._lock:
                self._lock.notify_all()
        else:
            target.part.clear()
            raise DownloadError(
                f"{target.file.path} does not match the checksum that its source declares; it was fetched again and is "
                "still wrong, so it was thrown away. The file on the server may be damaged: try again later."
            )


def _current(targets: list[Target]) -> str:
    """The file that is being fetched, or "verifying FILE" once all bytes are there."""
    for target in targets:
        if target.part.first_missing is not None:
            return target.file.path
    return f"verifying {targets[0].file.path}" if targets else ""


def _check_extent(response: httpx.Response, file: RemoteFile, start: int, *, whole: bool) -> None:
    """Raise RefusedError if the answer is of a file of another size, TransientError if it is of another range."""
    if whole:
        length = response.headers.get("content-length")
        total = int(length) if length is not None else file.size
    else:
        extent = re.fullmatch(r"bytes (\d{1,16})-(\d{1,16})/(\d{1,16})", response.headers.get("content-range", ""))
        if extent is None or int(extent[1]) != start:
            raise TransientError(f"{response.url.host} answers with another range than it was asked for", tries=5)
        total = int(extent[3])
    if total != file.size:
        raise RefusedError(
            f"{response.url.host} offers {total} bytes of {file.path}, where {file.size} are expected. "
            "The file may have changed: remove the model and get it again."
        )
