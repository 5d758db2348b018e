"""What a worker tells about itself once a second, from a thread that inference cannot hold up."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from ominix_core.workers.protocol import Heartbeat

logger = logging.getLogger(__name__)

BEAT_SECONDS = 1.0


class Vitals:
    """Written by the inference thread, read by the beating one; plain values, so no lock is needed."""

    def __init__(self) -> None:
        self.memory_bytes = 0
        self.running = 0
        self.tokens = 0
        self._step_started: float | None = None
        self._ended = threading.Event()

    def __enter__(self) -> Vitals:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()

    def begin_step(self) -> None:
        self._step_started = time.monotonic()

    def rest(self) -> None:
        self._step_started = None

    def beat(self, send: Callable[[Heartbeat], None]) -> None:
        """Send heartbeats on a thread of their own until this ends, or nobody listens."""

        def run() -> None:
            tokens_before = 0
            while not self._ended.wait(BEAT_SECONDS):
                started, tokens = self._step_started, self.tokens
                step_seconds = time.monotonic() - started if started is not None else 0.0
                speed = (tokens - tokens_before) / BEAT_SECONDS
                tokens_before = tokens
                try:
                    send(Heartbeat(self.memory_bytes, self.running, speed, step_seconds))
                except Exception:  # the hub is gone; the inference thread learns of it by itself
                    logger.debug("the heartbeat found nobody", exc_info=True)
                    return

        threading.Thread(target=run, name="heartbeat", daemon=True).start()
