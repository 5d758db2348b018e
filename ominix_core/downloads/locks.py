"""The lock that keeps two programs from working on the same model."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from ominix_core.errors import Cancelled, DownloadError
from ominix_core.paths import Home

TRY_SECONDS = 0.2


@contextlib.contextmanager
def exclusive(home: Home, model_id: str, stopped: threading.Event | None = None) -> Iterator[None]:
    """Hold a model's lock. The system lets go of it when its holder dies, however that happens.

    Args:
        stopped: Wait for the lock until this is set; None: do not wait.

    Raises:
        DownloadError: If another program holds it and `stopped` is None.
        Cancelled: If `stopped` was set meanwhile.
    """
    import filelock

    home.downloads.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(home.downloads / f"{model_id}.lock", thread_local=False)
    while not lock.is_locked:
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            if stopped is None:
                raise DownloadError(f"Another Ominix program is downloading {model_id}.") from None
            if stopped.wait(TRY_SECONDS):
                raise Cancelled("The download was stopped.") from None
    try:
        yield
    finally:
        lock.release()
