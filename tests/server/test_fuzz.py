"""Every endpoint, asked with what its own description allows and with what it does not (schemathesis).

A few examples an endpoint are part of the suite; `pytest -m slow tests/server/test_fuzz.py` asks each 2,000 times.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from ominix_core.hub import Hub
from ominix_core.server.run import ApiServer
from tests.server.conftest import api_server, running

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


@pytest.fixture
def fuzzed(hub: Hub, loaded: str) -> Iterator[ApiServer]:
    with running(api_server(hub)) as server:
        yield server


def test_a_few_examples(fuzzed: ApiServer) -> None:
    assert fuzz(fuzzed, 4) > 20


@pytest.mark.slow
def test_two_thousand_examples(fuzzed: ApiServer) -> None:
    assert fuzz(fuzzed, 2000) > 20


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
        case.body["model"] = "tiny"
    if (name := LENGTHS.get(case.path)) is not None:
        wanted = case.body.get(name, LONGEST)
        case.body[name] = min(wanted, LONGEST) if isinstance(wanted, int) else wanted
