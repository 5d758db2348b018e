"""The synthesis engine: speech models of mlx-audio, which speak a text sentence by sentence."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ominix_core.engines.base import LoadOptions, LoadReport
from ominix_core.engines.joiner import Joiner, mono
from ominix_core.engines.load_errors import explained
from ominix_core.engines.loading import evaluate, refuse_code, refuse_settings, to_float32
from ominix_core.engines.queued import QueuedEngine
from ominix_core.engines.sentences import LONGEST_WEIGHT, pieces
from ominix_core.engines.speakers import Speaker, Spoken, checked, speaker_for
from ominix_core.engines.tokenizer import split_as_written
from ominix_core.errors import OminixError, RequestError, sentence_of
from ominix_core.generation import Failed, Finished, GenerationEvent, Request, Usage
from ominix_core.media import Abilities, AudioChunk, SpeechRequest
from ominix_core.mlx_setup import open_file_limit_kept, prepare

if TYPE_CHECKING:
    from ominix_core.engines.joiner import Samples

logger = logging.getLogger(__name__)

LONGEST_ON_CPU = 60
"""How much a piece of text may weigh on a CPU, which may take a second a letter: a long step looks like a hung one."""

Events = Iterator[tuple[str, GenerationEvent]]


@dataclass(eq=False)
class _Running:
    """A request in work. `piece` is what is being spoken, and None between two pieces."""

    request_id: str
    request: SpeechRequest
    pieces: Iterator[str]
    started: float
    piece: Iterator[Spoken] | None = None
    spoken_pieces: int = 0
    joiner: Joiner | None = None
    sample_rate: int = 0
    tokens: int = 0
    first_audio: float = 0.0

    @property
    def usage(self) -> Usage:
        return Usage(completion_tokens=self.tokens, ttft=max(0.0, self.first_audio - self.started))


class SynthesisEngine(QueuedEngine[_Running]):
    """One speech model. Requests take turns, one sentence each; a step is one part of a sentence."""

    _model: Any
    _speaker: Speaker

    def __init__(self) -> None:
        super().__init__()
        self._longest = LONGEST_WEIGHT

    @property
    def abilities(self) -> Abilities:
        return self._speaker.abilities

    def load(self, folder: Path, options: LoadOptions, report: LoadReport) -> None:
        """Load the model in `folder`. Raises LoadError that names it."""
        refuse_code(folder, options)
        refuse_settings(folder, options, "draft_folder", "adapter_folder", "bits")
        prepare()
        import mlx.core as mx

        report("reading")
        with open_file_limit_kept():
            from mlx_audio.tts.utils import load_model
        split_as_written(folder)
        with explained(folder, options, "mlx-audio"):
            self._model = load_model(folder, lazy=True)
            self._speaker = speaker_for(self._model, folder)
        if not mx.metal.is_available():
            to_float32(self._model)
            self._longest = LONGEST_ON_CPU
        evaluate([self._model], report)

    def submit(self, request_id: str, request: Request) -> None:
        """Queue a text. Raises RequestError if the model cannot do what is asked, or there is nothing to speak."""
        if not isinstance(request, SpeechRequest):
            raise RequestError("This model speaks; it takes text to be spoken.", "wrong_kind_of_model")
        request = checked(request, self.abilities)
        text = pieces(request.text, self._longest)
        first = next(text, None)
        if first is None:
            raise RequestError("There is nothing to speak in this text.", "invalid_input")
        self._queue.append(_Running(request_id, request, itertools.chain([first], text), time.perf_counter()))

    def step(self) -> Events:
        """Speak the next part of the sentence that is in work."""
        for running in self._cancelled:
            yield running.request_id, Finished("cancelled", running.usage)
        self._cancelled.clear()
        if not self._queue:
            return
        running = self._queue[0]
        try:
            yield from self._advance(running)
        except OminixError as error:
            self._queue.remove(running)
            yield running.request_id, Failed(str(error), error.code)
        except Exception as error:  # this request is lost, the model is not
            logger.exception("speaking failed")
            self._queue.remove(running)
            yield running.request_id, Failed(f"The model could not speak this text: {sentence_of(error)}")

    def _advance(self, running: _Running) -> Events:
        if running.piece is None:
            text = next(running.pieces, None)
            if text is None:
                self._queue.remove(running)
                yield running.request_id, _end(running)
                return
            _seed(running)
            running.piece = self._speaker.speak(text, running.request)
        part = next(running.piece, None)
        if part is not None:
            running.tokens += part.tokens
            if running.joiner is None:
                running.joiner, running.sample_rate = Joiner(part.sample_rate), part.sample_rate
            samples = running.joiner.add(mono(part.samples))
        else:
            running.piece = None
            running.spoken_pieces += 1
            self._queue.rotate(-1)
            if running.joiner is None:
                return
            samples = running.joiner.end_piece()
        yield from _chunk(running, samples)

    def _let_go(self, running: _Running) -> None:
        if running.piece is not None:
            running.piece.close()  # type: ignore[attr-defined]  # every speaker's is a generator


def _seed(running: _Running) -> None:
    """Each sentence draws from its own seed, so that requests that take turns do not change each other."""
    import secrets

    import mlx.core as mx

    seed = running.request.seed
    mx.random.seed(secrets.randbits(32) if seed is None else seed + running.spoken_pieces)


def _chunk(running: _Running, samples: Samples) -> Events:
    if len(samples):
        running.first_audio = running.first_audio or time.perf_counter()
        yield running.request_id, AudioChunk(samples.astype("<f4").tobytes(), running.sample_rate)


def _end(running: _Running) -> Finished | Failed:
    if not running.first_audio:
        return Failed("The model made no sound of this text.", "no_audio")
    return Finished("stop", running.usage)
