"""The download manager: the queue, and what runs now."""

from __future__ import annotations

import concurrent.futures
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING

from ominix_core.board import StateBoard
from ominix_core.downloads import store, verification
from ominix_core.downloads.download import Download, QueueItem, Stage
from ominix_core.downloads.library import Library
from ominix_core.downloads.locks import exclusive
from ominix_core.downloads.store import ModelFolder
from ominix_core.downloads.tickets import Tickets
from ominix_core.downloads.verification import Verification
from ominix_core.downloads.watcher import Watcher
from ominix_core.errors import Cancelled, DownloadError, OminixError
from ominix_core.paths import Home
from ominix_core.registry.entry import RegistryEntry
from ominix_core.settings import Settings
from ominix_core.states import Downloaded, Downloading, Error, Paused

if TYPE_CHECKING:
    from ominix_core.downloads.job import Converter, Options

logger = logging.getLogger(__name__)

REMOVE_SECONDS = 10.0


class DownloadManager:
    """Thread-safe. Sets the states from NotDownloaded to Downloaded.

    Args:
        convert: Called on a download's thread for models that come in another format.

    Attributes:
        library: What is on this machine.
    """

    def __init__(
        self, home: Home, board: StateBoard, settings: Settings, convert: Converter, options: Options | None = None
    ) -> None:
        self._home = home
        self._board = board
        self._at_once = settings.simultaneous_downloads
        self._convert = convert
        self._options = options
        self._tickets = Tickets(home.downloads)
        self.library = Library(home, self._tickets)
        self._lock = threading.RLock()
        self._downloads: dict[str, Download] = {}
        self._threads: set[threading.Thread] = set()
        self._closed = threading.Event()
        self._watcher = Watcher(self._tickets, self.library, board)
        self._watcher.start()

    def queue(self) -> tuple[QueueItem, ...]:
        """The downloads that were asked for in this program and have not ended, in their order."""
        with self._lock:
            downloads = list(self._downloads.values())
        return tuple(QueueItem(each.entry.id, each.stage, self._board.get(each.entry.id)) for each in downloads)

    # -- start, pause, cancel -----------------------------------------------------------------------------------

    def start(self, entry: RegistryEntry) -> Future[None]:
        """Fetch a model, or go on with it if it is paused; a second call joins the first.

        The future ends when the download does: a pause leaves it open. It raises OminixError (DownloadError,
        AddressError, or Cancelled).
        """
        if entry.id not in self._downloads and isinstance(self.library.state_of(entry), Downloaded):
            done: Future[None] = Future()
            done.set_result(None)
            return done
        return self._ask(entry, recheck=False)

    def repair(self, entry: RegistryEntry) -> Future[None]:
        """Check every file of a model and fetch again what is missing or damaged. The future is as of `start`."""
        return self._ask(entry, recheck=True)

    def resume_queue(self, find: Callable[[str], RegistryEntry | None]) -> None:
        """Start what was running or waiting when the last program that shares this home ended."""
        for ticket in self._tickets.all():
            if not ticket.is_paused and not ticket.is_running and (entry := find(ticket.model_id)):
                self.start(entry)

    def pause(self, model_id: str) -> None:
        """Stop a download within moments, keeping its place and its bytes."""
        with self._lock:
            download = self._downloads.get(model_id)
            if download is None or download.stage is Stage.PAUSED:
                return
            if download.stage is Stage.RUNNING:
                download.stop(Stage.PAUSED)
            else:
                self._rest(download, Stage.PAUSED)

    def cancel(self, model_id: str, discard: bool = False) -> None:
        """Take a download out of the queue, stopping it within moments; does nothing if there is none.

        Args:
            discard: Also delete the bytes that have arrived.
        """
        with self._lock:
            download = self._downloads.get(model_id)
            if download is None:
                return
            download.discard = discard
            if download.stage is Stage.RUNNING:
                download.stop(None)
                return
            del self._downloads[model_id]
        self._end(download, Cancelled("The download was cancelled."))

    def move(self, model_id: str, step: int) -> None:
        """Let a download change places with the one before it (`step` -1) or after it (1), if there is one."""
        with self._lock:
            order = list(self._downloads)
            if model_id not in order:
                return
            place = order.index(model_id)
            other_place = place + step
            if not 0 <= other_place < len(order):
                return
            other_id = order[other_place]
            order[place], order[other_place] = other_id, model_id
            self._downloads = {each: self._downloads[each] for each in order}
            self._tickets.swap(model_id, other_id)

    def close(self) -> None:
        """Stop every download and wait for its thread. What was on its way stays in the queue on disk."""
        self._closed.set()
        self._watcher.stop()
        with self._lock:
            for download in self._downloads.values():
                if download.stage is Stage.RUNNING:
                    download.stop(download.wish if download.stopped.is_set() else Stage.WAITING)
            threads = list(self._threads)
        for thread in threads:
            thread.join()
        for download in self._downloads.values():
            download.future.set_exception(Cancelled("Ominix was closed; the download goes on next time."))
        self._downloads.clear()

    # -- finished models ----------------------------------------------------------------------------------------

    def verify(self, entry: RegistryEntry, report: Callable[[Downloading], None] = lambda _: None) -> Verification:
        """Compare every file with the checksum that its source declared; takes as long as reading them does.

        Raises:
            DownloadError: If nothing is known to compare with.
            Cancelled: When the manager is closed meanwhile.
        """
        folder = ModelFolder(self._home.model(entry.id))
        manifest = folder.manifest()
        if manifest is None:
            raise DownloadError(f"{entry.name} was not downloaded by Ominix, so there is nothing to compare it with.")
        return verification.verify(folder.path, manifest, report, self._closed)

    def remove(self, entry: RegistryEntry) -> int:
        """Delete a model under `OMINIX_HOME/models` and return the bytes that the disk got back.

        Raises:
            DownloadError: If the model lies elsewhere, or another program is downloading it.
        """
        with self._lock:
            download = self._downloads.get(entry.id)
        if download is not None:
            self.cancel(entry.id)
            concurrent.futures.wait([download.future], REMOVE_SECONDS)
        with exclusive(self._home, entry.id):
            freed = self.library.remove(entry)
        self._tickets.end(entry.id)
        self._board.set(entry.id, self.library.state_of(entry))
        return freed

    # -- the queue ----------------------------------------------------------------------------------------------

    def _ask(self, entry: RegistryEntry, *, recheck: bool) -> Future[None]:
        with self._lock:
            if self._closed.is_set():
                raise DownloadError("Ominix is closing; nothing new is downloaded.")
            download = self._downloads.get(entry.id)
            if download is None:
                download = self._downloads[entry.id] = Download(entry, recheck)
            elif download.stage is Stage.RUNNING and download.stopped.is_set():
                download.wish = Stage.WAITING  # it was just told to pause: go on when it has
                return download.future
            elif download.stage is not Stage.PAUSED:
                return download.future
            download.stage = Stage.WAITING
            self._tickets.ask(entry.id)
            before = self.library.unfinished_state(entry.id)
            done, total = (
                (before.done_bytes, before.total_bytes) if isinstance(before, Paused) else (0, entry.size_bytes or 0)
            )
            note = "" if self._room() else "waiting for another download"
            self._board.set(entry.id, Downloading(done, total, note=note))
            self._dispatch()
            return download.future

    def _room(self) -> int:
        """How many downloads may be started."""
        running = sum(each.stage is Stage.RUNNING for each in self._downloads.values())
        return 0 if self._closed.is_set() else max(0, self._at_once - running)

    def _dispatch(self) -> None:
        """Start the longest waiting downloads, as many as there is room for."""
        with self._lock:
            waiting = [each for each in self._downloads.values() if each.stage is Stage.WAITING]
            for download in waiting[: self._room()]:
                download.begin()
                thread = threading.Thread(target=self._run, args=(download,), name=f"download {download.entry.id}")
                self._threads.add(thread)
                thread.start()

    def _run(self, download: Download) -> None:
        outcome: OminixError | None = None
        try:
            with exclusive(self._home, download.entry.id, download.stopped), self._watcher.ignoring(download.entry.id):
                self._run_job(download)
        except OminixError as error:
            outcome = error
        except Exception as error:
            logger.exception("downloading %s failed", download.entry.id)
            outcome = DownloadError(f"{download.entry.name} could not be downloaded: {error}")
        with self._lock:
            download.job = None
            rests = isinstance(outcome, Cancelled) and download.wish is not None
            if rests:
                self._rest(download, download.wish or Stage.PAUSED)
        if not rests:
            self._end(download, outcome)
        self._dispatch()
        with self._lock:
            self._threads.discard(threading.current_thread())

    def _run_job(self, download: Download) -> None:
        from ominix_core.downloads.job import Job, Options

        entry = download.entry
        if not download.recheck and isinstance(self.library.state_of(entry), Downloaded):
            return  # another program has finished it meanwhile

        def report(state: Downloading) -> None:
            download.progress = state
            self._tickets.report(entry.id, state)
            self._board.set(entry.id, state)

        options = self._options or Options()
        job = Job(entry, self._home, self._convert, report, lambda: self._promised(download), options)
        with self._lock:
            download.job = job
            if download.stopped.is_set():
                job.stop()
        job.run(recheck=download.recheck)

    def _rest(self, download: Download, stage: Stage) -> None:
        """Keep a download that has stopped, to go on with later."""
        model_id = download.entry.id
        download.stage = stage
        if stage is Stage.PAUSED:
            self._tickets.pause(model_id)
        else:
            self._tickets.rest(model_id)
        self._board.set(model_id, self.library.state_of(download.entry))

    def _end(self, download: Download, outcome: OminixError | None) -> None:
        model_id = download.entry.id
        if download.discard:
            try:
                with exclusive(self._home, model_id):
                    store.remove(self._home.models, model_id)
            except (DownloadError, OSError):  # it is another program's, or the disk refuses: the bytes stay
                logger.warning("what has arrived of %s was not discarded", model_id, exc_info=True)
        with self._lock:
            self._downloads.pop(model_id, None)
            self._tickets.end(model_id)
        failed = outcome is not None and not isinstance(outcome, Cancelled)
        self._board.set(model_id, Error(str(outcome)) if failed else self.library.state_of(download.entry))
        if outcome is None:
            download.future.set_result(None)
        else:
            download.future.set_exception(outcome)

    def _promised(self, asking: Download) -> int:
        """Bytes that the other running downloads still have to write."""
        with self._lock:
            others = [each for each in self._downloads.values() if each is not asking and each.stage is Stage.RUNNING]
            return sum(max(0, each.progress.total_bytes - each.progress.done_bytes) for each in others)
