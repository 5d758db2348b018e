"""Speech and images reach a model near or far, and their files with them."""

from __future__ import annotations

import array
import hashlib
import json
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from ominix_core.engines import ENGINES
from ominix_core.facade import HubFacade
from ominix_core.generation import Failed, Finished
from ominix_core.hub import Hub
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
    VoiceReference,
)
from ominix_core.remote.hub import RemoteHub
from ominix_core.server.run import ApiServer
from tests.conftest import local_entry
from tests.remote.engines import EchoEngine
from tests.server.conftest import wait_until


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch, add_models: Callable[..., None], tiny_llm: Path) -> None:
    """The model "echo", of no kind in particular."""
    monkeypatch.setitem(ENGINES, "echo", f"{EchoEngine.__module__}:{EchoEngine.__name__}")
    add_models(local_entry("echo", tiny_llm, category="ASR", runtime={"engine": "echo"}))


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    path = tmp_path / "speech of mine.wav"
    path.write_text("what was said")
    return path


@pytest.fixture(autouse=True)
def temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def test_abilities(either: HubFacade) -> None:
    assert either.abilities("echo") is None
    either.load("echo").result(60)
    assert either.abilities("echo") == EchoEngine.abilities
    assert isinstance(either.abilities("echo"), Abilities)


def test_a_transcription(either: HubFacade, audio: Path) -> None:
    either.load("echo").result(60)
    request = TranscriptionRequest(path=str(audio), language="de", word_times=True)
    progress, segment, transcribed, end = either.generate("echo", request)
    assert progress == AudioProgress(0.5, 1.0)
    assert isinstance(segment, TranscriptSegment)
    assert segment.text.partition("\n")[2] == "what was said"
    assert segment.words == (SpokenWord("one", 0.0, 0.5),)
    assert transcribed == Transcribed("de", 1.0)
    assert isinstance(end, Finished)


def test_speech_in_a_voice(either: HubFacade, audio: Path) -> None:
    either.load("echo").result(60)
    request = SpeechRequest(text="Hello", reference=VoiceReference(str(audio), "what was said"), seed=3)
    chunk, end = either.generate("echo", request)
    assert isinstance(chunk, AudioChunk)
    assert (len(chunk.samples), chunk.sample_rate) == (16, 24000)
    assert isinstance(end, Finished)


def test_an_image(either: HubFacade) -> None:
    either.load("echo").result(60)
    source = bytes(range(256)) * 1000
    step, made, end = either.generate("echo", ImageRequest(prompt="a fox", sources=(source[:9], source[9:]), seed=5))
    assert step == ImageStep(0, 1, 2, b"\x00preview\xff")
    assert isinstance(made, ImageMade)
    assert hashlib.sha256(made.png).digest() == hashlib.sha256(source[::-1]).digest()
    assert (made.seed, made.guidance) == (5, 1.5)
    assert isinstance(end, Finished)


def test_an_uploaded_file_is_temporary(far: RemoteHub, audio: Path, temporary_files: Path) -> None:
    far.load("echo").result(60)
    _, segment, _, _ = far.generate("echo", TranscriptionRequest(path=str(audio)))
    assert isinstance(segment, TranscriptSegment)
    path = Path(segment.text.partition("\n")[0])
    assert path != audio
    assert path.suffix == ".wav"
    assert path.is_relative_to(temporary_files)
    wait_until(lambda: not os.listdir(temporary_files))


def test_a_file_that_is_not_there(far: RemoteHub, tmp_path: Path) -> None:
    far.load("echo").result(60)
    (end,) = far.generate("echo", TranscriptionRequest(path=str(tmp_path / "none.wav")))
    assert isinstance(end, Failed)
    assert "none.wav cannot be read: No such file" in end.message


PATHS: list[dict[str, object]] = [
    {"type": "transcription", "path": "/etc/passwd"},
    {"type": "transcription", "path": "../../etc/passwd"},
    {"type": "speech", "text": "Hello", "reference": {"path": "/etc/passwd"}},
]


@pytest.mark.parametrize("asked", PATHS)
@pytest.mark.parametrize("as_form", [False, True])
def test_a_path_from_the_wire_is_refused(
    server: ApiServer, near: Hub, temporary_files: Path, asked: dict[str, object], as_form: bool
) -> None:
    near.load("echo").result(60)
    form: Any = {"data": {"request": json.dumps(asked)}, "files": {"file": ("file.wav", b"hello")}}
    body = form if as_form else {"json": {"request": asked}}
    response = httpx.post(f"{server.url}/v1/models/echo/generate", **body)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "invalid_value"
    assert "paths are not taken" in response.json()["error"]["message"]
    assert not os.listdir(temporary_files)


@pytest.mark.parametrize("name", ["../../escape.wav", "a/b/c.w%00v", "x." + "y" * 300, ".wav", "%2e%2e/x.wav"])
def test_a_hostile_name_of_an_upload_names_nothing(
    server: ApiServer, near: Hub, temporary_files: Path, name: str
) -> None:
    near.load("echo").result(60)
    data = {"request": json.dumps({"type": "transcription", "path": name})}
    response = httpx.post(f"{server.url}/v1/models/echo/generate", data=data, files={"file": (name, b"hello")})
    assert response.status_code == 200, response.text
    assert f"{temporary_files}/ominix-upload-" in response.text
    assert "hello" in response.text
    wait_until(lambda: not os.listdir(temporary_files))


@pytest.mark.parametrize(
    ("data", "files", "param"),
    [
        ({}, {"file": ("a.wav", b"hello")}, "request"),
        ({"request": "{"}, {"file": ("a.wav", b"hello")}, None),
        ({"request": '{"type": "transcription"}'}, {"file": ("a.wav", b"hello")}, "request"),
        ({"request": '{"type": "chat", "messages": 5}'}, {"file": ("a.wav", b"hello")}, "request.messages"),
        ({"request": '{"type": "transcription", "path": "a.wav"}', "file": "text"}, {"x": ("a.wav", b"hello")}, "file"),
    ],
)
def test_a_form_that_cannot_be_read(
    server: ApiServer, near: Hub, data: dict[str, str], files: Any, param: str | None
) -> None:
    response = httpx.post(f"{server.url}/v1/models/echo/generate", data=data, files=files)
    assert (response.status_code, response.json()["error"]["param"]) == (400, param)


def test_a_large_upload_never_lies_in_memory(far: RemoteHub, tmp_path: Path) -> None:
    audio = tmp_path / "long.wav"
    with audio.open("wb") as file:
        file.truncate(40_000_000)
    far.load("echo").result(60)
    tracemalloc.start()
    try:
        chunk, _ = far.generate("echo", SpeechRequest(text="Hello", reference=VoiceReference(str(audio), "what")))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(chunk, AudioChunk)
    assert array.array("f", chunk.samples)[-1] == 40_000_000
    assert most < 16_000_000
