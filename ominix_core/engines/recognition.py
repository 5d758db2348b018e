"""Speech recognition models of mlx-audio behind one face, whatever their family takes and returns."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ominix_core.audio.sources import Samples
from ominix_core.engines.heard import Heard, heard_in, language_name, one_segment
from ominix_core.engines.languages import all_names, code_of, name_of
from ominix_core.engines.listening import FILES_AT_ONCE, Before, ChunkLength
from ominix_core.media import Abilities, TranscriptionRequest, TranscriptPartial

# Nobody speaks faster than this, in tokens; a model that has lost itself in a loop stops here.
TOKENS_PER_SECOND = 24
# Models trip over clips of a few milliseconds; these are lengthened with silence.
SHORTEST_CLIP_SECONDS = 1.0
_PROMPT_ARGUMENTS = ("initial_prompt", "hotwords", "context")
_LANGUAGE_ARGUMENTS = ("language", "source_lang")


@dataclass(frozen=True)
class Family:
    """What a family of mlx-audio can do beyond what its `generate` shows.

    Attributes:
        shortest: Chunks are cut between this many seconds and `longest`: late where the model times its segments
            itself, earlier where a chunk is one segment.
        times_words: Whether it finds out when each word was spoken.
        streams: Whether `generate(stream=True)` yields the text piece by piece.
        by_name: Whether it wants "English" rather than "en".
        languages: Their names, where neither the model's files nor Whisper's list tell them.
    """

    shortest: float = 8.0
    longest: float = 20.0
    times_words: bool = False
    streams: bool = False
    by_name: bool = False
    languages: tuple[str, ...] = ()


FAMILIES = {
    "parakeet": Family(20.0, 30.0, times_words=True),
    "nemotron_asr": Family(20.0, 30.0, times_words=True),
    "qwen3_asr": Family(streams=True, by_name=True),
    "fun_asr_nano": Family(languages=("chinese", "english", "japanese", "cantonese")),
    "sensevoice": Family(languages=("chinese", "cantonese", "english", "japanese", "korean")),
    "mimo_v2_asr": Family(languages=("chinese", "english")),
    "ming_v3_asr": Family(languages=("chinese", "english")),
    "voxtral_realtime": Family(streams=True),
}


class Recognizer:
    """One model in memory.

    Attributes:
        abilities: What its requests can ask for.
        rate: The sample rate that it listens at, in Hz.
    """

    def __init__(self, model: Any, on_cpu: bool) -> None:
        self._model = model
        self._on_cpu = on_cpu
        self._arguments = inspect.signature(model.generate).parameters
        # mlx_audio.stt.models.FAMILY.module
        self._family_name = type(model).__module__.split(".")[3]
        self.family = FAMILIES.get(self._family_name, Family())
        self.rate = _sample_rate(model)
        self._language_argument = self._find_language_argument()
        self._prompt_argument = next((name for name in _PROMPT_ARGUMENTS if name in self._arguments), None)
        options = tuple(self._options())
        self.abilities = Abilities(options=options, languages=self._languages(), at_once=FILES_AT_ONCE)

    def _find_language_argument(self) -> str | None:
        if "source_language" in self._arguments:  # there `language` says what to translate into
            return None
        return next((name for name in _LANGUAGE_ARGUMENTS if name in self._arguments), None)

    def _options(self) -> Iterator[str]:
        if self._language_argument:
            yield "language"
        if self._prompt_argument:
            yield "prompt"
        if self.family.times_words:
            yield "word_times"
        if "temperature" in self._arguments:
            yield "temperature"

    def _languages(self) -> tuple[str, ...]:
        """Names in lower case."""
        if not self._language_argument:
            return ()
        config = getattr(self._model, "config", None)
        listed = getattr(config, "support_languages", None) or getattr(config, "supported_languages", None)
        if listed:
            return tuple(name_of(language) for language in listed)
        return self.family.languages or all_names()

    @property
    def chunk(self) -> ChunkLength:
        """How long a piece it listens to at a time."""
        return ChunkLength(self.family.shortest, self.family.longest)

    def listen(
        self, samples: Samples, request: TranscriptionRequest, before: Before
    ) -> Iterator[TranscriptPartial | Heard]:
        """See Listener."""
        import mlx.core as mx
        import numpy as np

        seconds = len(samples) / self.rate
        missing = int(SHORTEST_CLIP_SECONDS * self.rate) - len(samples)
        audio = mx.array(np.pad(samples, (0, missing)) if missing > 0 else samples)
        arguments = self._filled_in(request, seconds)
        if self.family.streams:
            yield from self._listen_along(audio, arguments, seconds)
        else:
            yield heard_in(self._model.generate(audio, **arguments), seconds, request.word_times)

    def _listen_along(
        self, audio: Any, arguments: dict[str, Any], seconds: float
    ) -> Iterator[TranscriptPartial | Heard]:
        text, language = "", None
        for piece in self._model.generate(audio, stream=True, **arguments):
            delta = piece if isinstance(piece, str) else piece.text
            language = getattr(piece, "language", None) or language
            if delta:
                text += delta
                yield TranscriptPartial(text.strip())
        yield Heard(one_segment(text, seconds), language_name(language))

    def _filled_in(self, request: TranscriptionRequest, seconds: float) -> dict[str, Any]:
        """The arguments of `generate` that this family has."""
        arguments: dict[str, Any] = {}
        language = request.language
        if "max_tokens" in self._arguments:
            arguments["max_tokens"] = int(max(seconds, SHORTEST_CLIP_SECONDS) * TOKENS_PER_SECOND)
        if language is not None and self._language_argument:
            code = code_of(language) or language
            arguments[self._language_argument] = name_of(language).title() if self.family.by_name else code
            if "target_lang" in self._arguments:  # it would be English, and the text a translation
                arguments["target_lang"] = code
        if request.prompt and self._prompt_argument:
            words = [word.strip() for word in request.prompt.split(",")]
            arguments[self._prompt_argument] = words if self._prompt_argument == "hotwords" else request.prompt
        if request.temperature > 0:
            arguments["temperature"] = request.temperature
        if self._on_cpu and "dtype" in self._arguments:
            import mlx.core as mx

            arguments["dtype"] = mx.float32
        return arguments


def _sample_rate(model: Any) -> int:
    rate = getattr(model, "sample_rate", None) or getattr(
        getattr(model, "preprocessor_config", None), "sample_rate", None
    )
    return int(rate or 16_000)
