"""When a failed request is worth another try, and how long to wait before it."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from ominix_core.errors import Cancelled, DownloadError

LONGEST_REQUESTED_WAIT = 900.0
ENOUGH_PROGRESS = 256 << 10


class TransientError(Exception):
    """A request failed in a way that another try may mend.

    Attributes:
        reason: For people, in lower case: "rate limited", "connection lost".
        wait: Seconds that the server asked for.
        tries: Give up after so many in a row, or None to go by patience alone.
    """

    def __init__(self, reason: str, wait: float | None = None, tries: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait = wait
        self.tries = tries


class GaveUpError(DownloadError):
    """Too many failures in a row; the text names the last one, without a full stop."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to go on without a byte, in seconds.

    Attributes:
        backup_patience: Of a listing that has another address to ask.
    """

    first_delay: float = 0.25
    longest_delay: float = 30.0
    patience: float = 600.0
    listing_patience: float = 60.0
    backup_patience: float = 5.0


class Attempts:
    """The failures in a row of one request."""

    def __init__(self, policy: RetryPolicy, patience: float) -> None:
        self._policy = policy
        self._patience = patience
        self.in_a_row = 0
        self._since = time.monotonic()

    def failed(self, error: TransientError, progress: int) -> float:
        """Seconds to wait before the next try.

        Args:
            progress: Bytes that arrived since the last call.

        Raises:
            GaveUpError: After too many tries or too long without progress.
        """
        if progress:
            self.in_a_row = 0
            self._since = time.monotonic()
        if progress >= ENOUGH_PROGRESS:
            return error.wait or 0.0
        self.in_a_row += 1
        if error.tries is not None and self.in_a_row >= error.tries:
            raise GaveUpError(f"{error.reason} ({self.in_a_row} times in a row)")
        patience = max(self._patience, 3 * (error.wait or 0.0))
        if time.monotonic() - self._since > patience:
            raise GaveUpError(f"{error.reason}; gave up after {patience:.0f} s without a byte")
        delay: float = min(self._policy.longest_delay, self._policy.first_delay * 2 ** (self.in_a_row - 1))
        return max(error.wait or 0.0, delay * random.uniform(0.5, 1.0))


class Waits:
    """The waits of one download's threads: every one ends at once when the download is stopped."""

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self._held_until = 0.0
        self._reasons: dict[int, tuple[float, str]] = {}

    def check(self) -> None:
        if self.stopped.is_set():
            raise Cancelled("The download was stopped.")

    def hold_all(self, seconds: float) -> None:
        """Keep every thread from asking again before the server wants it to."""
        self._held_until = max(self._held_until, time.monotonic() + seconds)

    def turn(self, reason: str = "rate limited") -> None:
        """Wait for the end of a hold. Raises Cancelled."""
        while (left := self._held_until - time.monotonic()) > 0:
            self.nap(left, reason)
        self.check()

    def nap(self, seconds: float, reason: str) -> None:
        """Sleep, telling why. Raises Cancelled."""
        thread = threading.get_ident()
        self._reasons[thread] = (time.monotonic() + seconds, reason)
        try:
            self.stopped.wait(seconds)
        finally:
            self._reasons.pop(thread, None)
        self.check()

    def note(self) -> str:
        """What is being waited for: "rate limited, 12 s", or empty."""
        waiting = max(self._reasons.copy().values(), default=None)
        if waiting is None:
            return ""
        until, reason = waiting
        return f"{reason}, {max(1, round(until - time.monotonic()))} s"


def requested_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds that a response asks to wait, from `Retry-After` or `RateLimit: "api";r=0;t=52`."""
    asked = headers.get("retry-after", "").strip()
    seconds: float | None = None
    if re.fullmatch(r"\d{1,6}(\.\d{1,6})?", asked):
        seconds = float(asked)
    elif asked:
        try:
            seconds = parsedate_to_datetime(asked).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            seconds = None
    if seconds is None and (limit := re.search(r";\s*r=0\s*;\s*t=(\d{1,6})", headers.get("ratelimit", ""))):
        seconds = float(limit.group(1))
    return None if seconds is None else min(max(seconds, 0.0), LONGEST_REQUESTED_WAIT)
