"""Transcriptions and translations: https://platform.openai.com/docs/api-reference/audio."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from ominix_core.media import TranscriptionRequest, TranscriptSegment
from ominix_core.server.schemas.base import ApiObject, FormRequest, Neutral, Text
from ominix_core.transcript import Transcript

Format = Literal["json", "text", "srt", "verbose_json", "vtt"]


class TranslationForm(FormRequest):
    """What goes with a file of speech, in any language, that is to be written in English."""

    model: str = ""
    prompt: Text | None = None
    response_format: Format = "json"
    temperature: float = Field(0.0, ge=0, le=1, allow_inf_nan=False)

    def to_hub(self, path: Path) -> TranscriptionRequest:
        return TranscriptionRequest(
            path=str(path), task="translate", prompt=self.prompt or None, temperature=self.temperature
        )


class TranscriptionForm(TranslationForm):
    """What goes with a file of speech."""

    neutral: ClassVar[Neutral] = {
        "chunking_strategy": ("auto",),
        "include": ([],),
        "keywords": ([],),
        "known_speaker_names": ([],),
        "known_speaker_references": ([],),
        "languages": ([],),
    }

    language: Text | None = None
    stream: bool = False
    timestamp_granularities: list[Literal["word", "segment"]] = Field(default_factory=list)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.stream and self.response_format not in ("json", "text"):
            raise ValueError(f"cannot be streamed as {self.response_format}; use json or text")
        if self.timestamp_granularities and self.response_format != "verbose_json":
            raise ValueError("has 'timestamp_granularities', which only the response_format verbose_json can tell")
        return self

    def to_hub(self, path: Path) -> TranscriptionRequest:
        return TranscriptionRequest(
            path=str(path),
            language=self.language or None,
            prompt=self.prompt or None,
            word_times="word" in self.timestamp_granularities,
            temperature=self.temperature,
        )


class DurationUsage(ApiObject):
    """How much audio was worked through."""

    type: Literal["duration"]
    seconds: float

    @classmethod
    def of(cls, transcript: Transcript) -> Self:
        return cls(type="duration", seconds=round(transcript.duration, 3))


class PlainTranscription(ApiObject):
    """The text alone."""

    text: str
    usage: DurationUsage

    @classmethod
    def of(cls, transcript: Transcript) -> Self:
        return cls(text=transcript.text, usage=DurationUsage.of(transcript))


class Word(ApiObject):
    """A word and when it is spoken, in seconds."""

    word: str
    start: float
    end: float


class Segment(ApiObject):
    """A piece of the transcript. Figures that only Whisper has are neutral: no tokens, log probability and risk 0."""

    id: int
    seek: int
    start: float
    end: float
    text: str
    tokens: list[int]
    temperature: float
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float

    @classmethod
    def of(cls, index: int, segment: TranscriptSegment, temperature: float) -> Self:
        raw = segment.text.encode()
        return cls(
            id=index,
            seek=0,
            start=round(segment.start, 3),
            end=round(segment.end, 3),
            text=segment.text,
            tokens=[],
            temperature=temperature,
            avg_logprob=0.0,
            compression_ratio=round(len(raw) / len(zlib.compress(raw)), 3),
            no_speech_prob=0.0,
        )


class VerboseTranscription(ApiObject):
    """Text with times. `words` and `segments` are there as far as they were asked for."""

    task: Literal["transcribe", "translate"]
    language: str
    duration: float
    text: str
    words: list[Word] | None = None
    segments: list[Segment] | None = None
    usage: DurationUsage

    @classmethod
    def of(cls, transcript: Transcript, body: TranslationForm) -> Self:
        wanted = body.timestamp_granularities if isinstance(body, TranscriptionForm) else []
        parts: dict[str, list[Word] | list[Segment]] = {}
        if "word" in wanted:
            words = (word for segment in transcript.segments for word in segment.words)
            parts["words"] = [Word(word=w.text, start=round(w.start, 3), end=round(w.end, 3)) for w in words]
        if "segment" in wanted or not wanted:
            numbered = enumerate(transcript.segments)
            parts["segments"] = [Segment.of(index, segment, body.temperature) for index, segment in numbered]
        translated = not isinstance(body, TranscriptionForm)
        return cls.model_validate(
            {
                "task": "translate" if translated else "transcribe",
                "language": "english" if translated else transcript.language or "unknown",
                "duration": round(transcript.duration, 3),
                "text": transcript.text,
                "usage": DurationUsage.of(transcript),
                **parts,
            }
        )


class TextDelta(ApiObject):
    """More text, in a stream."""

    type: Literal["transcript.text.delta"]
    delta: str


class TextDone(ApiObject):
    """The whole text, at the end of a stream."""

    type: Literal["transcript.text.done"]
    text: str
