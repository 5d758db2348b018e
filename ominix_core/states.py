"""The states in a model's life. The Hub owns them; everybody else watches `ModelStateChanged` events."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NotDownloaded:
    """Known to the registry, not on this machine."""


@dataclass(frozen=True, slots=True)
class Downloading:
    """Being fetched, verified or converted.

    Attributes:
        done_bytes: Bytes on disk so far.
        total_bytes: Bytes in all; 0 while unknown.
        file: The file, or the step ("verifying", "converting"), that is being worked on.
        speed: Smoothed bytes per second; 0 while unknown.
        note: The reason of any wait ("rate limited, 12 s"), or empty.
    """

    done_bytes: int = 0
    total_bytes: int = 0
    file: str = ""
    speed: float = 0.0
    note: str = ""

    @property
    def progress(self) -> float:
        return min(1.0, self.done_bytes / self.total_bytes) if self.total_bytes else 0.0

    @property
    def eta(self) -> float | None:
        """Seconds that are left at this speed; None while unknown."""
        return (self.total_bytes - self.done_bytes) / self.speed if self.speed and self.total_bytes else None


@dataclass(frozen=True, slots=True)
class Paused:
    """Partly on this machine; the download goes on where it stopped when it is asked for again."""

    done_bytes: int = 0
    total_bytes: int = 0

    @property
    def progress(self) -> float:
        return min(1.0, self.done_bytes / self.total_bytes) if self.total_bytes else 0.0


@dataclass(frozen=True, slots=True)
class Downloaded:
    """Complete on this machine, not in memory."""


@dataclass(frozen=True, slots=True)
class Loading:
    """On its way into memory.

    Attributes:
        progress: 0 to 1, bytes of weights evaluated over bytes of weights.
        stage: "starting", "reading", "loading weights" or "warming up".
    """

    progress: float = 0.0
    stage: str = "starting"


@dataclass(frozen=True, slots=True)
class Loaded:
    """In memory and ready.

    Attributes:
        memory_bytes: What the worker holds in MLX memory after the load.
        load_seconds: How long the load took.
    """

    memory_bytes: int = 0
    load_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Error:
    """The last download, load or run failed; `message` says why and what to do."""

    message: str


@dataclass(frozen=True, slots=True)
class Unsupported:
    """This machine or this version cannot run the entry."""

    reason: str


ModelState = NotDownloaded | Downloading | Paused | Downloaded | Loading | Loaded | Error | Unsupported


def describe(state: ModelState) -> str:
    """The state in a few words, for people."""
    match state:
        case NotDownloaded():
            return "not downloaded"
        case Downloading():
            return f"downloading {state.progress:.0%}"
        case Paused():
            return f"paused at {state.progress:.0%}"
        case Downloaded():
            return "downloaded"
        case Loading():
            return f"loading {state.progress:.0%}"
        case Loaded():
            return "loaded"
        case Error():
            return "error"
        case Unsupported():
            return "unsupported"
