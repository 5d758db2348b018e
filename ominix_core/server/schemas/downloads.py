"""Downloads, as they are listed and as their progress is told."""

from __future__ import annotations

from typing import Literal, cast

from ominix_core.server.schemas.base import ApiObject
from ominix_core.states import Downloaded, Downloading, Error, Loaded, Loading, ModelState, Paused

DownloadStatus = Literal["waiting", "running", "paused", "downloaded", "not_downloaded", "error"]


class Download(ApiObject):
    """How far a model is on its way to this machine.

    Attributes:
        total_bytes: 0 while unknown.
        seconds_left: At the present speed; null while unknown.
        file: The file or the step that is being worked on.
        note: The reason of any wait.
    """

    id: str
    object: Literal["download"] = "download"
    status: DownloadStatus
    progress: float
    done_bytes: int = 0
    total_bytes: int = 0
    bytes_per_second: int = 0
    seconds_left: int | None = None
    file: str = ""
    note: str = ""

    @classmethod
    def of(cls, model_id: str, state: ModelState, stage: str | None) -> Download:
        """`stage` is its place in the server's queue, None if it is not there."""
        status = cast("DownloadStatus", stage) if stage else _status(state)
        if not isinstance(state, Downloading | Paused):
            return cls(id=model_id, status=status, progress=1.0 if status == "downloaded" else 0.0)
        download = cls(
            id=model_id,
            status=status,
            progress=round(state.progress, 4),
            done_bytes=state.done_bytes,
            total_bytes=state.total_bytes,
        )
        if isinstance(state, Downloading):
            download.bytes_per_second = round(state.speed)
            download.seconds_left = None if state.eta is None else round(state.eta)
            download.file, download.note = state.file, state.note
        return download


class DownloadList(ApiObject):
    """The downloads that have not ended."""

    object: Literal["list"] = "list"
    data: list[Download]


def _status(state: ModelState) -> DownloadStatus:
    match state:
        case Downloading():
            return "running"
        case Paused():
            return "paused"
        case Downloaded() | Loading() | Loaded():
            return "downloaded"
        case Error():
            return "error"
    return "not_downloaded"
