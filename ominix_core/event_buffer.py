"""Hub events on their way to a reader that is slower than they come."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ominix_core.events import ConnectionChanged, HubEvent, RegistryChanged


class EventBuffer:
    """Collects Hub events on any thread until they are taken.

    Progress comes faster than anybody needs it, so that only the newest event of each model and kind is kept, and
    `notify` is called once for all that arrives until the next `take`.
    """

    def __init__(self, notify: Callable[[], object]) -> None:
        self._notify = notify
        self._lock = threading.Lock()
        self._waiting: dict[object, HubEvent] = {}

    def put(self, event: HubEvent) -> None:
        """Add an event; a subscriber for `Hub.subscribe`."""
        with self._lock:
            first = not self._waiting
            key = _key(event)
            self._waiting.pop(key, None)
            self._waiting[key] = event
        if first:
            self._notify()

    def take(self) -> list[HubEvent]:
        """Every event since the last call, oldest first."""
        with self._lock:
            events = list(self._waiting.values())
            self._waiting.clear()
        return events


def _key(event: HubEvent) -> object:
    """Of events with equal keys only the newest counts."""
    match event:
        case RegistryChanged():
            return event
        case ConnectionChanged():
            return type(event)
    return type(event), event.model_id
