"""The real Whisper tiny.en on a real voice, and a file of two hours."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ominix_core.hub import Hub
from ominix_core.media import TranscriptionRequest
from ominix_core.paths import Home
from ominix_core.settings import Settings
from ominix_core.transcript import Transcript
from tests.conftest import local_entry
from tests.support.piper import SENTENCES
from tests.support.sounds import silence, tone
from tests.support.word_errors import word_errors
from tests.transcription.conftest import SPEECH

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("real_whisper")]
RATE = 16000
TWO_HOURS = 7200


@pytest.fixture
def whisper_hub(home: Home, add_models: Callable[..., None], whisper_tiny: Path) -> Hub:
    add_models(local_entry("whisper", whisper_tiny, **SPEECH))
    hub = Hub(home, Settings(isolation="process"))
    hub.load("whisper").result(120)
    return hub


def test_at_most_six_words_in_a_hundred_are_wrong(whisper_hub: Hub, spoken_sentences: list[Path]) -> None:
    with whisper_hub as hub:
        wrong = said = 0
        for sentence, clip in zip(SENTENCES, spoken_sentences, strict=True):
            transcript = Transcript.of(hub.generate("whisper", TranscriptionRequest(path=str(clip))))
            errors, words = word_errors(sentence, transcript.text)
            wrong, said = wrong + errors, said + words
        assert wrong / said <= 0.06, f"{wrong} of {said} words"


def test_a_syllable_becomes_no_sentence(whisper_hub: Hub, spoken_sentences: list[Path], tmp_path: Path) -> None:
    """What a key that was touched for a moment records: a word at most, mostly nothing."""
    samples, rate = soundfile.read(spoken_sentences[0], dtype="float32")
    starts = np.arange(0.3, len(samples) / rate - 0.3, 0.25)[::2][:5]
    texts = []
    with whisper_hub as hub:
        for start in starts:
            piece = samples[int(start * rate) : int((start + 0.2) * rate)]
            soundfile.write(tmp_path / "piece.wav", piece, rate)
            request = TranscriptionRequest(path=str(tmp_path / "piece.wav"))
            texts.append(Transcript.of(hub.generate("whisper", request)).text.split())
        assert max(map(len, texts)) <= 2, texts
        assert sum(map(len, texts)) <= len(texts), texts


def test_nothing_is_lost_or_doubled_where_a_talk_is_cut(
    whisper_hub: Hub, spoken_sentences: list[Path], tmp_path: Path
) -> None:
    """Two minutes, the ten sentences in another order each time, with short pauses and the noise of a room."""
    random = np.random.default_rng(3)
    order = [index for _ in range(3) for index in random.permutation(len(SENTENCES))]
    parts = []
    for index in order:
        samples, rate = soundfile.read(spoken_sentences[index], dtype="float32")
        parts += [samples, silence(random.uniform(0.15, 0.8), rate)]
    talk = np.concatenate(parts)
    soundfile.write(tmp_path / "talk.flac", talk + random.normal(0, 0.001, len(talk)), rate)
    with whisper_hub as hub:
        transcript = Transcript.of(hub.generate("whisper", TranscriptionRequest(path=str(tmp_path / "talk.flac"))))
    errors, words = word_errors(" ".join(SENTENCES[index] for index in order), transcript.text)
    assert errors / words <= 0.06, f"{errors} of {words} words"


def test_words_are_found_where_they_are_spoken(whisper_hub: Hub, spoken_sentences: list[Path], tmp_path: Path) -> None:
    """Three sentences with long pauses between them: the word in the middle of each lies within its sentence."""
    clips = [soundfile.read(path, dtype="float32") for path in spoken_sentences[:3]]
    rate = clips[0][1]
    parts, spans, position = [], [], 0.0
    for samples, _ in clips:
        parts += [samples, silence(4.0, rate)]
        spans.append((position, position + len(samples) / rate))
        position = spans[-1][1] + 4.0
    soundfile.write(tmp_path / "talk.flac", np.concatenate(parts), rate)
    with whisper_hub as hub:
        request = TranscriptionRequest(path=str(tmp_path / "talk.flac"), word_times=True)
        words = [word for segment in Transcript.of(hub.generate("whisper", request)).segments for word in segment.words]
    assert len(words) >= 30
    for (start, end), sentence in zip(spans, SENTENCES, strict=False):
        middle = sentence.split()[len(sentence.split()) // 2]
        found = [word for word in words if word.text == middle]
        assert any(start < word.start < word.end < end for word in found), (middle, found)


MEASURE = """
import json, sys, psutil
from pathlib import Path
from ominix_core.engines.base import LoadOptions
from ominix_core.engines.transcription import TranscriptionEngine
from ominix_core.generation import Finished
from ominix_core.media import Transcribed, TranscriptionRequest, TranscriptSegment

def transcribe(path):
    engine.submit("r", TranscriptionRequest(path=path))
    segments, most, seconds = 0, 0, 0.0
    while engine.busy:
        for _, event in engine.step():
            segments += isinstance(event, TranscriptSegment)
            seconds = event.duration if isinstance(event, Transcribed) else seconds
        most = max(most, process.memory_info().rss)
    assert isinstance(event, Finished) and event.reason == "stop"
    return segments, most, seconds

process = psutil.Process()
engine = TranscriptionEngine()
engine.load(Path(sys.argv[1]), LoadOptions(), lambda *_: None)
_, before, _ = transcribe(sys.argv[2])
segments, most, seconds = transcribe(sys.argv[3])
print(json.dumps({"segments": segments, "seconds": seconds, "growth": most - before}))
"""


def test_two_hours_take_no_more_memory_than_a_minute(tiny_whisper: Path, tmp_path: Path) -> None:
    minute = np.concatenate([tone(50), silence(10)])
    soundfile.write(tmp_path / "minute.flac", minute, RATE)
    with soundfile.SoundFile(tmp_path / "hours.flac", "w", RATE, 1) as file:
        for _ in range(TWO_HOURS // 60):
            file.write(minute)
    arguments = [str(tiny_whisper), str(tmp_path / "minute.flac"), str(tmp_path / "hours.flac")]
    command = [sys.executable, "-c", MEASURE, *arguments]
    measured = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert measured["seconds"] == TWO_HOURS
    assert measured["segments"] >= TWO_HOURS / 60
    assert measured["growth"] <= 300 * 2**20
    print(f"\nresident memory grew by {measured['growth'] / 2**20:.0f} MiB")  # noqa: T201  the figure is worth seeing
