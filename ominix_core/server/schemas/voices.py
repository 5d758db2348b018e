"""The voices that speech can be asked for."""

from __future__ import annotations

from typing import Literal

from ominix_core.server.schemas.base import ApiObject, ApiRequest, Text
from ominix_core.voices import Voice as HubVoice


class Voice(ApiObject):
    """A voice.

    Attributes:
        id: Its name, for `voice` in a request for speech.
        model: The loaded model whose own it is; null for one of the user's.
        text: What is said in the clip of a user's voice.
        default: Whether a model without voices of its own speaks with it unasked.
    """

    id: str
    object: Literal["voice"] = "voice"
    model: str | None = None
    aliases: tuple[str, ...] = ()
    text: str = ""
    default: bool = False

    @classmethod
    def of(cls, voice: HubVoice) -> Voice:
        return cls(id=voice.name, aliases=voice.aliases, text=voice.text, default=voice.is_default)


class VoiceList(ApiObject):
    """The user's voices, then those of the loaded speech model."""

    object: Literal["list"] = "list"
    data: list[Voice]


class VoiceChange(ApiRequest):
    """A new name for a voice."""

    name: Text


class RemovedVoice(ApiObject):
    """A voice is gone."""

    id: str
    object: Literal["voice"] = "voice"
    deleted: Literal[True] = True
