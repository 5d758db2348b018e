"""What a server was last heard to say, for those who cannot wait for it to say it again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from ominix_core import wire
from ominix_core.board import StateBoard
from ominix_core.downloads.download import QueueItem
from ominix_core.events import RegistryChanged
from ominix_core.media import Abilities
from ominix_core.registry.catalogue import Registry
from ominix_core.registry.update import difference
from ominix_core.system import System

CATCH_UP_SECONDS = 2.0


class Mirror:
    """Read it on any thread; only the connection's loop writes to it.

    Attributes:
        registry: The server's.
        board: The states of its models, and this program's subscribers.
        system: Its machine's memory and disk; there once the first snapshot is.
    """

    system: System

    def __init__(self) -> None:
        self.registry = Registry([])
        self.board = StateBoard()
        self._reports: dict[str, wire.ModelReport] = {}
        self._queue: tuple[wire.Place, ...] = ()
        self._moved = asyncio.Event()

    def downloaded(self, model_id: str) -> bool:
        report = self._reports.get(model_id)
        return report is not None and report.downloaded

    def abilities(self, model_id: str) -> Abilities | None:
        report = self._reports.get(model_id)
        return report.abilities if report is not None else None

    def queue(self) -> tuple[QueueItem, ...]:
        return tuple(QueueItem(place.model, place.stage, self.board.get(place.model)) for place in self._queue)

    def in_queue(self, model_id: str) -> wire.Place | None:
        return next((place for place in self._queue if place.model == model_id), None)

    # -- on the connection's loop ---------------------------------------------------------------------------------

    def take(self, frame: wire.Frame) -> None:
        """Be as the frame says, and tell subscribers. Raises msgspec.ValidationError for a state of another version."""
        match frame:
            case wire.Snapshot():
                self.system, self._queue = frame.system, frame.queue
                for model_id, report in frame.models.items():
                    self._set(model_id, report)
            case wire.ModelFrame():
                self._set(frame.model, frame.report)
            case wire.QueueFrame():
                self._queue = frame.queue
            case wire.SystemFrame():
                self.system = frame.system
            case wire.ActivityFrame():
                self.board.publish(frame.activity)
            case wire.RegistryFrame() if frame.change.problems:  # what has changed is told with the registry itself
                self.board.publish(RegistryChanged(problems=frame.change.problems))
        self._moved.set()
        self._moved = asyncio.Event()

    def use_registry(self, registry: Registry) -> None:
        """Take what the server has now for the registry, and tell subscribers what is new."""
        change = difference(self.registry, registry)
        self.registry = registry
        if change != RegistryChanged():
            self.board.publish(change)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for the news of something that has just been done; not for long, as it may be undone already."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CATCH_UP_SECONDS):
                while not holds():
                    await self._moved.wait()

    def _set(self, model_id: str, report: wire.ModelReport) -> None:
        state = report.state
        self._reports[model_id] = report
        self.board.set(model_id, state)
