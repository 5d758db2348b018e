"""Shows the downloads of other programs that share this `OMINIX_HOME`."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from ominix_core.board import StateBoard
from ominix_core.downloads.library import Library
from ominix_core.downloads.tickets import Tickets
from ominix_core.states import Loaded, Loading, ModelState

LOOK_SECONDS = 0.5


class Watcher:
    """One thread that looks at the tickets on disk twice a second."""

    def __init__(self, tickets: Tickets, library: Library, board: StateBoard) -> None:
        self._tickets = tickets
        self._library = library
        self._board = board
        self._stopped = threading.Event()
        self._own: set[str] = set()
        self._shown: set[str] = set()
        self._thread = threading.Thread(target=self._watch, name="download-watcher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    @contextlib.contextmanager
    def ignoring(self, model_id: str) -> Iterator[None]:
        """While this program works on the model itself."""
        self._own.add(model_id)
        try:
            yield
        finally:
            self._own.discard(model_id)

    def _watch(self) -> None:
        while not self._stopped.wait(LOOK_SECONDS):
            running = {ticket.model_id: ticket for ticket in self._tickets.all() if ticket.is_running}
            for model_id, ticket in running.items():
                if model_id not in self._own:
                    self._shown.add(model_id)
                    self._show(model_id, ticket.shown())
            for model_id in self._shown - running.keys():
                self._shown.discard(model_id)
                if model_id not in self._own:
                    self._show(model_id, self._library.unfinished_state(model_id))

    def _show(self, model_id: str, state: ModelState) -> None:
        if not isinstance(self._board.get(model_id), Loading | Loaded):  # what is in memory here is not affected
            self._board.set(model_id, state)
