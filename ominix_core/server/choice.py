"""Which model a request means."""

from __future__ import annotations

from collections.abc import Sequence

from ominix_core.hub import Hub
from ominix_core.registry.entry import Category, RegistryEntry
from ominix_core.server.errors import NO_RETRY, ApiError
from ominix_core.states import Downloading, Error, Loaded, Loading, ModelState, NotDownloaded, Paused, Unsupported

KINDS = {
    Category.LLM: "language",
    Category.VLM: "vision",
    Category.ASR: "transcription",
    Category.TTS: "speech",
    Category.IMAGE: "image",
}


def choose_loaded(hub: Hub, name: str, categories: Sequence[Category]) -> RegistryEntry:
    """The loaded model called `name`, or with an empty name the one that is loaded of these categories.

    Raises:
        UnknownModelError: The registry has no such model.
        ApiError: It is of another category, or not loaded; the text says how to load it.
    """
    if not name:
        return _the_one_loaded(hub, categories)
    entry = hub.resolve(name)
    if entry.category not in categories:
        kinds = " or ".join(KINDS[category] for category in categories)
        message = f"{entry.name} is of the category {entry.category}; this needs a {kinds} model."
        raise ApiError(400, message, code="wrong_model_category", param="model")
    state = hub.state(entry.id)
    if not isinstance(state, Loaded):
        raise _not_loaded(entry, state)
    return entry


def _the_one_loaded(hub: Hub, categories: Sequence[Category]) -> RegistryEntry:
    for category in categories:
        entry = hub.loaded(category)
        if entry is not None:
            return entry
    message = (
        f"No {KINDS[categories[0]]} model is loaded. Load one: POST /v1/models/MODEL/load "
        "(GET /v1/models lists what is on this machine)."
    )
    raise ApiError(503, message, code="model_not_loaded", param="model", headers=NO_RETRY)


def _not_loaded(entry: RegistryEntry, state: ModelState) -> ApiError:
    headers = NO_RETRY
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
    return ApiError(503, message, code="model_not_loaded", param="model", headers=headers)
