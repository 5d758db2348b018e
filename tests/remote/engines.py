"""Engines for what the wire carries beyond text."""

from __future__ import annotations

import array
from collections.abc import Iterable
from pathlib import Path

from ominix_core.engines.base import LoadOptions, LoadReport
from ominix_core.generation import Finished, GenerationEvent, Request
from ominix_core.media import (
    Abilities,
    AudioChunk,
    AudioProgress,
    ImageMade,
    ImageRequest,
    ImageStep,
    SpeechRequest,
    SpokenWord,
    Transcribed,
    TranscriptionRequest,
    TranscriptSegment,
)


class EchoEngine:
    """Tells what it was given: where a file lies and what is in it, or the request itself."""

    abilities = Abilities(options=("seed", "reference"), voices=("anna",), languages=("en", "de"))

    def __init__(self) -> None:
        self._waiting: list[tuple[str, GenerationEvent]] = []

    @property
    def busy(self) -> bool:
        return bool(self._waiting)

    @property
    def running(self) -> int:
        return len({request_id for request_id, _ in self._waiting})

    def load(self, folder: Path, options: LoadOptions, report: LoadReport) -> None:
        report("reading")

    def submit(self, request_id: str, request: Request) -> None:
        events = [*_events(request), Finished("stop")]
        self._waiting += [(request_id, event) for event in events]

    def cancel(self, request_id: str) -> None:
        pass

    def step(self) -> Iterable[tuple[str, GenerationEvent]]:
        events, self._waiting = self._waiting, []
        return events

    def trim(self) -> None:
        pass

    def close(self) -> None:
        pass


def _events(request: Request) -> Iterable[GenerationEvent]:
    match request:
        case TranscriptionRequest():
            content = Path(request.path).read_bytes()
            yield AudioProgress(0.5, 1.0)
            words = (SpokenWord("one", 0.0, 0.5),) if request.word_times else ()
            yield TranscriptSegment(0.0, 1.0, f"{request.path}\n{content.decode()}", words)
            yield Transcribed(request.language, 1.0)
        case SpeechRequest():
            size = Path(request.reference.path).stat().st_size if request.reference else 0
            samples = array.array("f", [0.0, 0.5, -1.0, float(size)])
            yield AudioChunk(samples.tobytes(), 24000)
        case ImageRequest():
            yield ImageStep(0, 1, 2, b"\x00preview\xff")
            yield ImageMade(
                index=0,
                png=b"".join(request.sources)[::-1],
                width=64,
                height=32,
                steps=2,
                guidance=1.5,
                seed=request.seed or 0,
                seconds=0.1,
            )
