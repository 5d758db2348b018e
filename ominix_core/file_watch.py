"""File watch: notices what other programs change on the disk while this one runs.

Nothing but a few `stat` calls, four times a second on one thread; no library watches a folder that is not there yet,
a link's target and a network disk alike.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.25

Stamp = object
"""Differs from an earlier one if the file or folder has been written since."""


def stamp_of(path: Path | str) -> Stamp:
    """Of a file or folder, or of what a link leads to; None if there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_ino, status.st_size)


def folder_stamps(folder: Path, inner: str) -> dict[str, Stamp]:
    """Of every folder in `folder` by its name, together with the one called `inner` that it holds."""
    try:
        with os.scandir(folder) as entries:
            paths = {entry.name: entry.path for entry in entries}
    except OSError:
        return {}
    return {name: (stamp_of(path), stamp_of(f"{path}/{inner}")) for name, path in paths.items()}


class Watched:
    """Something on the disk, and what is to be done when it has changed.

    Args:
        stamp: Tells how it is now.
        changed: Called with its change, on the thread that noticed it.
        settles: Whether to wait until it has stopped changing, as a file that an editor writes in several steps.
    """

    def __init__(self, stamp: Callable[[], Stamp], changed: Callable[[], None], *, settles: bool = False) -> None:
        self._stamp = stamp
        self._changed = changed
        self._settles = settles
        self._taken = self._seen = stamp()

    def look(self, *, at_once: bool) -> None:
        """Act on a change since the last one that was acted on."""
        now = self._stamp()
        before, self._seen = self._seen, now
        if now == self._taken or (self._settles and not at_once and now != before):
            return
        self._taken = now
        self._changed()


class FileWatch:
    """Looks at what is watched from `start` to `close`, on a thread of its own; any other may look in between."""

    def __init__(self, *watched: Watched) -> None:
        self._watched = watched
        self._lock = threading.RLock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="file-watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def look(self, *, at_once: bool = True) -> None:
        """Take notice of every change now; waits for one that is being acted on."""
        with self._lock:
            for each in self._watched:
                try:
                    each.look(at_once=at_once)
                except Exception:  # one bad file must not end the watch
                    logger.exception("a change on the disk could not be followed")

    def close(self) -> None:
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed.wait(LOOK_SECONDS):
            self.look(at_once=False)
