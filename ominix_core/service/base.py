"""What a job of either service manager needs, and the one place that calls them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ominix_core.errors import OminixError

SECONDS_TO_CLOSE = 10.0
"""What the server needs beside its `drain_seconds` before it may be killed."""


class ServiceError(OminixError):
    """The system's service manager refused something, or there is none that Ominix knows."""

    code = "service_error"


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be kept running.

    Attributes:
        home: The `OMINIX_HOME` that it serves.
        seconds_to_stop: How long it may take to end when it is told to.
    """

    home: Path
    seconds_to_stop: int

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", "ominix_tui", "serve"]

    @property
    def environment(self) -> dict[str, str]:
        """Service managers give little of it; the PATH is where helpers such as ffmpeg are."""
        return {"OMINIX_HOME": str(self.home), "PATH": os.environ.get("PATH", os.defpath)}

    @property
    def log(self) -> Path:
        return self.home / "logs" / "service.log"


@dataclass(frozen=True, slots=True)
class Status:
    """Whether the job is installed, and the process that runs it now."""

    installed: bool
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended, and what it said."""

    code: int
    text: str


Run = Callable[[Sequence[str]], Outcome]


class Service(Protocol):
    """The job at one service manager."""

    def install(self, job: Job) -> None:
        """Start the job now and whenever the machine comes up, in place of an earlier one. Raises ServiceError."""
        ...

    def uninstall(self) -> None:
        """End the job and forget it; does nothing if there is none."""
        ...

    def status(self) -> Status: ...


def run(command: Sequence[str]) -> Outcome:
    """Run a command of the system to its end."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    except OSError as error:
        raise ServiceError(f"Cannot run {command[0]}: {error.strerror}.") from error
    return Outcome(done.returncode, (done.stdout + done.stderr).strip())


def must(run: Run, *command: str) -> str:
    """What a command that has to succeed said. Raises ServiceError."""
    outcome = run(command)
    if outcome.code:
        raise ServiceError(f"`{' '.join(command)}` failed ({outcome.code}): {outcome.text or 'it did not say why'}")
    return outcome.text
