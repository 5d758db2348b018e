"""Models, as OpenAI lists them, with their state on this machine."""

from __future__ import annotations

from typing import Literal

from ominix_core.server.schemas.base import ApiObject
from ominix_core.wire import Status


class Model(ApiObject):
    """A model of the registry.

    Attributes:
        created: When it came to this machine (Unix seconds); 0 while it is not here.
        memory_gb: What it holds in memory now; null unless it is loaded.
    """

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str
    name: str
    category: str
    status: Status
    memory_gb: float | None


class ModelList(ApiObject):
    """The models that are on this machine."""

    object: Literal["list"] = "list"
    data: list[Model]


class LoadProgress(ApiObject):
    """One event of a load; the last one's stage is "loaded"."""

    progress: float
    stage: str
