"""An answer that a server's model gives."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Mapping
from contextlib import ExitStack, aclosing, suppress
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from ominix_core import wire
from ominix_core.errors import HubConnectionError, OminixError
from ominix_core.generation import Failed, Request
from ominix_core.media import SpeechRequest, TranscriptionRequest
from ominix_core.remote.connection import Connection
from ominix_core.stream import Generation

logger = logging.getLogger(__name__)


class RemoteAnswer:
    """Asks for an answer and passes its events on to `generation`, which ends with Failed if the line drops."""

    def __init__(self, connection: Connection, model_path: str, request: Request) -> None:
        self._connection = connection
        self._path = f"{model_path}/generate"
        self._request = request
        self._id: str | None = None
        self._cancelled = False
        self.generation = Generation(uuid.uuid4().hex, lambda _: self._ask_to_cancel())
        connection.start(self._run())

    async def _run(self) -> None:
        try:
            await self._follow()
            raise HubConnectionError(f"{self._connection.address.name} broke off before the answer was complete.")
        except OminixError as error:
            self.generation.put(Failed(str(error), error.code))  # dropped if the answer has ended
        except Exception:  # an answer that never ends would be worse than any reason
            logger.exception("an answer of %s cannot be understood", self._connection.address.name)
            message = f"What {self._connection.address.name} answers cannot be understood. Is it of this version?"
            self.generation.put(Failed(message, "internal_error"))
        except asyncio.CancelledError:
            self.generation.put(Failed("Ominix has left the server.", HubConnectionError.code))
            raise

    async def _follow(self) -> None:
        with ExitStack() as files:
            body = await asyncio.to_thread(_body, self._request, files)
            answer = self._connection.stream("POST", self._path, on_head=self._begin, **body)
            async with aclosing(answer) as events:
                async for data in events:
                    self.generation.put(wire.decode_generation_event(data))

    def _begin(self, headers: Mapping[str, str]) -> None:
        self._id = headers[wire.REQUEST_ID]
        if self._cancelled:
            self._ask_to_cancel()

    def _ask_to_cancel(self) -> None:
        with suppress(HubConnectionError):  # a closed connection has ended the answer
            self._connection.start(self._cancel())

    async def _cancel(self) -> None:
        self._cancelled = True
        if self._id is not None:
            with suppress(OminixError):  # it has ended meanwhile
                await self._connection.call("DELETE", f"/v1/requests/{self._id}", msgspec.Raw)


def _body(request: Request, files: ExitStack) -> dict[str, Any]:
    """The request as httpx takes it, with the file that it names; `files` closes that. Raises OminixError."""
    match request:
        case TranscriptionRequest():
            name, file = _opened(request.path, files)
            request = msgspec.structs.replace(request, path=name)
        case SpeechRequest(reference=reference) if reference is not None:
            name, file = _opened(reference.path, files)
            request = msgspec.structs.replace(request, reference=msgspec.structs.replace(reference, path=name))
        case _:
            packed = msgspec.msgpack.encode(wire.Asked(request))
            return {"content": packed, "headers": {"content-type": wire.MESSAGEPACK}}
    return {"data": {"request": wire.encode(request).decode()}, "files": {"file": (name, file)}}


def _opened(path: str, files: ExitStack) -> tuple[str, BinaryIO]:
    try:
        return f"file{Path(path).suffix}", files.enter_context(Path(path).open("rb"))
    except OSError as error:
        raise OminixError(f"{path} cannot be read: {error.strerror}") from error
