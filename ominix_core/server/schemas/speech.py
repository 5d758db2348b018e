"""Speech: https://platform.openai.com/docs/api-reference/audio/createSpeech."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ominix_core.audio_files import AudioFormat
from ominix_core.generation import Usage
from ominix_core.media import SpeechRequest as HubSpeechRequest
from ominix_core.server.schemas.base import ApiObject, ApiRequest, Text


class CustomVoice(ApiRequest):
    """A voice by its id, which here is its name."""

    id: Text


class SpeechRequest(ApiRequest):
    """Text to speak; `language` and `seed` are additions to OpenAI's parameters."""

    model: str = ""
    input: Text = Field(min_length=1)
    voice: Text | CustomVoice | None = None
    instructions: Text | None = None
    response_format: AudioFormat = "mp3"
    speed: float = Field(default=1.0, allow_inf_nan=False)
    stream_format: Literal["audio", "sse"] = "audio"
    language: Text | None = None
    seed: int | None = Field(default=None, ge=0, lt=2**63)

    def to_hub(self) -> HubSpeechRequest:
        return HubSpeechRequest(
            text=self.input,
            voice=self.voice.id if isinstance(self.voice, CustomVoice) else self.voice or None,
            speed=self.speed,
            language=self.language or None,
            instructions=self.instructions or None,
            seed=self.seed,
        )


class SpeechDelta(ApiObject):
    """More audio, in base64 of the format that was asked for."""

    type: Literal["speech.audio.delta"] = "speech.audio.delta"
    audio: str


class SpeechUsage(ApiObject):
    """Token counts, of models that have tokens."""

    input_tokens: int
    output_tokens: int
    total_tokens: int

    @classmethod
    def of(cls, usage: Usage) -> SpeechUsage:
        total = usage.prompt_tokens + usage.completion_tokens
        return cls(input_tokens=usage.prompt_tokens, output_tokens=usage.completion_tokens, total_tokens=total)


class SpeechDone(ApiObject):
    """Everything has been spoken."""

    type: Literal["speech.audio.done"] = "speech.audio.done"
    usage: SpeechUsage
