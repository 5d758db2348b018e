"""The real Kokoro 82M, out of Python packages: what it speaks is speech, and Whisper hears every word of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ominix_core.generation import Finished
from ominix_core.hub import Hub
from ominix_core.media import SpeechRequest, TranscriptionRequest
from ominix_core.paths import Home
from ominix_core.settings import Settings
from ominix_core.transcript import Transcript
from tests.conftest import local_entry, speech_entry
from tests.support.kokoro_package import provide_kokoro
from tests.support.speech import Samples, listen
from tests.support.word_errors import word_errors
from tests.transcription.conftest import SPEECH, fetched, whisper_tiny  # noqa: F401  fixtures

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("real_whisper")]

RATE = 24_000
SENTENCE = "Many people went to the old market in the morning."


@pytest.fixture
def hub(home: Home, add_models: Callable[..., None], whisper_tiny: Path) -> Iterator[Hub]:  # noqa: F811
    add_models(speech_entry("kokoro", provide_kokoro()), local_entry("whisper", whisper_tiny, **SPEECH))
    with Hub(home, Settings(isolation="process", hang_seconds=3600)) as hub:
        hub.load("kokoro").result(120)
        yield hub


def speak(hub: Hub, text: str, speed: float = 1.0) -> Samples:
    request = SpeechRequest(text=text, voice="jf_alpha", language="en", seed=3, speed=speed)
    samples, end = listen(hub.generate("kokoro", request))
    assert isinstance(end, Finished), end
    return samples


def test_a_sentence_is_speech_and_is_understood_word_for_word(hub: Hub, tmp_path: Path) -> None:
    samples = speak(hub, SENTENCE)
    assert 2 < len(samples) / RATE < 5
    loudness = np.sqrt(np.mean(samples[: len(samples) // 480 * 480].reshape(-1, 480) ** 2, axis=1))
    assert loudness.max() > 0.03
    assert (loudness < 0.1 * loudness.max()).mean() > 0.1, "there are pauses"

    soundfile.write(tmp_path / "speech.wav", samples, RATE)
    hub.load("whisper").result(120)
    heard = Transcript.of(hub.generate("whisper", TranscriptionRequest(path=str(tmp_path / "speech.wav"))))
    errors, words = word_errors(SENTENCE, heard.text)
    assert (errors, words) == (0, 10), heard.text


def test_speed_shortens_speech(hub: Hub) -> None:
    assert len(speak(hub, "Seven people went.", speed=2.0)) < 0.75 * len(speak(hub, "Seven people went."))
