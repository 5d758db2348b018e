"""What the transcription engine asks of a speech recognition model, whatever library runs it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from ominix_core.audio.sources import Samples
from ominix_core.engines.heard import Heard
from ominix_core.engines.languages import check_language
from ominix_core.errors import RequestError
from ominix_core.media import Abilities, TranscriptionRequest, TranscriptPartial

# Files that take turns, so that a long one does not keep a short one waiting to its end.
FILES_AT_ONCE = 4
_REFUSALS = {
    "language": "This model takes no language: leave it out, and it writes what it hears.",
    "prompt": "This model takes no prompt.",
    "word_times": "This model does not time single words. A Whisper, Parakeet or Paraformer model does.",
    "temperature": "This model takes no temperature.",
    "task": "This model does not translate. A multilingual Whisper model does.",
}


@dataclass(frozen=True)
class ChunkLength:
    """Files are cut in the last pause between so many seconds."""

    shortest: float
    longest: float


@dataclass(frozen=True)
class Before:
    """What was heard of a file before a chunk.

    Attributes:
        language: Of all former chunks, if the model told.
        text: What the chunk goes on from in the middle of speech, if it does.
    """

    language: str | None = None
    text: str = ""


class Listener(Protocol):
    """A model in memory.

    Attributes:
        rate: The sample rate that it listens at, in Hz.
    """

    rate: int

    @property
    def abilities(self) -> Abilities:
        """What its requests can ask for."""
        ...

    @property
    def chunk(self) -> ChunkLength:
        """How long a piece it listens to at a time."""
        ...

    def listen(
        self, samples: Samples, request: TranscriptionRequest, before: Before
    ) -> Iterator[TranscriptPartial | Heard]:
        """Recognise one chunk; each `next` is one bounded piece of work, and the last one brings what was heard."""
        ...


def check_request(request: TranscriptionRequest, abilities: Abilities) -> None:
    """Raises RequestError if a model with these abilities cannot do what is asked."""
    asked = {
        "language": request.language is not None,
        "prompt": bool(request.prompt),
        "word_times": request.word_times,
        "temperature": request.temperature > 0,
        "task": request.task == "translate",
    }
    for option, wanted in asked.items():
        if wanted and option not in abilities.options:
            raise RequestError(_REFUSALS[option], "unsupported_option")
    if request.language is not None:
        check_language(request.language, abilities.languages)
