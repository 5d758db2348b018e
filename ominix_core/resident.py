"""A model that is in memory or on its way there, with the requests that it is answering."""

from __future__ import annotations

import math
import threading
import time
import uuid
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from ominix_core.engines.base import LoadOptions
from ominix_core.errors import Cancelled, LoadError
from ominix_core.generation import Failed, Finished, Request
from ominix_core.registry.entry import RegistryEntry
from ominix_core.stream import Generation
from ominix_core.workers.host import Worker
from ominix_core.workers.protocol import Cancel, Done, Heartbeat, Output, Submit

# A worker beats once a second and splits its work into short steps: beyond these it is not to be counted on. It may
# still come back; housekeeping ends it much later.
OVERDUE_SECONDS = 5.0
STUCK_SECONDS = 30.0


@dataclass(eq=False)
class Resident:
    """Thread-safe: its worker's thread delivers what other threads have asked for.

    Attributes:
        loaded: Ends when the worker has loaded the model, with LoadError or Cancelled if it has not.
        last_used: When the last request began or ended, by the monotonic clock.
        last_beat: When the worker last gave a sign of life.
        revived_at: When it was loaded again because its worker had hung or died.
    """

    entry: RegistryEntry
    folder: Path
    options: LoadOptions
    pinned: bool = False
    worker: Worker | None = None
    memory_bytes: int = 0
    revived_at: float = -math.inf
    step_seconds: float = 0.0
    loaded: Future[Done] = field(default_factory=Future)
    last_used: float = field(default_factory=time.monotonic)
    last_beat: float = field(default_factory=time.monotonic)
    _generations: dict[str, Generation] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_loaded(self) -> bool:
        return self.loaded.done() and self.loaded.exception() is None

    @property
    def cancelled(self) -> bool:
        return self.loaded.done() and self.loaded.exception() is not None

    @property
    def busy(self) -> bool:
        return bool(self._generations)

    @property
    def stalled(self) -> bool:
        """Whether its worker is overdue with a sign of life, or stuck in one step."""
        return time.monotonic() - self.last_beat > OVERDUE_SECONDS or self.step_seconds > STUCK_SECONDS

    def give_room(self, room: int | None) -> None:
        """Set how many bytes its KV caches may take."""
        self.options = msgspec.structs.replace(self.options, room=room)

    # -- the load -----------------------------------------------------------------------------------------------

    def cancel(self, reason: str) -> bool:
        """Cancel the load; False if it has ended."""
        return self._settle(Cancelled(reason))

    def fail_load(self, message: str) -> bool:
        """End the load with an error; False if it has ended."""
        return self._settle(LoadError(message))

    def finish_load(self, done: Done) -> None:
        self._settle(done)

    def _settle(self, outcome: Done | Exception) -> bool:
        try:
            if isinstance(outcome, Exception):
                self.loaded.set_exception(outcome)
            else:
                self.loaded.set_result(outcome)
        except InvalidStateError:
            return False
        return True

    def heartbeat(self, beat: Heartbeat) -> None:
        self.last_beat = time.monotonic()
        self.step_seconds = beat.step_seconds
        self.memory_bytes = beat.memory_bytes or self.memory_bytes

    # -- requests -----------------------------------------------------------------------------------------------

    def submit(self, request: Request) -> Generation:
        """Hand a request to the worker."""
        worker = self.worker
        assert worker is not None
        generation = Generation(uuid.uuid4().hex, lambda request_id: worker.send(Cancel(request_id)))
        with self._lock:
            self._generations[generation.request_id] = generation
        self.last_used = time.monotonic()
        worker.send(Submit(generation.request_id, request))
        return generation

    def deliver(self, output: Output) -> None:
        """Pass an event on to whoever asked."""
        with self._lock:
            if isinstance(output.event, Finished | Failed):
                self.last_used = time.monotonic()
                generation = self._generations.pop(output.request_id, None)
            else:
                generation = self._generations.get(output.request_id)
        if generation is not None:
            generation.put(output.event)

    def fail_requests(self, message: str) -> None:
        """End every running request with an error."""
        with self._lock:
            generations = list(self._generations.values())
            self._generations.clear()
        for generation in generations:
            generation.put(Failed(message, "worker_gone"))
