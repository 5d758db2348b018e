"""The responses that can be continued: kept in memory, the oldest forgotten first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ominix_core.generation import ChatMessage
from ominix_core.server.error_codes import ErrorCode
from ominix_core.server.errors import ApiError
from ominix_core.server.schemas.response_objects import ResponseObject

KEPT = 1000
KEPT_IMAGE_BYTES = 256_000_000
"""How much of images the kept conversations may hold, counted for each response that they led to."""


@dataclass(frozen=True)
class StoredResponse:
    """A response with what led to it.

    Attributes:
        owner: The id of the API key that asked for it; no other sees it.
        conversation: Every turn up to the response, its own included, without instructions.
        input_items: The items that it was asked with, each with an id.
    """

    owner: str | None
    response: ResponseObject
    conversation: list[ChatMessage]
    input_items: list[dict[str, Any]]

    @property
    def image_bytes(self) -> int:
        return sum(len(image) for turn in self.conversation for image in turn.images)


class ResponseStore:
    """The latest responses, by id. They end with the server."""

    def __init__(self) -> None:
        self._by_id: dict[str, StoredResponse] = {}
        self._image_bytes = 0

    def put(self, stored: StoredResponse) -> None:
        self._by_id[stored.response.id] = stored
        self._image_bytes += stored.image_bytes
        while len(self._by_id) > KEPT or self._image_bytes > KEPT_IMAGE_BYTES:
            self._drop(next(iter(self._by_id)))

    def get(self, response_id: str, owner: str | None, param: str | None = None) -> StoredResponse:
        """Raises ApiError if there is no such response, or it belongs to another key."""
        stored = self._by_id.get(response_id)
        if stored is None or stored.owner != owner:
            message = f"There is no stored response '{response_id}'. They are kept until the server stops."
            raise ApiError(ErrorCode.RESPONSE_NOT_FOUND, message, param=param)
        return stored

    def delete(self, response_id: str, owner: str | None) -> None:
        """Raises ApiError like `get`."""
        self.get(response_id, owner)
        self._drop(response_id)

    def _drop(self, response_id: str) -> None:
        self._image_bytes -= self._by_id.pop(response_id).image_bytes
