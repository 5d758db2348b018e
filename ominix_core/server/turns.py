"""Whose request a model answers next: its clients take turns."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


def share_of(places: int) -> int:
    """How many of so many places one client may hold: half of them, so that the next client finds one free."""
    return (places + 1) // 2


class Turns(Generic[T]):
    """The places of one model, and what waits for one.

    Args:
        start: Called with each piece of work when it gets its place.
    """

    def __init__(self, start: Callable[[T], None]) -> None:
        self.places = 1
        self._start = start
        self._running: Counter[str] = Counter()
        self._waiting: dict[str, deque[T]] = {}
        self._last_turns: dict[str, int] = {}
        self._turn = 0

    @property
    def waiting(self) -> int:
        """How much work has no place yet."""
        return sum(map(len, self._waiting.values()))

    def join(self, client: str, work: T) -> None:
        """Start `work` when it is this client's turn, which may be now."""
        self._waiting.setdefault(client, deque()).append(work)
        self._fill()

    def give_up(self, client: str, work: T) -> bool:
        """Take `work` out of the queue; False if it is not waiting there."""
        queue = self._waiting.get(client, deque())
        if work not in queue:
            return False
        queue.remove(work)
        self._tidy(client)
        return True

    def leave(self, client: str) -> None:
        """Work of this client is over, and its place free."""
        self._running[client] -= 1
        self._tidy(client)
        self._fill()

    def _fill(self) -> None:
        while self._running.total() < self.places and (client := self._next_client()) is not None:
            work = self._waiting[client].popleft()
            self._turn += 1
            self._last_turns[client] = self._turn
            self._running[client] += 1
            self._tidy(client)
            self._start(work)

    def _next_client(self) -> str | None:
        """Whose last turn is the longest ago, of those that hold less than their share."""
        share = share_of(self.places)
        ready = (client for client in self._waiting if self._running[client] < share)
        return min(ready, key=lambda client: self._last_turns.get(client, 0), default=None)

    def _tidy(self, client: str) -> None:
        """Forget of a client what has become nothing."""
        if not self._waiting.get(client, True):
            del self._waiting[client]
        if not self._running[client]:
            del self._running[client]
            if client not in self._waiting:
                self._last_turns.pop(client, None)
