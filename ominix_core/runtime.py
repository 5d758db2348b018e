"""The loaded models: one worker each, so many per category, requests routed to where their model lives."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from ominix_core.board import StateBoard
from ominix_core.engines.base import LoadOptions
from ominix_core.errors import BusyError, Cancelled, LoadError, NotReadyError
from ominix_core.events import ModelActivity
from ominix_core.generation import Request
from ominix_core.guard import MemoryGuard
from ominix_core.media import Abilities
from ominix_core.paths import Home
from ominix_core.registry.entry import RegistryEntry
from ominix_core.resident import Resident
from ominix_core.room import Room
from ominix_core.settings import Settings
from ominix_core.states import Downloaded, Error, Loaded, Loading, ModelState
from ominix_core.stream import Generation
from ominix_core.workers.protocol import Done, Heartbeat, Load, Output, Progress, Refused, Report, Trim
from ominix_core.workers.spare import Spare

logger = logging.getLogger(__name__)

# How long a worker may take to save its prompt caches when its model is unloaded, and when everything ends.
UNLOAD_PATIENCE = 5.0
CLOSE_PATIENCE = 1.0
# A model that has lost its worker twice within this time is not loaded again by itself.
REVIVAL_SECONDS = 600.0


class Runtime:
    """Thread-safe. Owns the workers and sets the states from Loading on."""

    def __init__(self, home: Home, board: StateBoard, settings: Settings, guard: MemoryGuard) -> None:
        self._home = home
        self._board = board
        self.room = Room(settings, guard, lambda: self.residents)
        self._spare = Spare(settings.isolation, home.logs / "worker-spare.log", wanted=settings.warm_spare)
        self._lock = threading.Lock()
        self._residents: dict[str, Resident] = {}
        self._loads: dict[str, Future[None]] = {}
        self._swaps: dict[str, threading.Lock] = {}
        self._fallen: set[str] = set()
        self._closed = False
        self.refusing = False
        """Whether new requests are refused because memory is short."""
        self.revives = False
        """Whether a model whose worker hangs or dies is loaded again."""
        self._executor = ThreadPoolExecutor(thread_name_prefix="load")

    @property
    def residents(self) -> tuple[Resident, ...]:
        """The models in memory or on their way there."""
        with self._lock:
            return tuple(self._residents.values())

    def stalled(self) -> tuple[str, ...]:
        """Ids of the models that should answer but do not; see Hub.stalled."""
        hung = [resident.entry.id for resident in self.residents if resident.is_loaded and resident.stalled]
        with self._lock:
            return (*hung, *sorted(self._fallen))

    def warm_up(self) -> None:
        """Keep a worker ready for the next load from now on; returns at once."""
        self._spare.keep()

    # -- load and unload ----------------------------------------------------------------------------------------

    def load(self, entry: RegistryEntry, folder: Path, options: LoadOptions, *, force: bool = False) -> Future[None]:
        """Start loading; a second call joins the first. See Hub.load for what the future raises."""
        return self._begin(Resident(entry, folder, options), force)

    def _begin(self, resident: Resident, force: bool = False) -> Future[None]:
        entry = resident.entry
        with self._lock:
            running = self._loads.get(entry.id)
            if running is not None and not running.done():
                return running
            if entry.id in self._residents:
                already: Future[None] = Future()
                already.set_result(None)
                return already
            self._register(resident)
            swap = self._swaps.setdefault(entry.category, threading.Lock())
            told = threading.Event()
            future = self._executor.submit(self._swap_in, resident, swap, force, told)
            self._loads[entry.id] = future
        try:
            self._board.set(entry.id, Loading())
        finally:
            told.set()
        return future

    def _register(self, resident: Resident) -> None:
        if self._closed:
            raise Cancelled(f"Loading {resident.entry.name} was cancelled.")
        self._residents[resident.entry.id] = resident
        self._fallen.discard(resident.entry.id)

    def _swap_in(self, resident: Resident, swap: threading.Lock, force: bool, told: threading.Event) -> None:
        told.wait()  # that it loads: a load that is refused at once would tell its end before
        with swap:
            evicted: list[Resident] = []
            try:
                with _only_load_errors(resident.entry):
                    if not resident.cancelled:
                        evicted = self.room.to_evict(resident.entry)
                        self.room.give(resident, evicted, force=force)
                    for other in evicted:
                        self._end(other)
                    self._bring_in(resident)
            except LoadError as error:
                self._end(resident, Error(str(error)))
                for other in evicted:
                    self._bring_back(other)
                raise
            except Cancelled:
                self._end(resident)
                raise
        self._spare.refill()

    def _bring_back(self, former: Resident) -> None:
        logger.info("bringing %s back", former.entry.id)
        again = Resident(former.entry, former.folder, former.options, pinned=former.pinned)
        # Its own state tells if this fails too; the first failure is the one that the caller must see.
        try:
            with self._lock:
                self._register(again)
            with _only_load_errors(again.entry):
                self._bring_in(again)
        except LoadError as error:
            self._end(again, Error(str(error)))
        except Cancelled:
            self._end(again)

    def _bring_in(self, resident: Resident) -> None:
        started = time.monotonic()
        self._board.set(resident.entry.id, Loading())
        if not resident.cancelled:
            self._start(resident)
        done = resident.loaded.result()
        resident.memory_bytes = done.memory_bytes
        resident.last_used = time.monotonic()
        self._board.set(resident.entry.id, Loaded(done.memory_bytes, time.monotonic() - started))

    def _start(self, resident: Resident) -> None:
        entry = resident.entry
        resident.worker = self._spare.take()
        resident.worker.listen(_ResidentListener(self, resident))
        log = self._home.logs / f"worker-{entry.id}.log"
        resident.worker.send(Load(entry.runtime.engine, str(resident.folder), str(log), resident.options))

    def unload(self, model_id: str) -> None:
        """End the model's worker; a load that is under way ends with Cancelled."""
        with self._lock:
            resident = self._residents.get(model_id)
            self._fallen.discard(model_id)
        if resident is None:
            return
        if not resident.cancel(f"Loading {resident.entry.name} was cancelled."):
            self._end(resident, patience=UNLOAD_PATIENCE)

    def pin(self, model_id: str, pinned: bool) -> None:
        """Keep a loaded model in memory whatever else is loaded or idle, or no longer."""
        with self._lock:
            resident = self._residents.get(model_id)
        if resident is None:
            raise NotReadyError(f"{model_id} is not loaded, so it cannot be pinned.")
        resident.pinned = pinned

    def close(self) -> None:
        """End every worker."""
        with self._lock:
            self._closed = True
            residents = list(self._residents.values())
        self._spare.close()
        for resident in residents:
            if not resident.cancel("Ominix is closing."):
                self._end(resident, patience=CLOSE_PATIENCE)
        self._executor.shutdown(wait=True)

    def _end(self, resident: Resident, state: ModelState = Downloaded(), patience: float = 0.0) -> None:
        with self._lock:
            if self._residents.get(resident.entry.id) is resident:
                del self._residents[resident.entry.id]
        resident.fail_requests(f"{resident.entry.name} was unloaded before it could finish.")
        if resident.worker is not None:
            resident.worker.close(patience)
        with self._lock:
            replaced = resident.entry.id in self._residents
        if not replaced:  # a load that was asked for while the worker ended tells the state itself
            self._board.set(resident.entry.id, state)

    def abilities(self, model_id: str) -> Abilities | None:
        """What a loaded model can do beyond its kind; None if it is not loaded."""
        with self._lock:
            resident = self._residents.get(model_id)
        return resident.loaded.result().abilities if resident is not None and resident.is_loaded else None

    # -- what workers tell --------------------------------------------------------------------------------------

    def on_progress(self, resident: Resident, progress: Progress) -> None:
        share = progress.done_bytes / progress.total_bytes if progress.total_bytes else 0.0
        if not resident.loaded.done():
            self._board.set(resident.entry.id, Loading(share, progress.stage))

    def on_heartbeat(self, resident: Resident, beat: Heartbeat) -> None:
        resident.heartbeat(beat)
        if resident.is_loaded:
            self._board.publish(
                ModelActivity(resident.entry.id, beat.memory_bytes, beat.running, beat.tokens_per_second)
            )

    def give_up(self, resident: Resident, reason: str) -> None:
        """The worker has died or must die; its model is in Error and its requests end."""
        logger.error("worker of %s: %s", resident.entry.id, reason)
        message = f"{resident.entry.name} stopped: {reason} Load it again to go on."
        if resident.fail_load(message):
            return
        resident.fail_requests(message)
        with self._lock:
            self._fallen.add(resident.entry.id)
        self._end(resident, Error(message))
        if self.revives and time.monotonic() - resident.revived_at > REVIVAL_SECONDS:
            self._revive(resident)

    def _revive(self, fallen: Resident) -> None:
        """Load a model again that has lost its worker; what comes of it, its state tells."""
        logger.info("loading %s again", fallen.entry.id)
        again = Resident(fallen.entry, fallen.folder, fallen.options, fallen.pinned, revived_at=time.monotonic())
        with contextlib.suppress(Cancelled):
            self._begin(again)

    def trim(self) -> None:
        """Ask every worker to give back memory that only saves time."""
        for resident in self.residents:
            if resident.worker is not None:
                resident.worker.send(Trim())

    # -- requests -----------------------------------------------------------------------------------------------

    def submit(self, entry: RegistryEntry, request: Request) -> Generation:
        """Send a request to the model's worker. Raises NotReadyError if the model is not loaded."""
        with self._lock:
            resident = self._residents.get(entry.id)
        if resident is None or not resident.is_loaded:
            raise NotReadyError(f"{entry.name} is not loaded. Load it first.")
        if self.refusing:
            raise BusyError("This machine is short of memory. Try again in a moment, or unload a model.")
        generation = resident.submit(request)
        with self._lock:
            gone = self._residents.get(entry.id) is not resident
        if gone:  # it ended between the look-up and the hand-over
            resident.fail_requests(f"{entry.name} was unloaded before it could answer.")
        return generation


@contextlib.contextmanager
def _only_load_errors(entry: RegistryEntry) -> Iterator[None]:
    """Let whatever else a load stumbles over, such as a configuration that makes no sense, become a LoadError."""
    try:
        yield
    except (LoadError, Cancelled):
        raise
    except Exception as error:
        logger.exception("loading %s failed", entry.id)
        reason = str(error).rstrip(".") or type(error).__name__
        raise LoadError(f"{entry.name} could not be loaded: {reason}. The log has the details.") from error


class _ResidentListener:
    """Takes the reports of one resident's worker to where they belong."""

    def __init__(self, runtime: Runtime, resident: Resident) -> None:
        self._runtime = runtime
        self._resident = resident

    def on_report(self, report: Report) -> None:
        match report:
            case Progress():
                self._runtime.on_progress(self._resident, report)
            case Done():
                self._resident.finish_load(report)
            case Refused():
                self._resident.fail_load(report.message)
            case Heartbeat():
                self._runtime.on_heartbeat(self._resident, report)
            case Output():
                self._resident.deliver(report)

    def on_death(self, reason: str) -> None:
        self._runtime.give_up(self._resident, reason)
