"""The bridge from the Hub's threads to the app: many events, one message."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ominix_core.events import HubEvent, RegistryChanged


class EventBridge:
    """Collects Hub events on any thread; the app takes them on its own.

    Progress comes faster than a screen needs it, so that only the newest event of each model and kind is kept, and
    `notify` is called once for all that arrives until the next `take`.
    """

    def __init__(self, notify: Callable[[], object]) -> None:
        self._notify = notify
        self._lock = threading.Lock()
        self._waiting: dict[object, HubEvent] = {}

    def put(self, event: HubEvent) -> None:
        """Add an event; a subscriber for `Hub.subscribe`."""
        key = event if isinstance(event, RegistryChanged) else (type(event), event.model_id)
        with self._lock:
            first = not self._waiting
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
