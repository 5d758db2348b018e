"""One download that was asked for in this program, from then until it ends."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from ominix_core.states import Downloading, ModelState

if TYPE_CHECKING:
    from ominix_core.downloads.job import Job
    from ominix_core.registry.entry import RegistryEntry


class Stage(StrEnum):
    """Where a download is in the queue."""

    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class QueueItem:
    """One line of the queue, for those who look at it."""

    model_id: str
    stage: Stage
    state: ModelState


@dataclass(eq=False)
class Download:
    """The manager's record of one download.

    Attributes:
        recheck: Whether files that are there are to be hashed first.
        wish: What a running download that was told to stop becomes; None: it ends.
        discard: Whether its bytes are deleted when it ends.
        stopped: Ends the waits of its present run.
    """

    entry: RegistryEntry
    recheck: bool = False
    stage: Stage = Stage.WAITING
    wish: Stage | None = None
    discard: bool = False
    job: Job | None = None
    stopped: threading.Event = field(default_factory=threading.Event)
    progress: Downloading = field(default_factory=Downloading)
    future: Future[None] = field(default_factory=Future)

    def __post_init__(self) -> None:
        self.future.set_running_or_notify_cancel()  # only the manager may end it

    def begin(self) -> None:
        self.stage, self.wish, self.stopped = Stage.RUNNING, None, threading.Event()

    def stop(self, wish: Stage | None) -> None:
        self.wish = wish
        self.stopped.set()
        if self.job is not None:
            self.job.stop()
