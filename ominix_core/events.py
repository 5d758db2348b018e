"""What a Hub publishes to its subscribers. Handlers run on the Hub's threads and must return at once."""

from __future__ import annotations

from dataclasses import dataclass

from ominix_core.states import ModelState


@dataclass(frozen=True, slots=True)
class ModelStateChanged:
    """A model entered a new state, or its progress moved."""

    model_id: str
    state: ModelState


@dataclass(frozen=True, slots=True)
class RegistryChanged:
    """Entries were added, changed or removed; ids are in `added`, `changed` and `removed`.

    Attributes:
        problems: What of the files cannot be used any more, for people.
    """

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelActivity:
    """What a loaded model is doing, about once a second.

    Attributes:
        memory_bytes: What its worker holds in MLX memory, KV caches included.
        running: Requests in work.
        tokens_per_second: Over the last second, all requests together.
    """

    model_id: str
    memory_bytes: int
    running: int
    tokens_per_second: float


@dataclass(frozen=True, slots=True)
class ConnectionChanged:
    """The server that the models are behind was lost or is there again.

    Attributes:
        place: The name that it has now.
        message: Which of the two, and when the next try is, for people.
        reason: Why it was lost, as far as that is known.
    """

    lost: bool
    place: str
    message: str
    reason: str = ""


HubEvent = ModelStateChanged | RegistryChanged | ModelActivity | ConnectionChanged
