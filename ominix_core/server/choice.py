"""Which model a request means."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from ominix_core.hub import Hub
from ominix_core.registry.entry import Category, RegistryEntry
from ominix_core.server.dependencies import named
from ominix_core.server.error_codes import ErrorCode
from ominix_core.server.errors import ApiError
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


@dataclass(frozen=True, slots=True)
class Task:
    """A kind of work, and the models that can do it.

    Attributes:
        noun: What such a model is called: "language", "speech".
        categories: Where in the registry they are, the preferred one first.
        api_type: The entries' own word for the task where the category does not tell; empty where it does.
    """

    noun: str
    categories: tuple[Category, ...]
    api_type: str = ""

    def suits(self, entry: RegistryEntry) -> bool:
        if entry.category not in self.categories:
            return False
        return not self.api_type or entry.runtime.api_type == self.api_type


CHAT = Task("language", (Category.LLM, Category.VLM), "chat_completions")
EMBEDDING = Task("embedding", (Category.EMBEDDING,), "embeddings")
TRANSCRIPTION = Task("transcription", (Category.ASR,))
SPEECH = Task("speech", (Category.TTS,))
IMAGE = Task("image", (Category.IMAGE,))


async def choose(hub: Hub, name: str, task: Task) -> RegistryEntry:
    """The loaded model called `name`, or with an empty name the one that is loaded for this task.

    A downloaded model is loaded first if the settings allow that (`jit`), also after it has failed.

    Raises:
        UnknownModelError: The registry has no such model.
        LoadError: Loading it failed.
        ApiError: It cannot do this task, or is not loaded; the text says how to load it.
    """
    if not name:
        return _the_one_loaded(hub, task)
    entry = await named(hub, name)
    if not task.suits(entry):
        message = f"{entry.name} is no {task.noun} model, which this needs."
        raise ApiError(ErrorCode.WRONG_KIND_OF_MODEL, message, param="model")
    if not isinstance(hub.state(entry.id), Loaded):
        await asyncio.to_thread(hub.look, entry.id)
        if hub.settings.jit and await _can_be_loaded(hub, entry):
            await asyncio.wrap_future(await asyncio.to_thread(hub.load, entry.id))
    state = hub.state(entry.id)
    if not isinstance(state, Loaded):
        raise _not_loaded(entry, state)
    return entry


async def _can_be_loaded(hub: Hub, entry: RegistryEntry) -> bool:
    """Whether loading is all that it takes; what went wrong with a model before need not go wrong again."""
    state = hub.state(entry.id)
    if isinstance(state, Error):
        return await asyncio.to_thread(hub.downloaded, entry.id)
    return isinstance(state, Downloaded | Loading)


def _the_one_loaded(hub: Hub, task: Task) -> RegistryEntry:
    for category in task.categories:
        for entry in hub.registry.entries:
            if entry.category == category and task.suits(entry) and isinstance(hub.state(entry.id), Loaded):
                return entry
    message = (
        f"No {task.noun} model is loaded. Load one: POST /v1/models/MODEL/load "
        "(GET /v1/models lists what is on this machine)."
    )
    raise ApiError(ErrorCode.MODEL_NOT_LOADED, message)


def _not_loaded(entry: RegistryEntry, state: ModelState) -> ApiError:
    headers: dict[str, str] | None = None
    match state:
        case Loading():
            message, headers = f"{entry.name} is loading ({state.progress:.0%}).", {"retry-after": "2"}
        case Downloading():
            message = f"{entry.name} is still downloading ({state.progress:.0%})."
        case NotDownloaded() | Paused():
            message = f"{entry.name} is not on this machine. Get it first: ominix pull {entry.id}"
        case Unsupported():
            message = f"{entry.name} cannot run here: {state.reason}"
        case Error():
            message = f"{entry.name} failed: {state.message} Load it again: POST /v1/models/{entry.id}/load"
        case _:
            message = f"{entry.name} is not loaded. Load it first: POST /v1/models/{entry.id}/load"
    return ApiError(ErrorCode.MODEL_NOT_LOADED, message, headers=headers)
