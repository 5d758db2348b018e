"""Who is let in, from where, and with how much."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from ominix_core.hub import Hub
from ominix_core.server.http1 import GuardedH11Protocol
from ominix_core.server.keys import KeyStore, KeyStoreError
from ominix_core.server.run import ServerError
from tests.server.conftest import PATIENCE, api_server, running

CHAT: Any = {"model": "tiny", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}


@pytest.fixture
def serve(hub: Hub) -> Iterator[Callable[..., httpx.Client]]:
    """Run a server with these options; returns a client of it."""
    with contextlib.ExitStack() as stack:

        def start(**options: Any) -> httpx.Client:
            server = stack.enter_context(running(api_server(hub, **options)))
            return stack.enter_context(httpx.Client(base_url=server.url, trust_env=False))

        yield start


def code_of(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


# -- where from -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.0.0.1:1", "localhost:8080", "[::1]:8080", "ominix.localhost", "10.0.0.5", "127.0.0.1."),
        *(
            "LocalHost:8080",
            "localhost.",
            "localhost.:8080",
            "docker.for.mac.localhost",
            "[::1]",
            "[::FFFF:127.0.0.1]:1",
        ),
        *("[fe80::1%25en0]:8080", "[fe80::1%en0]", "127.1:8080", "0x7f000001"),
        *("host.docker.internal", "host.docker.internal:8080", "HOST.Docker.Internal.:8080"),
        *("gateway.docker.internal", "host.containers.internal:80", "host.lima.internal", "host.orb.internal"),
    ],
)
def test_hosts_that_no_other_domain_can_be(shared_http: httpx.Client, host: str) -> None:
    assert shared_http.get("/health/live", headers={"host": host}).status_code == 200


def test_the_machine_answers_to_its_name(shared_http: httpx.Client) -> None:
    assert shared_http.get("/health/live", headers={"host": f"{socket.gethostname()}:8080"}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8080", "[::1", ""),
        *("localhost..", ".", "internal", "evil.internal", "docker.internal", "x.host.docker.internal"),
        *("host.docker.internal.evil.example", "host.docker.internal@evil.example", "evil.example#@localhost"),
        *("evil.example@localhost", "evil.example\\@localhost", "localhost/evil.example", "localhost evil.example"),
        *("127.0.0.1%evil.example", "localhost:80:80", "localhost:evil", "[evil.example]", "::1", "beef.cafe"),
    ],
)
def test_other_hosts_are_refused(shared_http: httpx.Client, host: str) -> None:
    assert code_of(shared_http.get("/v1/models", headers={"host": host})) == (421, "wrong_host")


def test_a_refused_host_is_told_what_to_do(shared_http: httpx.Client) -> None:
    for path, refused in (("/v1/models", 421), ("/v1/messages", 421)):
        response = shared_http.get(path, headers={"host": "models.example:8080"})
        message = response.json()["error"]["message"]
        assert response.status_code == refused
        assert "'models.example:8080'" in message
        assert "allowed_hosts in config.toml" in message
    long = shared_http.get("/v1/models", headers={"host": f"{'x' * 300}.example"}).json()["error"]["message"]
    assert len(long) < 300
    page = shared_http.get("/v1/models", headers={"origin": "https://chat.example"}).json()["error"]["message"]
    assert "'https://chat.example'" in page
    assert "cors_origins in config.toml" in page


def test_a_listed_host_is_served(serve: Callable[..., httpx.Client]) -> None:
    http = serve(allowed_hosts=("Models.example:8080", "::1"))
    assert http.get("/health/live", headers={"host": "models.example"}).status_code == 200
    assert http.get("/health/live", headers={"host": "models.example.:1"}).status_code == 200
    assert http.get("/health/live", headers={"host": "other.example"}).status_code == 421


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
def test_pages_of_other_origins_are_refused(shared_http: httpx.Client, origin: str) -> None:
    response = shared_http.post("/v1/models/tiny/unload", headers={"origin": origin})
    assert code_of(response) == (403, "origin_not_allowed")
    assert "access-control-allow-origin" not in response.headers


def test_the_documentation_page_may_call_its_own_server(shared_http: httpx.Client) -> None:
    origin = str(shared_http.base_url).rstrip("/")
    assert shared_http.post("/v1/chat/completions", json=CHAT, headers={"origin": origin}).status_code == 200
    named = {"origin": "http://host.docker.internal:8080", "host": "Host.docker.internal:8080"}
    assert shared_http.get("/v1/models", headers=named).status_code == 200
    elsewhere = {"origin": "http://host.docker.internal:3000", "host": "host.docker.internal:8080"}
    assert shared_http.get("/v1/models", headers=elsewhere).status_code == 403


def test_a_listed_origin_gets_cors_headers(serve: Callable[..., httpx.Client]) -> None:
    http = serve(cors_origins=("https://chat.example",))
    asked = {"origin": "https://chat.example", "access-control-request-method": "POST"}
    preflight = http.options("/v1/chat/completions", headers=asked)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "https://chat.example"
    assert http.options("/v1/models", headers=asked | {"origin": "https://evil.example"}).status_code == 403


# -- to where --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/etc/passwd", "/etc/passwd"]
)
@pytest.mark.parametrize(
    ("method", "route"),
    [
        ("GET", "/v1/models/{}"),
        ("DELETE", "/v1/models/{}"),
        ("POST", "/v1/models/{}/load"),
        ("POST", "/v1/downloads/{}/start"),
        ("GET", "/v1/downloads/{}/progress"),
        ("GET", "/v1/responses/{}"),
        ("DELETE", "/v1/requests/{}"),
        ("GET", "/v1/voices/{}"),
    ],
)
def test_paths_of_the_machine_lead_nowhere(shared_http: httpx.Client, method: str, route: str, path: str) -> None:
    with socket.create_connection(
        (shared_http.base_url.host, shared_http.base_url.port or 0), timeout=PATIENCE
    ) as wire:
        # httpx itself would take the dots out.
        head = [f"{method} {route.format(path)} HTTP/1.1", "Host: localhost", "Connection: close", "Content-Length: 0"]
        wire.sendall("\r\n".join([*head, "", ""]).encode())
        answer = b""
        while received := wire.recv(65536):
            answer += received
    assert answer.startswith((b"HTTP/1.1 404", b"HTTP/1.1 405"))
    assert b"root:" not in answer


# -- with which key ---------------------------------------------------------------------------------------------


def test_without_keys_loopback_is_open_whatever_the_client_sends(shared_http: httpx.Client) -> None:
    assert shared_http.get("/v1/models", headers={"authorization": "Bearer whatever"}).status_code == 200


def test_once_there_is_a_key_it_is_needed(serve: Callable[..., httpx.Client], hub: Hub) -> None:
    http, keys = serve(), KeyStore(hub.home.api_keys)
    assert http.get("/v1/models").status_code == 200
    key, secret = keys.create("editor")
    for headers in (
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": f"Basic {secret}"},
        {"x-api-key": b"\xff"},
    ):
        response = http.get("/v1/models", headers=headers)
        assert code_of(response) == (401, "invalid_api_key")
        assert response.headers["www-authenticate"] == "Bearer"
    for headers in (
        {"authorization": f"Bearer {secret}"},
        {"authorization": f"bearer {secret}"},
        {"x-api-key": secret},
    ):
        assert http.get("/v1/models", headers=headers).status_code == 200
    assert http.get("/health/live").status_code == 200
    keys.revoke(key.id)
    keys.create("another")
    assert http.get("/v1/models", headers={"x-api-key": secret}).status_code == 401


def test_the_official_client_raises_its_typed_error(serve: Callable[..., httpx.Client], hub: Hub) -> None:
    KeyStore(hub.home.api_keys).create("editor")
    client = openai.OpenAI(base_url=f"{serve().base_url}/v1", api_key="wrong", max_retries=0)
    with client, pytest.raises(openai.AuthenticationError):
        client.models.list()


def test_a_key_that_may_only_use_models_cannot_manage_them(
    serve: Callable[..., httpx.Client], hub: Hub, loaded: str
) -> None:
    http, keys = serve(), KeyStore(hub.home.api_keys)
    use, manage = ({"x-api-key": keys.create("x", scopes)[1]} for scopes in (("use",), ("use", "manage")))
    assert http.post("/v1/chat/completions", json=CHAT, headers=use).status_code == 200
    assert code_of(http.post("/v1/models/tiny/unload", headers=use)) == (403, "insufficient_scope")
    assert http.post("/v1/models/tiny/unload", headers=manage).status_code == 200


def test_other_machines_need_a_key(hub: Hub) -> None:
    with pytest.raises(ServerError, match="ominix keys create"):
        api_server(hub, host="0.0.0.0")


def test_open_to_others_with_the_last_key_revoked_nobody_gets_in(serve: Callable[..., httpx.Client], hub: Hub) -> None:
    keys = KeyStore(hub.home.api_keys)
    key, _ = keys.create("only")
    http = serve(host="0.0.0.0")
    keys.revoke(key.id)
    assert http.get("/v1/models").status_code == 401


def test_keys_are_kept_as_hashes_in_a_private_file(tmp_path: Path) -> None:
    path = tmp_path / "home" / "keys.json"
    key, secret = KeyStore(path).create("editor", ("use", "manage"))
    assert secret not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert KeyStore(path).find(secret) == key
    assert KeyStore(path).find(key.sha256) is None
    assert list(path.parent.iterdir()) == [path]


def test_revoking_an_unknown_key(tmp_path: Path) -> None:
    with pytest.raises(KeyStoreError, match="no API key 'nope'"):
        KeyStore(tmp_path / "keys.json").revoke("nope")


@pytest.mark.parametrize("text", ["{", "[]", '{"keys": [{"id": "x"}]}', '{"keys": 5}'])
def test_a_broken_key_file_lets_nobody_in(serve: Callable[..., httpx.Client], hub: Hub, text: str) -> None:
    http = serve()
    hub.home.api_keys.write_text(text)
    response = http.get("/v1/models")
    assert code_of(response) == (503, "key_store_error")
    assert str(hub.home.root) not in response.text


# -- how much, how fast -----------------------------------------------------------------------------------------


def test_a_key_has_its_own_rate(serve: Callable[..., httpx.Client], hub: Hub) -> None:
    http, keys = serve(requests_per_minute=2), KeyStore(hub.home.api_keys)
    first, second = ({"x-api-key": keys.create(name)[1]} for name in ("first", "second"))
    assert [http.get("/v1/models", headers=first).status_code for _ in range(3)] == [200, 200, 429]
    refused = http.get("/v1/models", headers=first)
    assert code_of(refused) == (429, "rate_limit_exceeded")
    assert 1 <= int(refused.headers["retry-after"]) <= 30
    assert http.get("/v1/models", headers=second).status_code == 200


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_large(serve: Callable[..., httpx.Client], chunked: bool) -> None:
    http = serve(max_body_mb=0.001)
    body = b'{"messages": "' + b"x" * 2000 + b'"}'
    content = iter([body[:900], body[900:]]) if chunked else body
    response = http.post("/v1/chat/completions", content=content, headers={"content-type": "application/json"})
    assert code_of(response) == (413, "body_too_large")


GET_LIVE = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
POST_CHAT = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
)


def converse(http: httpx.Client, *pieces: bytes) -> bytes:
    """What the server answers to the last piece, up to its closing of the connection; it answers each one before."""
    with socket.create_connection((http.base_url.host, http.base_url.port or 0), timeout=PATIENCE) as connection:
        for piece in pieces[:-1]:
            connection.sendall(piece)
            while not connection.recv(65536).endswith(b"}"):
                pass
        connection.sendall(pieces[-1])
        answer = b""
        while received := connection.recv(65536):
            answer += received
    return answer


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        pytest.param([b""], 408, "head_timeout", id="silence"),
        pytest.param([GET_LIVE[:-2]], 408, "head_timeout", id="half a head"),
        pytest.param([GET_LIVE, b"GET "], 408, "head_timeout", id="half a second head"),
        pytest.param([POST_CHAT], 408, "body_timeout", id="half a body"),
        pytest.param([b"\x16\x03\x01 hello\r\n\r\n"], 400, "invalid_http", id="no HTTP"),
        pytest.param([b"GET /v1/models HTTP/1.1\r\n\r\n"], 400, "invalid_http", id="no Host"),
        pytest.param([GET_LIVE[:-2] + b"X: " + b"x" * 100_000], 400, "invalid_http", id="endless head"),
    ],
)
@pytest.mark.slow
def test_slow_and_broken_senders(
    shared_http: httpx.Client, monkeypatch: pytest.MonkeyPatch, sent: list[bytes], status: int, code: str
) -> None:
    monkeypatch.setattr("ominix_core.server.http1.HEAD_SECONDS", 0.2)
    monkeypatch.setattr("ominix_core.server.limits.BODY_SECONDS", 0.2)
    head, _, body = converse(shared_http, *sent).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert json.loads(body)["error"]["code"] == code


def test_the_head_limit_ends_where_the_answer_begins(
    shared_http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections: list[GuardedH11Protocol] = []
    made = GuardedH11Protocol.connection_made

    def note(connection: GuardedH11Protocol, transport: asyncio.Transport) -> None:
        connections.append(connection)
        made(connection, transport)

    monkeypatch.setattr(GuardedH11Protocol, "connection_made", note)
    for _ in range(2):
        with shared_http.stream("POST", "/v1/chat/completions", json=CHAT | {"stream": True}) as response:
            assert response.status_code == 200
            (connection,) = connections
            assert connection._head_timer is None
            response.read()


# -- TLS --------------------------------------------------------------------------------------------------------


def test_https(serve: Callable[..., httpx.Client], tmp_path: Path) -> None:
    certificate = tmp_path / "certificate.pem"
    key = tmp_path / "key.pem"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost "
        f"-addext subjectAltName=IP:127.0.0.1 -keyout {key} -out {certificate}"
    )
    made = subprocess.run(command.split(), capture_output=True)
    assert made.returncode == 0, made.stderr
    url = serve(certfile=str(certificate), keyfile=str(key)).base_url
    assert url.scheme == "https"
    assert httpx.get(f"{url}/health/live", verify=ssl.create_default_context(cafile=certificate)).status_code == 200


def test_a_certificate_that_cannot_be_used(hub: Hub, tmp_path: Path) -> None:
    for content in (None, b"no certificate"):
        path = tmp_path / "certificate.pem"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(ServerError, match=r"certificate .* cannot be used"):
            api_server(hub, certfile=str(path))
