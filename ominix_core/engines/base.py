"""What every engine offers to its worker."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import msgspec

from ominix_core.generation import GenerationEvent, Request
from ominix_core.media import Abilities


class LoadOptions(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a model is to be loaded.

    Attributes:
        variant: The registry's word for what the engine must know beyond the files (`runtime.variant`).
        room: Bytes that KV caches, or the making of an image, may take beside the weights; None is as much as there is.
        bits: Quantize weights that are not yet; 0 does not.
        cache_folder: Where prompt caches outlive the worker; None keeps none.
        cache_bytes: How much of the disk they may take.
        draft_folder: A small model that drafts for this one (speculative decoding).
        adapter_folder: A LoRA adapter to put over the weights.
        kv_bits: Quantize KV caches to this many bits; 0 does not.
        allow_code: Whether the checkpoint's own Python may be run.
        local: Whether the folder is the user's own, so that there is nothing to get again.
    """

    variant: str = ""
    room: int | None = None
    bits: int = 0
    cache_folder: str | None = None
    cache_bytes: int = 0
    draft_folder: str | None = None
    adapter_folder: str | None = None
    kv_bits: int = 0
    allow_code: bool = False
    local: bool = False


class LoadReport(Protocol):
    """Tells how far a load is: its stage, and bytes done of bytes in all where they are known."""

    def __call__(self, stage: str, done_bytes: int = 0, total_bytes: int = 0) -> None: ...


class Engine(Protocol):
    """A model on the worker's inference thread. Every method is called on that thread only.

    Requests overlap: each `step` does one bounded piece of work for all of them, so that new requests join and
    cancelled ones leave between two steps.
    """

    @property
    def busy(self) -> bool:
        """Whether a `step` has work to do."""
        ...

    @property
    def running(self) -> int:
        """How many requests are being answered."""
        ...

    @property
    def abilities(self) -> Abilities:
        """What the loaded model can do beyond its kind."""
        ...

    def load(self, folder: Path, options: LoadOptions, report: LoadReport) -> None:
        """Bring the model into memory. Raises LoadError."""
        ...

    def submit(self, request_id: str, request: Request) -> None:
        """Queue a request. Raises RequestError if it cannot be answered."""
        ...

    def cancel(self, request_id: str) -> None:
        """End a request at the next step; unknown ids are ignored."""
        ...

    def step(self) -> Iterable[tuple[str, GenerationEvent]]:
        """Do one piece of work and return what it produced, by request."""
        ...

    def trim(self) -> None:
        """Give back memory that only saves time."""
        ...

    def close(self) -> None:
        """Keep what should outlive the worker, and free the model's memory."""
        ...
