"""What RemoteHub reads from a server's answers."""

from __future__ import annotations

import msgspec

from ominix_core.downloads.store import Usage
from ominix_core.downloads.verification import Fault, Verification
from ominix_core.states import Downloading


class LoadedFacts(msgspec.Struct):
    """A model in memory, and how many API requests it is answering."""

    id: str
    memory_bytes: int
    requests: int


class ServerFacts(msgspec.Struct):
    """What a server tells of itself."""

    version: str
    uptime_seconds: int
    models: list[LoadedFacts]


class Freed(msgspec.Struct):
    freed_bytes: int


class DiskItem(msgspec.Struct):
    id: str
    bytes: int
    is_complete: bool

    def usage(self) -> Usage:
        return Usage(self.id, self.bytes, self.is_complete)


class DiskReply(msgspec.Struct):
    data: list[DiskItem]


class CheckStep(msgspec.Struct):
    """How far a check of files is, or with `checked` its result."""

    done_bytes: int = 0
    total_bytes: int = 0
    bytes_per_second: float = 0.0
    file: str = ""
    checked: int | None = None
    unverified: int = 0
    faults: tuple[Fault, ...] = ()

    def progress(self) -> Downloading:
        return Downloading(self.done_bytes, self.total_bytes, self.file, self.bytes_per_second)

    def result(self) -> Verification | None:
        return None if self.checked is None else Verification(self.checked, self.unverified, self.faults)
