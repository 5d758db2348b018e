"""What speech and image models are asked and what they answer; `generation` holds the types of text and the unions.

Files are named by paths that the worker can read: whoever takes them from a network writes them to a file first.
"""

from __future__ import annotations

from typing import Literal

import msgspec


class Abilities(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a loaded model can do beyond its kind, found out by its engine while it was loaded.

    Attributes:
        options: The optional fields of a request that the model honours; an engine refuses the others.
        images: How many images one conversation may hold, or one image be made of; 0 is none.
        voices: Names for `SpeechRequest.voice`; empty if the model has none to choose from.
        languages: Names or codes for `language`; empty if the model does not take one.
        at_once: How many requests are answered side by side; the engine keeps further ones waiting.
    """

    options: tuple[str, ...] = ()
    images: int = 0
    voices: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    at_once: int = 1


class TranscriptionRequest(msgspec.Struct, frozen=True, kw_only=True, tag="transcription", omit_defaults=True):
    """Speech to write down.

    Attributes:
        path: An audio file of any format, sample rate and number of channels that this machine can decode.
        language: A name or a code; None lets the model find out.
        task: "translate" writes English whatever is spoken.
        prompt: Words that the speech is likely to hold.
        word_times: Whether to time every word.
        temperature: 0 is greedy.
    """

    path: str
    language: str | None = None
    task: Literal["transcribe", "translate"] = "transcribe"
    prompt: str | None = None
    word_times: bool = False
    temperature: float = 0.0


class SpokenWord(msgspec.Struct, frozen=True):
    """A word and when it is spoken, in seconds from the start of the audio."""

    text: str
    start: float
    end: float


class AudioProgress(msgspec.Struct, frozen=True, tag="audio_progress"):
    """How many seconds of the audio have been worked through; `total` grows where the file does not tell its length."""

    done: float
    total: float


class TranscriptPartial(msgspec.Struct, frozen=True, tag="transcript_partial"):
    """The text of the segment in work as it is now; the next partial or segment takes its place."""

    text: str


class TranscriptSegment(msgspec.Struct, frozen=True, tag="transcript_segment", omit_defaults=True):
    """A finished piece of a transcript, in order. Times are in seconds from the start of the audio."""

    start: float
    end: float
    text: str
    words: tuple[SpokenWord, ...] = ()


class Transcribed(msgspec.Struct, frozen=True, tag="transcribed"):
    """The transcript is complete: the language that was spoken, if the model tells, and the seconds of audio."""

    language: str | None
    duration: float


class VoiceReference(msgspec.Struct, frozen=True):
    """A clip of a voice to speak with, and what is said in it, if known."""

    path: str
    text: str | None = None


SLOWEST, FASTEST = 0.5, 2.0
"""The speeds that speech can be asked for, where a model has one to set."""


class SpeechRequest(msgspec.Struct, frozen=True, kw_only=True, tag="speech", omit_defaults=True):
    """Text to speak.

    Attributes:
        voice: One of the model's own voices, or at the Hub one of the user's; None is the default.
        reference: A voice to imitate, where the model can.
        speed: 1 is the model's own pace.
        instructions: How to speak, in words, where the model takes them.
        seed: Makes the result repeatable; None draws a fresh one.
    """

    text: str
    voice: str | None = None
    reference: VoiceReference | None = None
    speed: float = 1.0
    language: str | None = None
    instructions: str | None = None
    temperature: float | None = None
    seed: int | None = None


class AudioChunk(msgspec.Struct, frozen=True, tag="audio_chunk"):
    """More audio, which follows the former chunk without a gap: mono, little-endian float32 in -1..1, in Hz."""

    samples: bytes
    sample_rate: int


class ImageRequest(msgspec.Struct, frozen=True, kw_only=True, tag="image_request", omit_defaults=True):
    """Images to make. None leaves a choice to the model.

    Attributes:
        width: In pixels, as is `height`.
        guidance: How strictly to follow the prompt.
        seed: Of the first image; the next ones count up from it.
        count: How many images.
        sources: Encoded images to start from.
        strength: How far to leave the source, in 0..1.
        previews: Whether steps bring a small picture of what there is so far.
    """

    prompt: str
    negative_prompt: str | None = None
    width: int | None = None
    height: int | None = None
    steps: int | None = None
    guidance: float | None = None
    seed: int | None = None
    count: int = 1
    sources: tuple[bytes, ...] = ()
    strength: float | None = None
    previews: bool = False


class ImageStep(msgspec.Struct, frozen=True, tag="image_step", omit_defaults=True):
    """A step of image `index` is done; `preview` is an encoded picture."""

    index: int
    step: int
    steps: int
    preview: bytes | None = None


class ImageMade(msgspec.Struct, frozen=True, tag="image_made", kw_only=True):
    """An image is done. What it was made with is also in the PNG's own metadata; `seconds` is what it took."""

    index: int
    png: bytes
    width: int
    height: int
    steps: int
    guidance: float
    seed: int
    seconds: float


MediaRequest = TranscriptionRequest | SpeechRequest | ImageRequest
MediaEvent = AudioProgress | TranscriptPartial | TranscriptSegment | Transcribed | AudioChunk | ImageStep | ImageMade
