"""The state of every model, and the events that tell of its changes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from ominix_core.events import HubEvent, ModelStateChanged
from ominix_core.states import ModelState, NotDownloaded

logger = logging.getLogger(__name__)

Subscriber = Callable[[HubEvent], None]


class StateBoard:
    """Thread-safe: any thread may set a state; subscribers are called on the thread that set it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._states: dict[str, ModelState] = {}
        self._subscribers: list[Subscriber] = []

    def get(self, model_id: str) -> ModelState:
        with self._lock:
            return self._states.get(model_id, NotDownloaded())

    def all_in(self, *kinds: type[ModelState]) -> list[str]:
        """Ids of the models that are in a state of one of these kinds."""
        with self._lock:
            return [model_id for model_id, state in self._states.items() if isinstance(state, kinds)]

    def set(self, model_id: str, state: ModelState) -> None:
        with self._lock:
            if self._states.get(model_id) == state:
                return
            self._states[model_id] = state
        self.publish(ModelStateChanged(model_id, state))

    def replace(self, model_id: str, before: ModelState, state: ModelState) -> None:
        """Set a state that was found out while the model was in `before`, unless it has left that meanwhile."""
        with self._lock:
            if self._states.get(model_id, before) != before:
                return
            if self._states.get(model_id) == state:
                return
            self._states[model_id] = state
        self.publish(ModelStateChanged(model_id, state))

    def publish(self, event: HubEvent) -> None:
        with self._lock:
            subscribers = tuple(self._subscribers)
        for subscriber in subscribers:
            try:
                subscriber(event)
            except Exception:  # one bad subscriber must not cost the others their event
                logger.exception("a subscriber failed on %r", event)

    def subscribe(self, subscriber: Subscriber, *, replay: bool = False) -> Callable[[], None]:
        """Call `subscriber` with every event from now on; returns the function that ends it.

        Args:
            replay: First tell the states that were set before, so that a late subscriber has missed nothing.
        """
        with self._lock:
            self._subscribers.append(subscriber)
            before = list(self._states.items()) if replay else []
        for model_id, state in before:
            subscriber(ModelStateChanged(model_id, state))

        def unsubscribe() -> None:
            with self._lock:
                if subscriber in self._subscribers:
                    self._subscribers.remove(subscriber)

        return unsubscribe
