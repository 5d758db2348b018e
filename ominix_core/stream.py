"""A running generation: events flow from a worker's reader thread to whoever asked."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator

from ominix_core.generation import Failed, Finished, GenerationEvent


class Generation:
    """The answer to one request, while it is being made.

    Iterate over it (blocking), or call `drain` from a timer or event loop (never blocks); not both.
    """

    def __init__(self, request_id: str, cancel: Callable[[str], None]) -> None:
        self.request_id = request_id
        self._cancel = cancel
        self._events: deque[GenerationEvent] = deque()
        self._arrived = threading.Condition()
        self._on_arrival: Callable[[], None] | None = None
        self._ended = False

    def put(self, event: GenerationEvent) -> None:
        """Hand over the next event; what comes after the last one is dropped."""
        with self._arrived:
            if self._ended:
                return
            self._ended = isinstance(event, Finished | Failed)
            self._events.append(event)
            self._arrived.notify()
            notify = self._on_arrival
        if notify is not None:
            notify()

    def on_arrival(self, notify: Callable[[], None]) -> None:
        """Call `notify` on the producer's thread whenever events arrive, and now if some wait already."""
        with self._arrived:
            self._on_arrival = notify
            waiting = bool(self._events)
        if waiting:
            notify()

    @property
    def ended(self) -> bool:
        """Whether the last event has arrived."""
        return self._ended

    def drain(self) -> list[GenerationEvent]:
        """Take every event that has arrived, without waiting."""
        with self._arrived:
            events = list(self._events)
            self._events.clear()
        return events

    def cancel(self) -> None:
        """Ask the worker to stop; the stream still ends with its last event."""
        self._cancel(self.request_id)

    def __iter__(self) -> Iterator[GenerationEvent]:
        while True:
            with self._arrived:
                while not self._events:
                    if self._ended:
                        return
                    self._arrived.wait()
                event = self._events.popleft()
            yield event
