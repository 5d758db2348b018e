"""What every engine offers to its worker."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from ominix_core.generation import GenerationEvent, TextRequest


class LoadReport(Protocol):
    """Tells how far a load is: its stage, and bytes done of bytes in all where they are known."""

    def __call__(self, stage: str, done_bytes: int = 0, total_bytes: int = 0) -> None: ...


class Engine(Protocol):
    """A model on the worker's inference thread. Every method is called on that thread only.

    Requests overlap: each `step` does one bounded piece of work for all of them, so that new requests join and
    cancelled ones leave between two steps.
    """

    memory_bytes: int

    @property
    def busy(self) -> bool:
        """Whether a `step` has work to do."""
        ...

    def load(self, folder: Path, report: LoadReport) -> None:
        """Bring the model into memory. Raises LoadError."""
        ...

    def submit(self, request_id: str, request: TextRequest) -> None:
        """Queue a request. Raises RequestError if it can never be answered."""
        ...

    def cancel(self, request_id: str) -> None:
        """End a request at the next step; unknown ids are ignored."""
        ...

    def step(self) -> Iterable[tuple[str, GenerationEvent]]:
        """Do one piece of work and return what it produced, by request."""
        ...

    def close(self) -> None:
        """Free the model's memory."""
        ...
