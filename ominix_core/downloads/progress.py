"""How fast a download goes, and when it is time to say so."""

from __future__ import annotations

import math
import time

SHORTEST_INTERVAL = 0.1
SMOOTHING_SECONDS = 3.0
QUIET_SECONDS = 1.0


class Meter:
    """Smooths the speed and keeps reports at least 0.1 s apart. For one thread."""

    def __init__(self) -> None:
        self._reported = 0.0
        self._measured = time.monotonic()
        self._moved = self._measured
        self._bytes: int | None = None
        self.speed = 0.0

    def due(self) -> bool:
        now = time.monotonic()
        if now - self._reported < SHORTEST_INTERVAL:
            return False
        self._reported = now
        return True

    def measure(self, done_bytes: int) -> None:
        now = time.monotonic()
        if self._bytes is not None and (elapsed := now - self._measured) > 0:
            gained = max(0, done_bytes - self._bytes)
            weight = 1 - math.exp(-elapsed / SMOOTHING_SECONDS)
            self.speed = gained / elapsed if self.speed == 0 else self.speed + weight * (gained / elapsed - self.speed)
            if gained:
                self._moved = now
        self._bytes, self._measured = done_bytes, now

    @property
    def is_quiet(self) -> bool:
        """Whether nothing has arrived for a second, so that the reason is worth showing."""
        return time.monotonic() - self._moved > QUIET_SECONDS
