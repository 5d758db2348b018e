"""Fixtures that every part of the suite shares: a home of its own for each test, tiny models, hubs on real workers."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from httpx._config import DEFAULT_TIMEOUT_CONFIG
from hypothesis import HealthCheck, settings

from ominix_core.hub import Hub
from ominix_core.mlx_setup import prepare
from ominix_core.paths import Home
from ominix_core.settings import Settings
from tests.support.leftovers import end_leftovers
from tests.support.tiny_models import make_endless_llm, make_tiny_llm
from tests.support.tiny_speech import make_tiny_kokoro, make_tiny_qwen3_tts

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background job; what tests start inherits it
    signal.signal(signal.SIGINT, signal.default_int_handler)
prepare()  # before any test's module imports mlx
# The same examples in every run, at the pace of any machine.
settings.register_profile("ominix", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ominix")
for phase in ("connect", "read", "write", "pool"):
    setattr(DEFAULT_TIMEOUT_CONFIG, phase, 60.0)  # httpx's five seconds are not many where the machine is busy


@pytest.fixture(scope="session", autouse=True)
def nothing_left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Fail the run if its tests leave programs or open ports behind. A home of theirs names the test."""
    yield
    assert end_leftovers(tmp_path_factory.getbasetemp()) == []


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A fresh OMINIX_HOME, so that no test sees the user's or another test's files."""
    monkeypatch.setenv("OMINIX_HOME", str(tmp_path / "home"))
    for variable in ("OMINIX_ISOLATION", "OMINIX_HOST", "OMINIX_PORT", "OMINIX_KEY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("OMINIX_REGISTRY_URL", "off")
    # Nobody listens there: a test that reaches for a hub without making one fails at once, and offline.
    for variable in ("HF_ENDPOINT", "MODELSCOPE_ENDPOINT"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    home = Home.from_environment()
    home.root.mkdir()
    return home


@pytest.fixture(scope="session")
def tiny_llm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random qwen3 model folder. Tests must not change it."""
    return make_tiny_llm(tmp_path_factory.mktemp("models") / "tiny-qwen3")


@pytest.fixture(scope="session")
def endless_llm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model whose answers only end at max tokens. Tests must not change it."""
    return make_endless_llm(tmp_path_factory.mktemp("models") / "endless")


@pytest.fixture(scope="session")
def tiny_kokoro(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Kokoro folder. Tests must not change it."""
    return make_tiny_kokoro(tmp_path_factory.mktemp("models") / "tiny-kokoro")


@pytest.fixture(scope="session")
def tiny_tts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Qwen3-TTS folder with two voices. Tests must not change it."""
    return make_tiny_qwen3_tts(tmp_path_factory.mktemp("models") / "tiny-tts")


def local_entry(model_id: str, folder: Path, **fields: Any) -> dict[str, Any]:
    """A registry entry, as JSON, for a model folder on this machine."""
    entry = {
        "id": model_id,
        "name": model_id.replace("-", " ").title(),
        "category": "LLM",
        "source": {"type": "Local", "path": str(folder)},
        "runtime": {"engine": "mlx-lm", "parameters": "0.1M", "quantization": "float32", "memory_gb": 0.1},
    }
    return entry | fields


def speech_entry(model_id: str, folder: Path, **fields: Any) -> dict[str, Any]:
    """The same for a speech model."""
    fields = {"category": "TTS", "runtime": {"engine": "mlx-audio-tts"}, "ui": {"panel_type": "TTSSynthesis"}} | fields
    return local_entry(model_id, folder, **fields)


@pytest.fixture
def add_models(home: Home) -> Callable[..., None]:
    """Write entries to the user's registry layer of this test's home."""

    def add(*entries: dict[str, Any]) -> None:
        home.registry_override.write_text(json.dumps({"version": "1.0.0", "models": entries}))

    return add


@pytest.fixture
def hub(home: Home, add_models: Callable[..., None], tiny_llm: Path) -> Iterator[Hub]:
    """A hub that knows the models "tiny" and "tiny-two" (the same files), with workers on threads."""
    add_models(local_entry("tiny", tiny_llm), local_entry("tiny-two", tiny_llm))
    with Hub(home, Settings(isolation="thread")) as hub:
        yield hub


@pytest.fixture
def process_hub(home: Home, add_models: Callable[..., None], tiny_llm: Path) -> Iterator[Hub]:
    """The same with workers in processes of their own."""
    add_models(local_entry("tiny", tiny_llm), local_entry("tiny-two", tiny_llm))
    with Hub(home, Settings(isolation="process")) as hub:
        yield hub
