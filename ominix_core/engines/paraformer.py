"""The engine of Paraformer: it finds speech, recognises several clips at a time, and puts marks between the words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ominix_core.audio.chunks import Chunk, ChunkCutter
from ominix_core.audio.sources import Samples
from ominix_core.engines.base import LoadOptions, LoadReport
from ominix_core.engines.heard import Heard
from ominix_core.engines.listening import FILES_AT_ONCE, Before, ChunkLength, Listener
from ominix_core.engines.load_errors import explained
from ominix_core.engines.transcription import TranscriptionEngine
from ominix_core.errors import LoadError
from ominix_core.media import Abilities, SpokenWord, TranscriptionRequest, TranscriptPartial
from ominix_core.mlx_setup import prepare

if TYPE_CHECKING:
    from ominix_core.models.paraformer.model import Paraformer
    from ominix_core.models.paraformer.punctuation import Punctuator
    from ominix_core.models.paraformer.segmentation import SpeechDetector

# The folders of the parts that a model can do without.
VAD, PUNCTUATION = "vad", "punc"
# Speech without a pause is cut at a quiet moment between so many seconds.
SHORTEST_CUT, LONGEST_CLIP = 8.0, 20.0
# What is recognised in one go, silence at the ends of shorter clips included: it bounds memory, and how soon a
# cancelled file ends.
BATCH_SECONDS = 30.0
LANGUAGES = ("chinese", "english")


class ParaformerEngine(TranscriptionEngine):
    """A Paraformer, with FSMN-VAD and CT-Transformer punctuation where their files are there."""

    def _load(self, folder: Path, options: LoadOptions, report: LoadReport) -> Listener:
        prepare()
        from ominix_core.models.paraformer.loading import has_part, load
        from ominix_core.models.paraformer.model import Paraformer
        from ominix_core.models.paraformer.punctuation import Punctuator
        from ominix_core.models.paraformer.segmentation import SpeechDetector

        report("reading")
        with explained(folder, options, "funasr-mlx"):
            model = Paraformer(folder)
            detector = SpeechDetector(folder / VAD) if has_part(folder / VAD) else None
            if detector is not None and detector.rate != model.rate:
                raise LoadError(
                    f"{folder.name} listens at {model.rate} Hz, but its detector of speech at {detector.rate}."
                )
            punctuator = Punctuator(folder / PUNCTUATION) if has_part(folder / PUNCTUATION) else None
            parts = [part for each in (model, detector, punctuator) if each is not None for part in each.parts]
            load(parts, lambda done, total: report("loading weights", done, total))
        return ParaformerListener(model, detector, punctuator)


class ParaformerListener:
    """The model and its helpers in memory.

    Attributes:
        abilities: What its requests can ask for.
        rate: The sample rate that it listens at, in Hz.
    """

    chunk = ChunkLength(45.0, 60.0)

    def __init__(self, model: Paraformer, detector: SpeechDetector | None, punctuator: Punctuator | None) -> None:
        self._model = model
        self._detector = detector
        self._punctuator = punctuator
        self.rate = model.rate
        options = ("language", "word_times", "prompt") if model.takes_hotwords else ("language", "word_times")
        self.abilities = Abilities(options=options, languages=LANGUAGES, at_once=FILES_AT_ONCE)

    def listen(
        self, samples: Samples, request: TranscriptionRequest, before: Before
    ) -> Iterator[TranscriptPartial | Heard]:
        """See Listener. It writes what it hears in both its languages, whatever language is asked for."""
        from ominix_core.models.paraformer.sentences import sentences
        from ominix_core.models.paraformer.words import text_of

        said: list[list[SpokenWord]] = []
        for batch in self._batches(self._clips(samples)):
            if said:
                yield TranscriptPartial(text_of(word.text for words in said for word in words))
            heard = self._model.recognise([clip.samples for clip in batch], request.prompt or "")
            said += [self._moved(words, clip) for clip, words in zip(batch, heard, strict=True)]
        texts = [word.text for words in said for word in words]
        segments = list(sentences(said, self._punctuator.marks(texts) if self._punctuator else None))
        if not request.word_times:
            segments = [msgspec.structs.replace(segment, words=()) for segment in segments]
        yield Heard(segments, _language(texts))

    def _clips(self, samples: Samples) -> Iterator[Chunk]:
        """The speech in a chunk, in clips."""
        if self._detector is None:
            yield from self._cut(Chunk(0.0, samples))
            return
        for start, end in self._detector.speech(samples):
            clip = Chunk(start / self.rate, samples[start:end])
            if end - start <= LONGEST_CLIP * self.rate:
                yield clip
            else:
                yield from self._cut(clip)

    def _cut(self, clip: Chunk) -> Iterator[Chunk]:
        for part in ChunkCutter(self.rate, SHORTEST_CUT, LONGEST_CLIP).cut(clip.samples):
            yield Chunk(clip.start + part.start, part.samples)

    def _batches(self, clips: Iterator[Chunk]) -> Iterator[list[Chunk]]:
        batch: list[Chunk] = []
        longest = 0
        for clip in clips:
            longest = max(longest, len(clip.samples))
            if batch and longest * (len(batch) + 1) > BATCH_SECONDS * self.rate:
                yield batch
                batch, longest = [], len(clip.samples)
            batch.append(clip)
        if batch:
            yield batch

    def _moved(self, words: list[SpokenWord], clip: Chunk) -> list[SpokenWord]:
        """Times in a clip as times in the chunk; the last frame may reach beyond the end."""
        end = len(clip.samples) / self.rate
        return [
            SpokenWord(word.text, clip.start + min(word.start, end), clip.start + min(word.end, end)) for word in words
        ]


def _language(words: list[str]) -> str | None:
    """English is what is written in Latin letters alone."""
    if not words:
        return None
    return "english" if all(word.isascii() for word in words) else "chinese"
