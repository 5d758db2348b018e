"""Whisper, one window of 30 seconds at a time: mlx-audio encodes and decodes it, here is what lies between."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ominix_core.audio.sources import Samples
from ominix_core.engines.heard import Heard, timed_segment
from ominix_core.engines.languages import all_names, code_of, name_of
from ominix_core.engines.listening import FILES_AT_ONCE, Before, ChunkLength
from ominix_core.engines.sampling import NO_NUMBERS
from ominix_core.errors import RequestError
from ominix_core.media import Abilities, TranscriptionRequest, TranscriptPartial

WINDOW_SECONDS = 30.0
SECONDS_PER_MARK = 0.02
# A window that ends in the middle of a sentence brings at least this much, or the rest is taken as it is.
LEAST_PROGRESS_SECONDS = 1.0
# The published rules for text that is not to be trusted: the next temperature is tried, or nothing was said.
TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
MOST_REPETITIVE = 2.4
LEAST_LIKELY = -1.0
MOST_SILENT = 0.6
# What was made up at higher temperatures would lead the next window astray.
MOST_CREATIVE = 0.5


class Whisper:
    """A Whisper model of mlx-audio in memory.

    Attributes:
        abilities: What its requests can ask for.
        rate: The sample rate that it listens at, in Hz.
    """

    chunk = ChunkLength(20.0, WINDOW_SECONDS)
    rate = 16_000

    def __init__(self, model: Any) -> None:
        self._model = model
        look_up = model.get_tokenizer
        model.get_tokenizer = functools.cache(lambda **options: _Remembering(look_up(**options)))
        options = ("language", "prompt", "word_times", "temperature")
        self.abilities = Abilities(
            options=(*options, "task") if model.is_multilingual else options,
            languages=all_names() if model.is_multilingual else ("english",),
            at_once=FILES_AT_ONCE,
        )

    def listen(
        self, samples: Samples, request: TranscriptionRequest, before: Before
    ) -> Iterator[TranscriptPartial | Heard]:
        """See Listener. `samples` fit into a window."""
        seconds = len(samples) / self.rate
        features = self._encode(samples)
        language = self._language(features, request.language or before.language)
        result = self._decode(features, request, language, before.text)
        if _is_silence(result):
            yield Heard([], None)
            return
        tokenizer = self._model.get_tokenizer(language=language, task=request.task)
        pieces, until = pieces_between_marks(result.tokens, tokenizer.timestamp_begin, seconds)
        for piece in pieces:
            piece["text"] = tokenizer.decode([token for token in piece["tokens"] if token < tokenizer.eot])
        if request.word_times:
            self._time_words(pieces, tokenizer, features, seconds)
        segments = [timed_segment(piece, seconds) for piece in pieces if piece["start"] < piece["end"]]
        last = pieces[-1]["text"] if until < seconds and result.temperature <= MOST_CREATIVE else ""
        yield Heard([segment for segment in segments if segment.text], name_of(language), until, last)

    def _encode(self, samples: Samples) -> Any:
        """What the decoder listens to: the features of a window, of which `samples` are the beginning."""
        import mlx.core as mx
        import numpy as np
        from mlx_audio.stt.models.whisper.audio import N_SAMPLES, log_mel_spectrogram

        window = mx.array(np.pad(samples, (0, N_SAMPLES - len(samples))))
        spectrum = log_mel_spectrogram(window, n_mels=self._model.dims.n_mels)
        return self._model.encoder(spectrum[None].astype(self._model.dtype))[0]

    def _language(self, features: Any, known: str | None) -> str:
        """The code of the language."""
        if code := code_of(known or ""):
            return code
        if not self._model.is_multilingual:
            return "en"
        likelihoods: dict[str, float] = self._model.detect_language(features)[1]
        return max(likelihoods, key=likelihoods.__getitem__)

    def _decode(self, features: Any, request: TranscriptionRequest, language: str, before: str) -> Any:
        """The text of a window, as sober as can be trusted. Raises RequestError if the weights are no numbers."""
        import mlx.core as mx
        from mlx_audio.stt.models.whisper.decoding import DecodingOptions

        for temperature in (request.temperature,) if request.temperature > 0 else TEMPERATURES:
            options = DecodingOptions(
                task=request.task,
                language=language,
                temperature=temperature,
                prompt=" ".join(filter(None, (request.prompt, before.strip()))) or None,
                fp16=self._model.dtype == mx.float16,
            )
            result = self._model.decode(features, options)
            if math.isnan(result.avg_logprob):
                raise RequestError(NO_NUMBERS)
            bad = result.compression_ratio > MOST_REPETITIVE or result.avg_logprob < LEAST_LIKELY
            if not bad or _is_silence(result):
                break
        return result

    def _time_words(self, pieces: list[dict[str, Any]], tokenizer: Any, features: Any, seconds: float) -> None:
        from mlx_audio.stt.models.whisper.audio import FRAMES_PER_SECOND
        from mlx_audio.stt.models.whisper.timing import add_word_timestamps

        add_word_timestamps(
            segments=pieces,
            model=_Encoded(self._model),
            tokenizer=tokenizer,
            mel=features,
            num_frames=int(seconds * FRAMES_PER_SECOND),
            last_speech_timestamp=0.0,
        )


def _is_silence(result: Any) -> bool:
    silent: bool = result.no_speech_prob > MOST_SILENT and result.avg_logprob <= LEAST_LIKELY
    return silent


def pieces_between_marks(tokens: list[int], first_mark: int, seconds: float) -> tuple[list[dict[str, Any]], float]:
    """Cut what was decoded at its marks of time: two marks in a row part two pieces.

    Args:
        first_mark: The token of the mark for 0 seconds; all tokens from there on are marks.
        seconds: The length of the audio, where the text ends if no mark tells.

    Returns:
        Pieces with their `start` and `end` in seconds, and until when all was heard: up to the end of the last piece
        that was finished, or without end if all were.
    """
    marked = [token >= first_mark for token in tokens]
    parts = [at for at in range(1, len(tokens)) if marked[at - 1] and marked[at]]
    until = math.inf
    if parts and not (marked[-1] and not marked[-2]):
        until = (tokens[parts[-1] - 1] - first_mark) * SECONDS_PER_MARK
    if until < LEAST_PROGRESS_SECONDS:
        until = math.inf
    bounds = [0, *parts, len(tokens)] if until == math.inf else [0, *parts]
    cuts = itertools.pairwise(bounds)
    return [_piece(tokens[begin:end], first_mark, seconds) for begin, end in cuts if begin < end], until


def _piece(tokens: list[int], first_mark: int, seconds: float) -> dict[str, Any]:
    closed = len(tokens) > 1 and tokens[-1] >= first_mark
    return {
        "seek": 0,
        "start": max(0, tokens[0] - first_mark) * SECONDS_PER_MARK,
        "end": (tokens[-1] - first_mark) * SECONDS_PER_MARK if closed else seconds,
        "tokens": tokens,
    }


class _Remembering:
    """mlx-audio's tokenizer, which looks up each token once: they are asked for in every step, some at a high price."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def __getattr__(self, name: str) -> Any:
        value = vars(self)[name] = getattr(self._tokenizer, name)
        return value


@dataclass(frozen=True)
class _Encoded:
    """A Whisper that takes features where a spectrum is expected, which saves encoding the window again."""

    model: Any

    @property
    def alignment_heads(self) -> Any:
        return self.model.alignment_heads

    def forward_with_cross_qk(self, features: Any, tokens: Any) -> tuple[Any, Any]:
        logits, _, attention = self.model.decoder(tokens, features)
        return logits, attention
