"""What engines have in common whose requests wait in a queue rather than share a batch."""

from __future__ import annotations

import gc
from collections import deque
from typing import Generic, Protocol, TypeVar


class Running(Protocol):
    """A request in work."""

    request_id: str


R = TypeVar("R", bound=Running)


class QueuedEngine(Generic[R]):
    """The requests of an engine: the first of the queue is worked on, `step` tells of those that were cancelled."""

    def __init__(self) -> None:
        self._queue: deque[R] = deque()
        self._cancelled: list[R] = []

    @property
    def busy(self) -> bool:
        return bool(self._queue or self._cancelled)

    @property
    def running(self) -> int:
        return len(self._queue)

    def cancel(self, request_id: str) -> None:
        for running in [running for running in self._queue if running.request_id == request_id]:
            self._leave(running)
            self._cancelled.append(running)

    def _leave(self, running: R) -> None:
        self._let_go(running)
        self._queue.remove(running)

    def _let_go(self, running: R) -> None:
        """Let go of what a request holds beside memory."""

    def trim(self) -> None:
        """Give back memory that only saves time."""
        import mlx.core as mx

        mx.clear_cache()

    def close(self) -> None:
        """Free the model."""
        for running in self._queue:
            self._let_go(running)
        self.__dict__.clear()
        gc.collect()
        import mlx.core as mx

        mx.clear_cache()
