"""The responses that can be continued: kept in memory, the oldest forgotten first."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from ominix_core.generation import ChatMessage
from ominix_core.server.errors import ApiError
from ominix_core.server.schemas.response_objects import ResponseObject

KEPT = 1000


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


class ResponseStore:
    """The latest responses, by id. They end with the server."""

    def __init__(self) -> None:
        self._by_id: OrderedDict[str, StoredResponse] = OrderedDict()

    def put(self, stored: StoredResponse) -> None:
        self._by_id[stored.response.id] = stored
        while len(self._by_id) > KEPT:
            self._by_id.popitem(last=False)

    def get(self, response_id: str, owner: str | None, param: str | None = None) -> StoredResponse:
        """Raises ApiError if there is no such response, or it belongs to another key."""
        stored = self._by_id.get(response_id)
        if stored is None or stored.owner != owner:
            message = f"There is no stored response '{response_id}'. They are kept until the server stops."
            raise ApiError(404, message, code="response_not_found", param=param)
        return stored

    def delete(self, response_id: str, owner: str | None) -> None:
        """Raises ApiError like `get`."""
        self.get(response_id, owner)
        del self._by_id[response_id]
