"""Transcription over HTTP: with the official client, against the published schema, and with what clients do wrong."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from ominix_core.hub import Hub
from ominix_core.paths import Home
from ominix_core.server.run import ApiServer
from ominix_core.settings import Settings
from tests.conftest import local_entry
from tests.server.conftest import api_server, running, wait_until
from tests.server.openai_schema import assert_conforms
from tests.support.sounds import silence, tone, write_audio
from tests.transcription.conftest import SPEECH

TEXT = "hello big world"
ROUTE = "/v1/audio/transcriptions"


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory,
    tiny_whisper: Path,
    german_whisper: Path,
    tiny_qwen3_asr: Path,
    tiny_llm: Path,
) -> Iterator[ApiServer]:
    """A server with three speech models in memory, and a language model that is not."""
    home = Home(tmp_path_factory.mktemp("home"))
    folders = {"english": tiny_whisper, "german": german_whisper, "qwen": tiny_qwen3_asr}
    entries = [local_entry(name, folder, **SPEECH) for name, folder in folders.items()]
    home.registry_override.write_text(json.dumps({"models": [*entries, local_entry("tiny", tiny_llm)]}))
    with Hub(home, Settings(isolation="thread", max_loaded_per_category=3)) as hub:
        for name in folders:
            hub.load(name).result(60)
        with running(api_server(hub)) as server:
            yield server


@pytest.fixture
def http(server: ApiServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=60, trust_env=False) as client:
        yield client


@pytest.fixture
def client(server: ApiServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="unused", max_retries=0) as client:
        yield client


@pytest.fixture
def uploads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where uploads lie while they are worked on."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def post(http: httpx.Client, path: Path, route: str = ROUTE, **fields: Any) -> httpx.Response:
    return http.post(route, files={"file": (path.name, path.read_bytes())}, data={"model": "english", **fields})


class TestTheOfficialClient:
    def test_text(self, client: openai.OpenAI, clip: Path) -> None:
        assert client.audio.transcriptions.create(model="english", file=clip).text == TEXT
        assert client.audio.transcriptions.create(model="", file=clip, response_format="text") == f"{TEXT}\n"

    def test_subtitles(self, client: openai.OpenAI, clip: Path) -> None:
        srt = client.audio.transcriptions.create(model="english", file=clip, response_format="srt")
        assert srt == f"1\n00:00:00,000 --> 00:00:01,000\n{TEXT}\n"
        vtt = client.audio.transcriptions.create(model="english", file=clip, response_format="vtt")
        assert vtt == f"WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n{TEXT}\n"

    def test_words_and_segments(self, client: openai.OpenAI, clip: Path) -> None:
        answer = client.audio.transcriptions.create(
            model="english", file=clip, response_format="verbose_json", timestamp_granularities=["word", "segment"]
        )
        assert (answer.language, answer.duration) == ("english", 2.0)
        assert [word.word for word in answer.words or ()] == TEXT.split()
        assert [segment.text for segment in answer.segments or ()] == [TEXT]
        assert answer.segments[0].tokens == []

    def test_a_stream(self, client: openai.OpenAI, clip: Path) -> None:
        events = list(client.audio.transcriptions.create(model="qwen", file=clip, stream=True))
        deltas = [event.delta for event in events if event.type == "transcript.text.delta"]
        assert deltas == ["bonjour", " tout", " le", " monde"]
        assert events[-1].type == "transcript.text.done"
        assert events[-1].text == "".join(deltas)

    @pytest.mark.filterwarnings("ignore:deprecated")  # as the client calls it; others use it
    def test_a_translation(self, client: openai.OpenAI, clip: Path) -> None:
        assert client.audio.translations.create(model="german", file=clip).text == "guten Tag"
        with pytest.raises(openai.BadRequestError, match="does not translate"):
            client.audio.translations.create(model="english", file=clip)

    def test_language_and_prompt(self, client: openai.OpenAI, clip: Path) -> None:
        answer = client.audio.transcriptions.create(
            model="german", file=clip, language="fr", prompt="Tag", temperature=0.2, response_format="verbose_json"
        )
        assert answer.language == "french"
        with pytest.raises(openai.BadRequestError, match="does not know the language 'tlh'") as refusal:
            client.audio.transcriptions.create(model="german", file=clip, language="tlh")
        assert refusal.value.param == "language"

    def test_silence(self, client: openai.OpenAI, tmp_path: Path) -> None:
        path = write_audio(tmp_path / "silence.wav", silence(3))
        assert client.audio.transcriptions.create(model="english", file=path).text == ""


class TestConformance:
    def test_answers(self, http: httpx.Client, clip: Path) -> None:
        assert_conforms(post(http, clip).json(), "CreateTranscriptionResponseJson")
        verbose = {"response_format": "verbose_json", "timestamp_granularities[]": ["word", "segment"]}
        assert_conforms(post(http, clip, **verbose).json(), "CreateTranscriptionResponseVerboseJson")
        english = {"model": "german", "response_format": "verbose_json"}
        translation = post(http, clip, "/v1/audio/translations", **english).json()
        assert_conforms(translation, "CreateTranslationResponseVerboseJson")

    def test_streams(self, http: httpx.Client, clip: Path) -> None:
        for model in ("qwen", "english"):
            lines = post(http, clip, model=model, stream="true").text.splitlines()
            data = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
            assert data.pop() == "[DONE]"
            for item in data:
                assert_conforms(json.loads(item), "CreateTranscriptionResponseStreamEvent")

    def test_the_description_of_the_form(self, http: httpx.Client) -> None:
        operation = http.get("/openapi.json").json()["paths"][ROUTE]["post"]
        fields = operation["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
        assert {"file", "model", "language", "stream"} <= set(fields)


class TestWhatClientsDoWrong:
    @pytest.mark.parametrize(
        ("fields", "code", "param"),
        [
            ({"response_format": "diarized_json"}, "invalid_value", "response_format"),
            ({"temperature": "hot"}, "invalid_value", "temperature"),
            ({"temperature": "2"}, "invalid_value", "temperature"),
            ({"include[]": "logprobs"}, "unsupported_parameter", "include"),
            ({"known_speaker_names[]": "Ann"}, "unsupported_parameter", "known_speaker_names"),
            ({"nonsense": "1"}, "unsupported_parameter", "nonsense"),
            ({"stream": "true", "response_format": "srt"}, "invalid_value", None),
            ({"timestamp_granularities[]": "word"}, "invalid_value", None),
            ({"timestamp_granularities[]": "syllable", "response_format": "verbose_json"}, "invalid_value", ...),
            ({"model": "tiny"}, "wrong_kind_of_model", "model"),
        ],
    )
    def test_fields(self, http: httpx.Client, clip: Path, fields: dict[str, str], code: str, param: Any) -> None:
        response = post(http, clip, **fields)
        error = response.json()["error"]
        assert (response.status_code, error["code"]) == (400, code)
        assert param is ... or error["param"] == param

    def test_neutral_fields_are_taken(self, http: httpx.Client, clip: Path) -> None:
        assert post(http, clip, chunking_strategy="auto").json()["text"] == TEXT

    def test_no_form(self, http: httpx.Client) -> None:
        error = http.post(ROUTE, json={"model": "english"}).json()["error"]
        assert "must be a form with a file" in error["message"]
        broken = http.post(ROUTE, content=b"--x", headers={"content-type": "multipart/form-data"})
        assert (broken.status_code, broken.json()["error"]["code"]) == (400, "invalid_form")

    def test_no_file(self, http: httpx.Client) -> None:
        response = http.post(ROUTE, files={"model": (None, "english")})
        assert response.status_code == 400
        assert response.json()["error"]["param"] == "file"
        text = http.post(ROUTE, files={"file": (None, "clip.wav"), "model": (None, "english")})
        assert text.json()["error"]["message"] == "'file' must be a file."

    def test_a_file_that_is_no_audio(self, http: httpx.Client, tmp_path: Path, uploads: Path) -> None:
        (tmp_path / "letter.wav").write_text("Dear reader, " * 50)
        for fields in ({}, {"stream": "true"}):
            response = post(http, tmp_path / "letter.wav", **fields)
            assert response.status_code == 400
            assert response.json()["error"]["message"] == "letter.wav is not an audio file, or it is damaged."
        wait_until(lambda: not list(uploads.iterdir()))

    @pytest.mark.parametrize(
        "name", ["../../etc/passwd", "..", "", "a\nb.wav", "x" * 300 + ".wav", "ü" * 200, "C:\\a.wav"]
    )
    def test_names_from_outside(self, http: httpx.Client, clip: Path, uploads: Path, name: str) -> None:
        response = http.post(ROUTE, files={"file": (name or "x", clip.read_bytes())}, data={"model": "english"})
        assert response.json()["text"] == TEXT
        assert not list(uploads.iterdir())

    def test_too_large(self, hub: Hub, clip: Path) -> None:
        server = api_server(hub, max_upload_mb=0.01)
        with running(server), httpx.Client(base_url=server.url, trust_env=False) as http:
            response = post(http, clip)
            assert (response.status_code, response.json()["error"]["code"]) == (413, "body_too_large")

    def test_no_model_is_loaded(self, hub: Hub, clip: Path) -> None:
        with running(api_server(hub)) as server, httpx.Client(base_url=server.url, trust_env=False) as http:
            response = post(http, clip, model="")
            assert response.status_code == 503
            assert "No transcription model is loaded" in response.json()["error"]["message"]


def test_a_client_that_leaves_ends_the_work(
    server: ApiServer, http: httpx.Client, tmp_path: Path, uploads: Path
) -> None:
    path = write_audio(tmp_path / "long.flac", tone(1200))
    patience = httpx.Timeout(None, read=0.3)
    with pytest.raises(httpx.ReadTimeout):
        http.post(ROUTE, files={"file": path.read_bytes()}, data={"model": "english"}, timeout=patience)
    wait_until(lambda: not list(uploads.iterdir()))
    wait_until(lambda: http.get("/v1/system").json()["models"][0]["requests"] == 0)
