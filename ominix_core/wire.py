"""What a server and a RemoteHub say to each other beyond OpenAI's shapes."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from ominix_core.downloads.download import Stage
from ominix_core.events import ModelActivity, RegistryChanged
from ominix_core.generation import GenerationEvent, Request
from ominix_core.media import Abilities
from ominix_core.states import (
    Downloaded,
    Downloading,
    Error,
    Loaded,
    Loading,
    ModelState,
    NotDownloaded,
    Paused,
    Unsupported,
)
from ominix_core.system import System

SYSTEM_SECONDS = 2.0
"""How old the figures of a server's machine may be."""

MESSAGEPACK = "application/msgpack"
REQUEST_ID = "x-ominix-request-id"
"""The header that names an answer, for `DELETE /v1/requests/{id}`."""

Status = Literal["not_downloaded", "downloading", "paused", "downloaded", "loading", "loaded", "error", "unsupported"]

STATUS: dict[type[ModelState], Status] = {
    NotDownloaded: "not_downloaded",
    Downloading: "downloading",
    Paused: "paused",
    Downloaded: "downloaded",
    Loading: "loading",
    Loaded: "loaded",
    Error: "error",
    Unsupported: "unsupported",
}
ON_DISK = (Downloaded, Loading, Loaded)
"""The states in which a model's files are complete for certain."""
_KINDS: dict[str, type[ModelState]] = {status: kind for kind, status in STATUS.items()}


class ModelReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """A model's state with what belongs to it.

    Attributes:
        details: The fields of the state, such as `progress` and `stage` of one that is loading.
        downloaded: Whether the model's files are complete.
        abilities: Of a loaded model.
    """

    status: Status
    details: dict[str, Any] = {}
    downloaded: bool = False
    abilities: Abilities | None = None

    @classmethod
    def of(cls, state: ModelState, downloaded: bool, abilities: Abilities | None) -> ModelReport:
        return cls(STATUS[type(state)], msgspec.to_builtins(state), downloaded, abilities)

    @property
    def state(self) -> ModelState:
        """Raises msgspec.ValidationError if the details are not those of this status."""
        state: ModelState = msgspec.convert(self.details, _KINDS[self.status])
        return state


class Place(msgspec.Struct, frozen=True):
    """A place in the queue of downloads."""

    model: str
    stage: Stage


class Snapshot(msgspec.Struct, frozen=True, tag="snapshot"):
    """Everything as it is now; the first frame."""

    models: dict[str, ModelReport]
    queue: tuple[Place, ...]
    system: System


class ModelFrame(msgspec.Struct, frozen=True, tag="model"):
    """A model entered a new state, or its progress moved."""

    model: str
    report: ModelReport


class ActivityFrame(msgspec.Struct, frozen=True, tag="activity"):
    """What a loaded model is doing."""

    activity: ModelActivity


class RegistryFrame(msgspec.Struct, frozen=True, tag="registry"):
    """The registry has changed: `GET /v1/registry` has what it is now."""

    change: RegistryChanged


class QueueFrame(msgspec.Struct, frozen=True, tag="queue"):
    """The queue of downloads is another one now."""

    queue: tuple[Place, ...]


class SystemFrame(msgspec.Struct, frozen=True, tag="system"):
    """The machine's memory and disk, every SYSTEM_SECONDS."""

    system: System


Frame = Snapshot | ModelFrame | ActivityFrame | RegistryFrame | QueueFrame | SystemFrame


class Asked(msgspec.Struct, frozen=True):
    """A request for a model, as JSON or MessagePack.

    A request that names a file comes as a form instead: `request` as JSON text, and the file as `file`. What the
    request calls a path is the file's name in the form, never a path.
    """

    request: Request


class Trouble(msgspec.Struct, frozen=True):
    """OpenAI's error object, as far as programs need it."""

    message: str
    code: str = "internal_error"


class ErrorBody(msgspec.Struct, frozen=True):
    error: Trouble


encode = msgspec.json.Encoder().encode
decode_frame = msgspec.json.Decoder(Frame).decode
decode_request = msgspec.json.Decoder(Request).decode
decode_generation_event = msgspec.json.Decoder(GenerationEvent).decode
