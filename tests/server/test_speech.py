"""Speech through the official client and as bytes, against OpenAI's published schema."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import pytest
import soundfile

from ominix_core.audio.stream import AudioStream
from ominix_core.hub import Hub
from ominix_core.media import AudioChunk, SpeechRequest
from ominix_core.paths import Home
from ominix_core.settings import Settings
from tests.conftest import speech_entry
from tests.server.conftest import api_server, running, wait_until
from tests.server.openai_schema import assert_conforms
from tests.support.tiny_speech import make_tiny_qwen3_tts

BODY: dict[str, Any] = {"model": "speaker", "input": "Hello there, my friend. How are you today?", "voice": "vivian"}
WAV = BODY | {"response_format": "wav"}


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory, tiny_tts: Path) -> Iterator[tuple[Hub, httpx.Client]]:
    """A hub with a speech model loaded, and a connection to its server."""
    home = Home(tmp_path_factory.mktemp("home"))
    home.registry_override.write_text(json.dumps({"models": [speech_entry("speaker", tiny_tts)]}))
    with Hub(home, Settings(isolation="thread", warm_spare=False)) as hub:
        hub.load("speaker").result(60)
        with (
            running(api_server(hub)) as server,
            httpx.Client(base_url=server.url, timeout=60, trust_env=False) as client,
        ):
            yield hub, client


@pytest.fixture
def http(speech: tuple[Hub, httpx.Client]) -> httpx.Client:
    return speech[1]


def events(response: httpx.Response) -> list[dict[str, Any]]:
    return [json.loads(line.removeprefix("data: ")) for line in response.text.splitlines() if line.startswith("data:")]


def test_the_official_client_gets_a_file(speech: tuple[Hub, httpx.Client], tmp_path: Path) -> None:
    base_url = str(speech[1].base_url.join("/v1"))
    with openai.OpenAI(base_url=base_url, api_key="unused", max_retries=0) as client:
        client.audio.speech.create(
            model="speaker", voice="vivian", input="Hello there, my friend.", instructions="Softly"
        ).write_to_file(tmp_path / "speech.mp3")
        with client.audio.speech.with_streaming_response.create(
            model="", voice={"id": "ryan"}, input="Hello there, my friend.", response_format="pcm"
        ) as response:
            assert sum(map(len, response.iter_bytes())) > 1000
    with soundfile.SoundFile(tmp_path / "speech.mp3") as file:
        assert (file.format, file.samplerate, file.frames > 1000) == ("MP3", 24_000, True)


@pytest.mark.parametrize(
    ("name", "media_type", "kind"),
    [("wav", "audio/wav", "WAV"), ("flac", "audio/flac", "FLAC"), ("opus", "audio/ogg", "OGG")],
)
def test_formats(http: httpx.Client, name: str, media_type: str, kind: str) -> None:
    response = http.post("/v1/audio/speech", json=BODY | {"response_format": name})
    assert response.headers["content-type"] == media_type
    with soundfile.SoundFile(io.BytesIO(response.content)) as file:
        assert (file.format, file.samplerate, file.channels) == (kind, 24_000, 1)


def test_a_stream_is_one_header_and_what_the_model_spoke(speech: tuple[Hub, httpx.Client]) -> None:
    hub, http = speech
    with http.stream("POST", "/v1/audio/speech", json=WAV | {"seed": 5}) as response:
        parts = list(response.iter_raw())
    wav = b"".join(parts)
    assert len(parts) > 2
    assert wav.count(b"RIFF") == 1
    spoken = b"".join(
        event.samples
        for event in hub.generate("speaker", SpeechRequest(text=BODY["input"], voice="vivian", seed=5))
        if isinstance(event, AudioChunk)
    )
    samples = np.frombuffer(wav[44:], "<i2") / 32_767
    np.testing.assert_allclose(samples, np.frombuffer(spoken, "<f4"), atol=1e-4)


@pytest.mark.parametrize("text", ["…", "😀", " — ", "?!", "***", "。", "\u200b"])
def test_text_without_a_word_is_a_short_silence(http: httpx.Client, text: str) -> None:
    response = http.post("/v1/audio/speech", json=BODY | {"input": text, "response_format": "pcm"})
    assert response.status_code == 200
    assert response.content == bytes(round(0.3 * 24_000) * 2)


@pytest.mark.parametrize("name", ["wav", "flac", "mp3", "opus"])
def test_a_silence_is_audio_in_every_format(http: httpx.Client, tmp_path: Path, name: str) -> None:
    response = http.post("/v1/audio/speech", json=BODY | {"input": "🎉🎉", "response_format": name})
    (tmp_path / "silence").write_bytes(response.content)
    stream = AudioStream(tmp_path / "silence", 24_000)
    samples = np.concatenate(list(stream.blocks()))
    stream.close()
    assert len(samples) / 24_000 == pytest.approx(0.3, abs=0.1)
    assert np.abs(samples).max() < 1e-3


def test_events_of_a_silence(http: httpx.Client) -> None:
    body = BODY | {"input": "…", "response_format": "pcm", "stream_format": "sse"}
    *deltas, done = events(http.post("/v1/audio/speech", json=body))
    assert sum(len(base64.b64decode(delta["audio"])) for delta in deltas) == 14_400
    assert done["type"] == "speech.audio.done"


def test_events_hold_the_same_audio(http: httpx.Client) -> None:
    body = BODY | {"response_format": "pcm", "stream_format": "sse"}
    assert_conforms(body, "CreateSpeechRequest")
    seeded = body | {"seed": 5}
    *deltas, done = events(http.post("/v1/audio/speech", json=seeded))
    for item in (*deltas, done):
        assert_conforms(item, "CreateSpeechResponseStreamEvent")
    assert done["usage"]["output_tokens"] > 0
    audio = b"".join(base64.b64decode(delta["audio"]) for delta in deltas)
    assert audio == http.post("/v1/audio/speech", json=seeded | {"stream_format": "audio"}).content


@pytest.mark.parametrize(
    ("extra", "code", "param", "message"),
    [
        ({"response_format": "aac"}, "invalid_value", "response_format", "'wav', 'pcm', 'flac', 'mp3' or 'opus'"),
        ({"voice": "alloy"}, "unknown_voice", "voice", "no voice 'alloy'. It has: vivian, ryan."),
        ({"speed": 1.5}, "unsupported_speed", "speed", "no speed to set"),
        ({"language": "xx"}, "unknown_language", "language", "no language 'xx'"),
        ({"input": ""}, "invalid_value", "input", "at least 1"),
        ({"input": " \n"}, "invalid_input", None, "nothing to speak"),
        ({"seed": -1}, "invalid_value", "seed", "greater"),
        ({"volume": 2}, "unsupported_parameter", "volume", "'volume' is not supported"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(
    http: httpx.Client, extra: dict[str, Any], code: str, param: str | None, message: str
) -> None:
    response = http.post("/v1/audio/speech", json=BODY | extra)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (400, code, param)
    assert message in error["message"]
    assert_conforms(response.json(), "ErrorResponse")


def test_a_client_that_leaves_ends_the_speech(speech: tuple[Hub, httpx.Client]) -> None:
    _, http = speech
    long = WAV | {"input": "One more sentence of this. " * 2000}
    with http.stream("POST", "/v1/audio/speech", json=long) as response:
        parts = response.iter_raw()
        next(parts)
        assert len(http.get("/v1/requests").json()["data"]) == 1
    wait_until(lambda: http.get("/v1/requests").json()["data"] == [])


def test_a_cancelled_stream_breaks_off(http: httpx.Client) -> None:
    long = WAV | {"input": "One more sentence of this. " * 2000}
    with http.stream("POST", "/v1/audio/speech", json=long) as response:
        parts = response.iter_raw()
        next(parts)
        (live,) = http.get("/v1/requests").json()["data"]
        http.delete(f"/v1/requests/{live['id']}")
        with pytest.raises(httpx.RemoteProtocolError):
            list(parts)


def test_without_a_speech_model(shared_http: httpx.Client) -> None:
    refused = shared_http.post("/v1/audio/speech", json=BODY | {"model": ""})
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "model_not_loaded")
    assert "No speech model is loaded" in refused.json()["error"]["message"]
    wrong = shared_http.post("/v1/audio/speech", json=BODY | {"model": "tiny"})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, "wrong_kind_of_model")


class TestVoices:
    """`/v1/voices`, and speaking with one."""

    @pytest.fixture
    def http(self, home: Home, add_models: Callable[..., None], tmp_path: Path) -> Iterator[httpx.Client]:
        add_models(speech_entry("imitator", make_tiny_qwen3_tts(tmp_path / "base", "base", tokens=8)))
        with Hub(home, Settings(isolation="thread", warm_spare=False)) as hub:
            hub.load("imitator").result(60)
            with (
                running(api_server(hub)) as server,
                httpx.Client(base_url=server.url, timeout=60, trust_env=False) as client,
            ):
                yield client

    def test_add_speak_rename_and_remove(self, http: httpx.Client, clip: bytes) -> None:
        files = {"file": ("../../me.wav", clip, "audio/wav")}
        added = http.post("/v1/voices", data={"name": "Anna", "text": "Hello"}, files=files)
        assert added.status_code == 201
        expected = {"id": "Anna", "object": "voice", "model": None, "aliases": [], "text": "Hello", "default": False}
        assert added.json() == expected
        assert http.get("/v1/voices").json() == {"object": "list", "data": [expected]}

        spoken = http.post("/v1/audio/speech", json={"input": "Hi there.", "voice": "anna", "response_format": "wav"})
        assert spoken.status_code == 200
        assert http.patch("/v1/voices/ANNA", json={"name": "Annie"}).json()["id"] == "Annie"
        assert http.delete("/v1/voices/annie").json() == {"id": "Annie", "object": "voice", "deleted": True}
        gone = http.post("/v1/audio/speech", json={"input": "Hi there.", "voice": "anna"})
        assert (gone.status_code, gone.json()["error"]["code"]) == (404, "voice_not_found")

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("a/b", None, "is no name for a voice"),
            ("Anna", b"no audio", "x.wav cannot be read as audio"),
        ],
    )
    def test_bad_voices_are_refused_without_a_path(
        self, http: httpx.Client, clip: bytes, name: str, content: bytes | None, message: str
    ) -> None:
        response = http.post("/v1/voices", data={"name": name}, files={"file": ("x.wav", content or clip)})
        assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_voice")
        assert message in response.json()["error"]["message"]
        assert "/" not in response.json()["error"]["message"].replace("a/b", "")

    def test_a_form_without_its_file_is_refused(self, http: httpx.Client) -> None:
        response = http.post("/v1/voices", data={"name": "Anna"})
        assert (response.status_code, response.json()["error"]["param"]) == (400, "file")

    def test_the_models_own_voices_are_listed(self, speech: tuple[Hub, httpx.Client]) -> None:
        data = speech[1].get("/v1/voices").json()["data"]
        assert [(voice["id"], voice["model"]) for voice in data] == [("vivian", "speaker"), ("ryan", "speaker")]


@pytest.fixture
def clip() -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, 0.3 * np.sin(np.arange(16_000 * 4) / 20), 16_000, format="WAV")
    return buffer.getvalue()
