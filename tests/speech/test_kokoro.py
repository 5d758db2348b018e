"""The real Kokoro 82M, out of Python packages: what it speaks sounds like speech, and takes the time of speech."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from ominix_core.generation import Finished
from ominix_core.hub import Hub
from ominix_core.media import SpeechRequest
from ominix_core.paths import Home
from ominix_core.settings import Settings
from tests.conftest import speech_entry
from tests.support.kokoro_package import provide_kokoro
from tests.support.speech import Samples, listen

pytestmark = pytest.mark.slow

RATE = 24_000
SENTENCE = "The quick brown fox jumps over the lazy dog."


@pytest.fixture
def hub(home: Home, add_models: Callable[..., None]) -> Iterator[Hub]:
    add_models(speech_entry("kokoro", provide_kokoro()))
    with Hub(home, Settings(isolation="process", hang_seconds=3600)) as hub:
        hub.load("kokoro").result(120)
        yield hub


def speak(hub: Hub, **fields: object) -> Samples:
    request = SpeechRequest(text=SENTENCE, voice="jf_alpha", language="en", seed=3, **fields)  # type: ignore[arg-type]
    samples, end = listen(hub.generate("kokoro", request))
    assert isinstance(end, Finished), end
    return samples


def test_a_sentence_sounds_like_speech(hub: Hub) -> None:
    samples = speak(hub)
    assert 2.5 < len(samples) / RATE < 5
    loudness = np.sqrt(np.mean(samples[: len(samples) // 480 * 480].reshape(-1, 480) ** 2, axis=1))
    assert loudness.max() > 0.03
    assert (loudness < 0.1 * loudness.max()).mean() > 0.1, "there are pauses"
    spectrum = np.abs(np.fft.rfft(samples)) ** 2
    frequencies = np.fft.rfftfreq(len(samples), 1 / RATE)
    assert spectrum[(frequencies > 80) & (frequencies < 4_000)].sum() > 0.9 * spectrum.sum(), "a voice, not noise"


def test_speed_is_the_speed_of_speech(hub: Hub) -> None:
    fast = speak(hub, speed=2.0)
    assert len(fast) / RATE < 2.6
