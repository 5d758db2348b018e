"""The loaded models: one worker each, one model per category, requests routed to where their model lives."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import uuid
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from ominix_core.board import StateBoard
from ominix_core.errors import Cancelled, LoadError, NotReadyError
from ominix_core.generation import Failed, Finished, TextRequest
from ominix_core.paths import Home
from ominix_core.registry.entry import RegistryEntry
from ominix_core.settings import Settings
from ominix_core.states import Downloaded, Error, Loaded, Loading, ModelState
from ominix_core.stream import Generation
from ominix_core.workers.host import Worker, start_worker
from ominix_core.workers.protocol import Cancel, Done, Load, Output, Progress, Refused, Report, Submit

logger = logging.getLogger(__name__)

DOWNLOADED = Downloaded()


@dataclass
class _Resident:
    """A model that is in memory or on its way there, with the requests that it is answering."""

    entry: RegistryEntry
    folder: Path
    loaded: Future[Done] = field(default_factory=Future)
    worker: Worker | None = None
    generations: dict[str, Generation] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Runtime:
    """Thread-safe. Owns the workers and sets the states from Loading on."""

    def __init__(self, home: Home, board: StateBoard, settings: Settings) -> None:
        self._home = home
        self._board = board
        self._settings = settings
        self._lock = threading.Lock()
        self._residents: dict[str, _Resident] = {}
        self._loads: dict[str, Future[None]] = {}
        self._swaps: dict[str, threading.Lock] = {}
        self._closed = False
        self._executor = ThreadPoolExecutor(thread_name_prefix="load")

    # -- load and unload ----------------------------------------------------------------------------------------

    def load(self, entry: RegistryEntry, folder: Path) -> Future[None]:
        """Start loading; a second call joins the first. See Hub.load for what the future raises."""
        with self._lock:
            running = self._loads.get(entry.id)
            if running is not None and not running.done():
                return running
            if entry.id in self._residents:
                already: Future[None] = Future()
                already.set_result(None)
                return already
            resident = self._register(entry, folder)
            swap = self._swaps.setdefault(entry.category, threading.Lock())
            future = self._executor.submit(self._swap_in, resident, swap)
            self._loads[entry.id] = future
        self._board.set(entry.id, Loading())
        return future

    def _register(self, entry: RegistryEntry, folder: Path) -> _Resident:
        if self._closed:
            raise Cancelled(f"Loading {entry.name} was cancelled.")
        resident = self._residents[entry.id] = _Resident(entry, folder)
        return resident

    def _swap_in(self, resident: _Resident, swap: threading.Lock) -> None:
        with swap:
            cancelled_while_it_waited = resident.loaded.done()
            previous = [] if cancelled_while_it_waited else self._others(resident.entry)
            for other in previous:
                self._end(other)
            try:
                self._bring_in(resident)
            except LoadError:
                for other in previous:
                    self._bring_back(other)
                raise

    def _bring_back(self, former: _Resident) -> None:
        logger.info("bringing %s back", former.entry.id)
        # Its own state tells if this fails too; the first failure is the one that the caller must see.
        with contextlib.suppress(LoadError, Cancelled):
            with self._lock:
                resident = self._register(former.entry, former.folder)
            self._bring_in(resident)

    def _bring_in(self, resident: _Resident) -> None:
        entry = resident.entry
        started = time.monotonic()
        try:
            if not resident.loaded.done():
                self._start(resident)
            done = resident.loaded.result()
        except Cancelled:
            self._end(resident)
            raise
        except LoadError as error:
            self._end(resident, Error(str(error)))
            raise
        self._board.set(entry.id, Loaded(done.memory_bytes, time.monotonic() - started))

    def _start(self, resident: _Resident) -> None:
        entry = resident.entry
        self._board.set(entry.id, Loading())
        resident.worker = start_worker(
            self._settings.isolation,
            self._home.logs / f"worker-{entry.id}.log",
            lambda report: self._on_report(resident, report),
            lambda reason: self._on_death(resident, reason),
        )
        resident.worker.send(Load(entry.runtime.engine, str(resident.folder)))

    def unload(self, model_id: str) -> None:
        """End the model's worker; a load that is under way ends with Cancelled."""
        with self._lock:
            resident = self._residents.get(model_id)
        if resident is None:
            return
        if not resident.loaded.done():
            _settle(resident.loaded, Cancelled(f"Loading {resident.entry.name} was cancelled."))
            return
        self._end(resident)

    def close(self) -> None:
        """End every worker."""
        with self._lock:
            self._closed = True
            model_ids = list(self._residents)
        for model_id in model_ids:
            self.unload(model_id)
        self._executor.shutdown(wait=True)

    def _others(self, entry: RegistryEntry) -> list[_Resident]:
        with self._lock:
            return [
                resident
                for resident in self._residents.values()
                if resident.entry.category == entry.category and resident.loaded.done() and resident.worker is not None
            ]

    def _end(self, resident: _Resident, state: ModelState = DOWNLOADED) -> None:
        with self._lock:
            if self._residents.get(resident.entry.id) is resident:
                del self._residents[resident.entry.id]
        if resident.worker is not None:
            resident.worker.close()
        self._fail_requests(resident, f"{resident.entry.name} was unloaded before it could finish.")
        self._board.set(resident.entry.id, state)

    # -- what workers tell --------------------------------------------------------------------------------------

    def _on_report(self, resident: _Resident, report: Report) -> None:
        match report:
            case Progress():
                progress = report.done_bytes / report.total_bytes if report.total_bytes else 0.0
                if not resident.loaded.done():
                    self._board.set(resident.entry.id, Loading(progress, report.stage))
            case Done():
                _settle(resident.loaded, report)
            case Refused():
                _settle(resident.loaded, LoadError(report.message))
            case Output():
                self._deliver(resident, report)

    def _deliver(self, resident: _Resident, output: Output) -> None:
        with resident.lock:
            if isinstance(output.event, Finished | Failed):
                generation = resident.generations.pop(output.request_id, None)
            else:
                generation = resident.generations.get(output.request_id)
        if generation is not None:
            generation.put(output.event)

    def _on_death(self, resident: _Resident, reason: str) -> None:
        logger.error("worker of %s: %s", resident.entry.id, reason)
        message = f"{resident.entry.name} stopped: {reason} Load it again to go on."
        with self._lock:
            if self._residents.get(resident.entry.id) is resident:
                del self._residents[resident.entry.id]
        if not _settle(resident.loaded, LoadError(message)):
            self._board.set(resident.entry.id, Error(message))
            if resident.worker is not None:
                resident.worker.close()
        self._fail_requests(resident, message)

    def _fail_requests(self, resident: _Resident, message: str) -> None:
        with resident.lock:
            generations = list(resident.generations.values())
            resident.generations.clear()
        for generation in generations:
            generation.put(Failed(message, "worker_gone"))

    # -- requests -----------------------------------------------------------------------------------------------

    def submit(self, entry: RegistryEntry, request: TextRequest) -> Generation:
        """Send a request to the model's worker. Raises NotReadyError if the model is not loaded."""
        with self._lock:
            resident = self._residents.get(entry.id)
        if resident is None or resident.worker is None or not resident.loaded.done():
            raise NotReadyError(f"{entry.name} is not loaded. Load it first.")
        worker = resident.worker
        generation = Generation(uuid.uuid4().hex, lambda request_id: worker.send(Cancel(request_id)))
        with resident.lock:
            resident.generations[generation.request_id] = generation
        worker.send(Submit(generation.request_id, request))
        with self._lock:
            gone = self._residents.get(entry.id) is not resident
        if gone:  # it ended between the look-up and the hand-over
            self._fail_requests(resident, f"{entry.name} was unloaded before it could answer.")
        return generation


def _settle(future: Future[Done], outcome: Done | Exception) -> bool:
    """Set the future's outcome unless it has one; tells whether it did."""
    try:
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
    except InvalidStateError:
        return False
    return True
