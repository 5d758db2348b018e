"""A worker that has done its imports and waits for a model, so that a load starts at once."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from ominix_core.workers.host import ProcessWorker, Worker, start_worker
from ominix_core.workers.protocol import Prepare

logger = logging.getLogger(__name__)


class Spare:
    """Keeps at most one warm worker. Thread-safe.

    A thread shares its imports with this process, so there is nothing to keep warm for thread isolation.
    """

    def __init__(self, isolation: str, log: Path, *, wanted: bool) -> None:
        self._isolation = isolation
        self._log = log
        self._allowed = wanted and isolation == "process"
        self._keeping = False
        self._lock = threading.Lock()
        self._worker: ProcessWorker | None = None

    def keep(self) -> None:
        """Have a warm worker ready from now on; returns at once."""
        self._keeping = self._allowed
        self.refill()

    def refill(self) -> None:
        """Start the next worker, if one is to be kept and none is waiting."""
        with self._lock:
            if self._keeping and self._worker is None:
                try:
                    self._worker = ProcessWorker(self._log)
                except OSError:  # the next load starts one itself, and tells why it cannot
                    logger.warning("no worker could be kept ready", exc_info=True)
                else:
                    self._worker.send(Prepare())

    def take(self) -> Worker:
        """The waiting worker, or a fresh one."""
        with self._lock:
            worker, self._worker = self._worker, None
        if worker is not None:
            if worker.alive:
                return worker
            worker.close()
        return start_worker(self._isolation, self._log)

    def close(self) -> None:
        with self._lock:
            worker, self._worker = self._worker, None
            self._keeping = False
        if worker is not None:
            worker.close()
