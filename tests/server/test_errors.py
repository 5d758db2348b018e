"""One error shape, whatever goes wrong."""

from __future__ import annotations

import httpx
import pytest

from ominix_core.errors import BusyError, InsufficientMemoryError, LoadError, OminixError, RequestError
from ominix_core.hub import Hub

JSON = {"content-type": "application/json"}


def error_of(response: httpx.Response) -> dict[str, str | None]:
    error: dict[str, str | None] = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert response.headers["content-type"] == "application/json"
    return error


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "not_found"),
        ("GET", "/", 404, "not_found"),
        ("DELETE", "/v1/chat/completions", 405, "method_not_allowed"),
        ("GET", "/v1/models/../../etc/passwd", 404, "not_found"),
        ("GET", "/v1/models/..%2F..%2Fetc%2Fpasswd", 404, "model_not_found"),
    ],
)
def test_unknown_routes(shared_http: httpx.Client, method: str, path: str, status: int, code: str) -> None:
    response = shared_http.request(method, path)
    assert response.status_code == status
    assert error_of(response)["code"] == code


@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [
        pytest.param(b"[" * 100_000, JSON, "invalid_json", id="nested deep"),
        (b"{not json", JSON, "invalid_json"),
        (b"[]", JSON, "invalid_body"),
        (b"null", JSON, "invalid_body"),
        (b"", JSON, "invalid_body"),
        (b"\xff\xfe", JSON, "invalid_json"),
        (b'{"messages": []}', {"content-type": "text/plain"}, "invalid_body"),
        (b"{}", JSON, "missing_required_parameter"),
        (b'{"messages": [], "\\ud800": 1}', JSON, "invalid_body"),
    ],
)
def test_bad_bodies(shared_http: httpx.Client, body: bytes, headers: dict[str, str], code: str) -> None:
    response = shared_http.post("/v1/chat/completions", content=body, headers=headers)
    assert response.status_code == 400
    assert error_of(response)["code"] == code


def test_an_unforeseen_failure_tells_nothing(
    http: httpx.Client, hub: Hub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(name: str) -> None:
        raise ZeroDivisionError(f"in {hub.home.root}")

    monkeypatch.setattr(hub, "resolve", fail)
    response = http.get("/v1/models/tiny")
    assert response.status_code == 500
    error = error_of(response)
    assert (error["code"], error["type"]) == ("internal_error", "server_error")
    assert "ZeroDivisionError" not in response.text
    assert "ZeroDivisionError" in caplog.text
    assert response.headers["x-request-id"] in error["message"]
    assert 'route="/v1/models/{model:path}",status="500"' in http.get("/metrics").text


def test_paths_of_this_machine_stay_on_it(http: httpx.Client, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise LoadError(f"{hub.home.models}/tiny/model.safetensors and /Volumes/x/y.bin are broken, see /v1/models/x")

    monkeypatch.setattr(hub, "resolve", fail)
    message = error_of(http.get("/v1/models/tiny"))["message"]
    assert message == "OMINIX_HOME/models/tiny/model.safetensors and …/y.bin are broken, see /v1/models/x"


@pytest.mark.parametrize(
    ("failure", "code", "passes"),
    [
        (BusyError("short of memory"), "busy", True),
        (RequestError("the caches are full", "kv_cache_full"), "kv_cache_full", True),
        (InsufficientMemoryError("Needs 9 GB"), "insufficient_memory", False),
        (LoadError("broken"), "load_failed", False),
    ],
)
def test_what_passes_by_itself_is_to_be_tried_again(
    http: httpx.Client, hub: Hub, monkeypatch: pytest.MonkeyPatch, failure: OminixError, code: str, passes: bool
) -> None:
    def fail(name: str) -> None:
        raise failure

    monkeypatch.setattr(hub, "resolve", fail)
    response = http.get("/v1/models/tiny")
    assert (response.status_code, error_of(response)["code"]) == (503, code)
    assert ("retry-after" in response.headers, "x-should-retry" in response.headers) == (passes, not passes)
