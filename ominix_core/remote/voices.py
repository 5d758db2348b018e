"""The user's voices behind a server."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import msgspec

from ominix_core.remote.connection import Connection
from ominix_core.voice_clips import LARGEST_BYTES, VoiceError
from ominix_core.voices import Voice


class VoiceReply(msgspec.Struct):
    """A voice; of a model if that is named."""

    id: str
    model: str | None
    aliases: tuple[str, ...]
    text: str
    default: bool

    def voice(self) -> Voice:
        return Voice(self.id, None, self.text, self.aliases, is_default=self.default)


class VoiceListReply(msgspec.Struct):
    data: list[VoiceReply]


class RemoteVoices:
    """As `Voices` says. Also raises HubConnectionError and AccessError."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self) -> list[Voice]:
        reply = self._connection.wait(self._connection.call("GET", "/v1/voices", VoiceListReply))
        return [item.voice() for item in reply.data if item.model is None]

    def add(self, name: str, clip: Path, text: str = "") -> Voice:
        form, files = {"name": name, "text": text}, {"file": (clip.name, _read(clip))}
        asked = self._connection.call("POST", "/v1/voices", VoiceReply, data=form, files=files)
        return self._connection.wait(asked).voice()

    def rename(self, name: str, new_name: str) -> Voice:
        change = {"name": new_name}
        return self._connection.wait(self._connection.call("PATCH", _path(name), VoiceReply, json=change)).voice()

    def remove(self, name: str) -> None:
        self._connection.wait(self._connection.call("DELETE", _path(name), dict))

    def clip(self, name: str) -> bytes:
        return self._connection.wait(self._connection.fetch("GET", f"{_path(name)}/clip"))


def _path(name: str) -> str:
    return f"/v1/voices/{quote(name, safe='')}"


def _read(clip: Path) -> bytes:
    try:
        if clip.stat().st_size > LARGEST_BYTES:
            raise VoiceError(f"{clip.name} is too large for a clip of a few seconds.")
        return clip.read_bytes()
    except OSError as error:
        raise VoiceError(f"{clip.name} cannot be read as audio: {error.strerror}.") from error
