"""The queue as it lies on disk: one small file for each download that was asked for and has not ended.

It survives restarts, and it shows other programs that share `OMINIX_HOME` how far a download is.
"""

from __future__ import annotations

import contextlib
import logging
import time
from dataclasses import replace
from pathlib import Path

import msgspec

from ominix_core import atomic
from ominix_core.states import Downloading

logger = logging.getLogger(__name__)

FRESH_SECONDS = 5.0
WRITE_SECONDS = 0.5


class Ticket(msgspec.Struct, frozen=True):
    """One download.

    Attributes:
        asked_at: Seconds since 1970; the queue's order.
        written_at: When its owner last wrote; a running one that has not for five seconds is not running any more.
        state: How far it is while it runs.
    """

    model_id: str
    asked_at: float
    is_paused: bool = False
    written_at: float = 0.0
    state: Downloading | None = None

    @property
    def is_running(self) -> bool:
        return self.state is not None and abs(time.time() - self.written_at) < FRESH_SECONDS

    def shown(self) -> Downloading:
        """The state that other programs show."""
        state = self.state or Downloading()
        return replace(state, note=state.note or "by another Ominix program")


class Tickets:
    """The tickets of one home."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written: dict[str, float] = {}

    def _path(self, model_id: str) -> Path:
        return self._folder / f"{model_id}.ticket.json"

    def all(self) -> list[Ticket]:
        """Every readable ticket, the oldest first."""
        found = [ticket for path in self._folder.glob("*.ticket.json") if (ticket := _read(path))]
        return sorted(found, key=lambda ticket: ticket.asked_at)

    def get(self, model_id: str) -> Ticket | None:
        return _read(self._path(model_id))

    def put(self, ticket: Ticket) -> None:
        """Write a ticket down. Where that cannot be done, as on a full disk, the download itself tells of it."""
        try:
            atomic.write(self._path(ticket.model_id), msgspec.json.encode(ticket))
        except OSError:
            logger.warning("the place of %s in the queue was not kept", ticket.model_id, exc_info=True)

    def ask(self, model_id: str) -> None:
        """Enter a download into the queue, or keep its place if it is there."""
        before = self.get(model_id)
        if before is None or before.is_paused:
            self.put(Ticket(model_id, before.asked_at if before else time.time()))

    def pause(self, model_id: str) -> None:
        if before := self.get(model_id):
            self.put(msgspec.structs.replace(before, is_paused=True, state=None))

    def swap(self, model_id: str, other_id: str) -> None:
        """Let two downloads change places in the queue."""
        one, other = self.get(model_id), self.get(other_id)
        if one is not None and other is not None:
            self.put(msgspec.structs.replace(one, asked_at=other.asked_at))
            self.put(msgspec.structs.replace(other, asked_at=one.asked_at))

    def report(self, model_id: str, state: Downloading) -> None:
        """Show other programs how far it is, at most twice a second."""
        now = time.time()
        if now - self._written.get(model_id, 0.0) < WRITE_SECONDS:
            return
        self._written[model_id] = now
        asked = before.asked_at if (before := self.get(model_id)) else now
        self.put(Ticket(model_id, asked, False, now, state))

    def rest(self, model_id: str) -> None:
        """Nobody works on it any more, but it is still wanted."""
        if before := self.get(model_id):
            self.put(msgspec.structs.replace(before, state=None))

    def end(self, model_id: str) -> None:
        self._written.pop(model_id, None)
        with contextlib.suppress(OSError):
            self._path(model_id).unlink(missing_ok=True)


def _read(path: Path) -> Ticket | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Ticket)
    except (OSError, msgspec.MsgspecError):
        return None
