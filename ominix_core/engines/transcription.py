"""The transcription engine: audio files of any length, chunk by chunk; its models are those of mlx-audio."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from ominix_core.audio.chunks import Chunk
from ominix_core.audio.reader import ChunkReader, End
from ominix_core.engines.base import LoadOptions, LoadReport
from ominix_core.engines.heard import Heard
from ominix_core.engines.languages import name_of
from ominix_core.engines.listening import Before, Listener, check_request
from ominix_core.engines.loading import refuse_settings
from ominix_core.engines.queued import QueuedEngine
from ominix_core.engines.recognizer_loading import load_recognizer
from ominix_core.errors import RequestError
from ominix_core.generation import Failed, Finished, GenerationEvent, Request
from ominix_core.media import (
    Abilities,
    AudioProgress,
    SpokenWord,
    Transcribed,
    TranscriptionRequest,
    TranscriptPartial,
    TranscriptSegment,
)

logger = logging.getLogger(__name__)

# How long a step may wait for a file that is being decoded.
PATIENCE_SECONDS = 0.05


@dataclass
class _Running:
    """One file on its way.

    Attributes:
        before: What the model has heard so far, up to `until` seconds from the start.
        chunk: What the model listens to now, in `listening`.
    """

    request_id: str
    request: TranscriptionRequest
    reader: ChunkReader
    before: Before = field(default_factory=Before)
    until: float = 0.0
    chunk: Chunk | None = None
    listening: Iterator[TranscriptPartial | Heard] = field(default_factory=lambda: iter(()))


class TranscriptionEngine(QueuedEngine[_Running]):
    """One model. Files take turns: after each chunk of one comes a chunk of the next."""

    _listener: Listener

    @property
    def abilities(self) -> Abilities:
        return self._listener.abilities

    def load(self, folder: Path, options: LoadOptions, report: LoadReport) -> None:
        """Load the model in `folder`. Raises LoadError that names it."""
        refuse_settings(folder, options, "draft_folder", "adapter_folder", "bits")
        self._listener = self._load(folder, options, report)

    def _load(self, folder: Path, options: LoadOptions, report: LoadReport) -> Listener:
        return load_recognizer(folder, options, report)

    def submit(self, request_id: str, request: Request) -> None:
        """Begin to decode a file. Raises RequestError if the model cannot do what is asked."""
        if not isinstance(request, TranscriptionRequest):
            raise RequestError("This model writes down speech; it does nothing else.", "wrong_kind_of_model")
        listener = self._listener
        if (request.language or "").lower() in ("", "auto"):
            request = msgspec.structs.replace(request, language=None)
        check_request(request, listener.abilities)
        reader = ChunkReader(Path(request.path), listener.rate, listener.chunk.shortest, listener.chunk.longest)
        self._queue.append(_Running(request_id, request, reader))

    def step(self) -> Iterator[tuple[str, GenerationEvent]]:
        """A piece of work on the chunk of the file whose turn it is."""
        for running in self._cancelled:
            yield running.request_id, Finished("cancelled")
        self._cancelled.clear()
        if not self._queue:
            return
        running = self._queue[0]
        try:
            events = list(self._advance(running))
        except RequestError as error:
            self._leave(running)
            events = [Failed(str(error), error.code)]
        except Exception as error:  # this request is lost, the model is not
            logger.exception("transcribing %s failed", running.request.path)
            self._leave(running)
            events = [Failed(f"The model failed on this audio: {error}.")]
        for event in events:
            yield running.request_id, event

    def _advance(self, running: _Running) -> Iterator[GenerationEvent]:
        if running.chunk is None:
            yield from self._next_chunk(running)
            return
        result = next(running.listening)
        if isinstance(result, TranscriptPartial):
            yield result
            return
        yield from _shifted(result.segments, running.chunk.start, running.until)
        told = result.language if result.segments else None
        running.before = Before(running.before.language or told, result.last)
        end = running.chunk.start + len(running.chunk.samples) / self._listener.rate
        if (heard := running.chunk.start + result.until) < end:
            running.reader.come_back_to(end := heard)
        running.until = end
        yield AudioProgress(end, running.reader.seconds)
        running.chunk = None
        self._queue.rotate(-1)
        self.trim()  # chunks differ in length, and what one leaves behind rarely fits the next

    def _next_chunk(self, running: _Running) -> Iterator[GenerationEvent]:
        result = running.reader.next(PATIENCE_SECONDS)
        match result:
            case Chunk():
                running.chunk = result
                running.listening = self._listener.listen(result.samples, running.request, running.before)
            case End():
                self._leave(running)
                yield AudioProgress(result.seconds, result.seconds)
                asked = running.request.language
                yield Transcribed(running.before.language or (name_of(asked) if asked else None), result.seconds)
                yield Finished("stop")
            case None:
                self._queue.rotate(-1)

    def _let_go(self, running: _Running) -> None:
        running.reader.close()


def _shifted(segments: list[TranscriptSegment], offset: float, earliest: float) -> Iterator[TranscriptSegment]:
    def moved(time: float) -> float:
        return max(time + offset, earliest)

    for segment in segments:
        words = tuple(SpokenWord(word.text, moved(word.start), moved(word.end)) for word in segment.words)
        yield TranscriptSegment(moved(segment.start), moved(segment.end), segment.text, words)
