"""Garbage is collected while nothing happens: full collections hold up the event loop for 40 to 230 ms."""

from __future__ import annotations

import gc
import time

LOOK_SECONDS = 5.0
RESTING_SHARE = 0.05
"""Of a core; who computes less than this is at rest."""
THRESHOLDS = (1_000, 10, 1_000)
"""Young objects are collected in steps of 5 ms; all of them only where the program never comes to rest."""


class IdleCollector:
    """Call `look` on the event loop every LOOK_SECONDS. What exists from the beginning is never looked at again."""

    def __init__(self) -> None:
        gc.freeze()
        gc.set_threshold(*THRESHOLDS)
        gc.enable()
        self._computed = time.thread_time()

    def look(self) -> None:
        """Collect all garbage if this thread has been at rest, and if there can be any."""
        computed = time.thread_time() - self._computed
        if computed < RESTING_SHARE * LOOK_SECONDS and gc.get_count()[2]:
            gc.collect()
        self._computed = time.thread_time()
