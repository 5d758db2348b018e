"""Every endpoint, asked with what its own description allows and with what it does not (schemathesis).

A few examples an endpoint are part of the suite; `pytest -m slow tests/server/test_fuzz.py` asks each 2,000 times.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from PIL import Image
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from ominix_core.hub import Hub
from ominix_core.paths import Home
from ominix_core.server.run import ApiServer
from ominix_core.settings import Settings
from tests.conftest import local_entry, speech_entry
from tests.images.conftest import image_entry
from tests.server.conftest import PATIENCE, api_server, running
from tests.support.sounds import wav_bytes
from tests.support.tiny_images import make_tiny_flux2
from tests.support.whisper import scripted_whisper
from tests.transcription.conftest import SPEECH

DRIFT = [
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]
ENDLESS = ("/v1/events",)
LENGTHS = {
    "/v1/chat/completions": "max_completion_tokens",
    "/v1/completions": "max_tokens",
    "/v1/messages": "max_tokens",
    "/v1/responses": "max_output_tokens",
}
LONGEST = 4
MODELS = {
    "/v1/embeddings": "embedder",
    "/v1/audio/speech": "speaker",
    "/v1/audio/transcriptions": "listener",
    "/v1/audio/translations": "listener",
    "/v1/images/generations": "painter",
    "/v1/images/edits": "painter",
}
SOUND = wav_bytes(bytes(16_000))
PICTURE = io.BytesIO()
Image.new("RGB", (64, 64), "red").save(PICTURE, "PNG")


@pytest.fixture
def fuzzed(hub: Hub, loaded: str) -> Iterator[ApiServer]:
    """A server that has "tiny" loaded; of the other kinds there is no model."""
    with running(api_server(hub)) as server:
        yield server


@pytest.fixture
def fuzzed_with_all_kinds(
    home: Home, add_models: Callable[..., None], tiny_llm: Path, tiny_tts: Path, tmp_path: Path
) -> Iterator[ApiServer]:
    """A server that has a tiny model of every kind loaded."""
    embeds = {"engine": "mlx-lm-embedding", "api_type": "embeddings"}
    add_models(
        local_entry("tiny", tiny_llm),
        local_entry("tiny-two", tiny_llm),
        local_entry("embedder", tiny_llm, category="Embedding", runtime=embeds),
        speech_entry("speaker", tiny_tts),
        local_entry("listener", scripted_whisper(tmp_path / "whisper", "hello big world"), **SPEECH),
        image_entry("painter", make_tiny_flux2(tmp_path / "flux"), "flux2", "klein-4b"),
    )
    with Hub(home, Settings(isolation="thread")) as hub:
        for model in ("tiny", *MODELS.values()):
            hub.load(model).result(PATIENCE)
        with running(api_server(hub)) as server:
            yield server


def test_a_few_examples(fuzzed: ApiServer) -> None:
    assert fuzz(fuzzed, 4) > 20


@pytest.mark.slow
def test_two_thousand_examples(fuzzed_with_all_kinds: ApiServer) -> None:
    assert fuzz(fuzzed_with_all_kinds, 2000) > 20


def fuzz(server: ApiServer, examples: int) -> int:
    """Ask every endpoint `examples` times; returns how many endpoints there are."""
    description = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    operations = [found.ok() for found in description.get_all_operations()]
    for operation in operations:
        if operation.path in ENDLESS:
            continue
        ask(operation, GenerationMode.POSITIVE, examples // 2, server.url)
        if operation.body or operation.query:  # a path alone cannot be wrong, only unknown
            ask(operation, GenerationMode.NEGATIVE, examples // 2, server.url)
    return len(operations)


def ask(operation: Any, mode: GenerationMode, examples: int, url: str) -> None:
    def check(case: Case) -> None:
        tame(case)
        response = case.call(base_url=url, timeout=60)
        if response.status_code >= 500:  # only what another machine or a missing engine is the reason of
            assert response.status_code in (502, 503), response.text
            assert set(response.json()["error"]) == {"message", "type", "param", "code"}
        case.validate_response(response, checks=DRIFT)

    settings(max_examples=examples, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))(
        given(operation.as_strategy(generation_mode=mode))(check)
    )()


def tame(case: Case) -> None:
    """Let a request reach a model, and what it asks for stay short."""
    if "model" in case.path_parameters and not case.path.startswith("/v1/downloads") and case.method != "DELETE":
        case.path_parameters["model"] = "tiny" if case.path.endswith("generate") else "tiny-two"
    if not isinstance(case.body, dict):
        return
    if "model" in case.body:
        case.body["model"] = MODELS.get(case.path, "tiny")
    if (name := LENGTHS.get(case.path)) is not None:
        case.body.setdefault(name, LONGEST)
    for name, most in ((LENGTHS.get(case.path), LONGEST), ("steps", 1), ("n", 2)):
        if isinstance(wanted := case.body.get(name), int):
            case.body[name] = min(wanted, most)
    if case.path.startswith("/v1/images"):
        case.body.setdefault("steps", 1)
        if re.fullmatch(r"auto|\d+x\d+", str(case.body.get("size", "auto"))):
            case.body["size"] = "64x64"
    for name, sample in (("file", SOUND), ("image", PICTURE.getvalue())):
        if isinstance(case.body.get(name), bytes) and "/generate" not in case.path:
            case.body[name] = sample
