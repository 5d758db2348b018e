"""OpenAI's routes for kinds of models that this version has no engine for."""

from __future__ import annotations

from fastapi import APIRouter, Request

from ominix_core.server.choice import IMAGE, TRANSCRIPTION, Task
from ominix_core.server.errors import NO_RETRY, ApiError

router = APIRouter(include_in_schema=False)

_TASKS: dict[str, Task] = {
    "/v1/audio/transcriptions": TRANSCRIPTION,
    "/v1/audio/translations": TRANSCRIPTION,
    "/v1/images/generations": IMAGE,
    "/v1/images/edits": IMAGE,
}


async def refuse(request: Request) -> None:
    """No model of this kind is loaded."""
    task = _TASKS[request.url.path]
    message = f"No {task.noun} model is loaded: this version of Ominix cannot run them yet."
    raise ApiError(503, message, code="model_not_loaded", param="model", headers=NO_RETRY)


for path in _TASKS:
    router.add_api_route(path, refuse, methods=["POST"])
