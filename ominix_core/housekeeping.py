"""What goes on while models are loaded: idle ones leave, hung workers end, memory pressure is answered in time."""

from __future__ import annotations

import logging
import threading
import time

from ominix_core.guard import MemoryGuard
from ominix_core.resident import Resident
from ominix_core.runtime import Runtime
from ominix_core.settings import Settings

logger = logging.getLogger(__name__)

ROUND_SECONDS = 1.0
# A worker beats once a second; so long without a beat it does not even run any more.
SILENCE_SECONDS = 20.0
# Shares of the machine's memory that are still available when caches are dropped, and when idle models leave.
SOFT_SHARE = 0.08
HARD_SHARE = 0.04


class Housekeeper:
    """Looks after the runtime once a second, on a thread of its own, from `start` to `close`.

    Attributes:
        settings: Another object takes its place when `config.toml` changes.
    """

    def __init__(self, runtime: Runtime, guard: MemoryGuard, settings: Settings) -> None:
        self._runtime = runtime
        self._guard = guard
        self.settings = settings
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, unless it has."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)
            self._thread.start()

    def close(self) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(ROUND_SECONDS):
            try:
                self.look()
            except Exception:  # a bad round must not end the watch
                logger.exception("housekeeping failed")

    def look(self) -> None:
        """One round."""
        now = time.monotonic()
        loaded = [resident for resident in self._runtime.residents if resident.is_loaded]
        for resident in loaded:
            if reason := self._hangs(resident, now):
                self._runtime.give_up(resident, reason)
            elif self.settings.idle_minutes and self._idle_for(resident, now) > 60 * self.settings.idle_minutes:
                logger.info("unloading %s after %.0f idle minutes", resident.entry.id, self.settings.idle_minutes)
                self._runtime.unload(resident.entry.id)
        if self.settings.guard != "off":
            self._answer_pressure(loaded, now)

    def _hangs(self, resident: Resident, now: float) -> str:
        if now - resident.last_beat > SILENCE_SECONDS:
            return f"Its worker has been silent for {now - resident.last_beat:.0f} s."
        if resident.step_seconds > self.settings.hang_seconds:
            return f"Its worker has been stuck in one step for {resident.step_seconds:.0f} s."
        return ""

    def _idle_for(self, resident: Resident, now: float) -> float:
        """Seconds since the model was last used; 0 for one that is busy or pinned."""
        return 0.0 if resident.busy or resident.pinned else now - resident.last_used

    def _answer_pressure(self, loaded: list[Resident], now: float) -> None:
        machine = self._guard.read_machine()
        was_short = self._runtime.refusing
        self._runtime.refusing = bool(loaded) and machine.available < SOFT_SHARE * machine.total
        if self._runtime.refusing:
            if not was_short:
                logger.warning("memory is short (%.1f GB available); dropping caches", machine.available / 1e9)
            self._runtime.trim()
        if machine.available < HARD_SHARE * machine.total:
            idle = [resident for resident in loaded if self._idle_for(resident, now) > 0]
            if idle:
                longest = max(idle, key=lambda resident: self._idle_for(resident, now))
                logger.warning("memory is very short; unloading %s", longest.entry.id)
                self._runtime.unload(longest.entry.id)
