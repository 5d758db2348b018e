"""The line to a server: who is let in, what is told when it drops, and how it comes back."""

from __future__ import annotations

import http.server
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from ominix_core.errors import AccessError, HubConnectionError, OminixError
from ominix_core.events import ConnectionChanged, ModelStateChanged
from ominix_core.generation import Failed, Finished, TextDelta
from ominix_core.hub import Hub
from ominix_core.paths import Home
from ominix_core.remote.address import address_of, server_here
from ominix_core.remote.connection import NobodyListensError
from ominix_core.remote.hub import RemoteHub
from ominix_core.server.keys import KeyStore
from ominix_core.server.run import ApiServer
from ominix_core.states import Downloaded, Loaded
from tests.remote.conftest import Events
from tests.server.conftest import api_server, running
from tests.support.chat import ask, collect

PROGRAM = """
import sys
from ominix_core.hub import Hub
from ominix_core.server.run import serve

with Hub() as hub:
    hub.load("endless").result()
    serve(hub, port=int(sys.argv[1]), on_ready=lambda url: print(url, flush=True))
"""


@contextmanager
def serving(port: str = "0") -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server in a process of its own, with "endless" loaded."""
    program = subprocess.Popen([sys.executable, "-c", PROGRAM, port], stdout=subprocess.PIPE, text=True)
    assert program.stdout is not None
    try:
        yield program.stdout.readline().strip(), program
    finally:
        program.kill()
        program.wait()
        program.stdout.close()


class TestLoss:
    @pytest.mark.slow
    def test_a_server_that_is_killed_and_comes_back(
        self, home: Home, models: None, quick_retries: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OMINIX_ISOLATION", "thread")
        with serving() as (url, program), RemoteHub(lambda: server_here(home)) as hub:
            events = Events(hub)
            assert hub.place == f"localhost:{url.rpartition(':')[2]}"
            answer = hub.generate("endless", ask("Hello", max_tokens=100_000))
            stream = iter(answer)
            next(event for event in stream if isinstance(event, TextDelta))
            program.send_signal(signal.SIGKILL)
            end = list(stream)[-1]
            assert isinstance(end, Failed)
            assert (end.code, end.message) == ("connection_lost", f"The connection to {hub.place} broke off.")
            lost = events.until(lambda event: isinstance(event, ConnectionChanged))
            assert lost == ConnectionChanged(
                True,
                hub.place,
                f"Connection to {hub.place} lost, trying again in 0 s",
                f"The connection to {hub.place} broke off.",
            )
            assert isinstance(hub.state("endless"), Loaded), "what was last heard"
            refused = list(hub.generate("endless", ask("Hello")))[-1]
            assert isinstance(refused, Failed)
            with pytest.raises(HubConnectionError):
                hub.weigh("endless")
            heard = len(events.heard)
            with serving():  # at another port, with another local key
                events.until(lambda event: isinstance(event, ConnectionChanged) and not event.lost)
                again = [event for event in events.heard[heard:] if isinstance(event, ModelStateChanged)]
                assert all(isinstance(event.state, Loaded) for event in again if event.model_id == "endless")
                _, end = collect(hub.generate("endless", ask("Hello", max_tokens=4)))
                assert isinstance(end, Finished)

    def test_each_try_waits_longer(self, near: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("ominix_core.remote.watch.FIRST_DELAY", 0.6)
        monkeypatch.setattr("ominix_core.remote.watch.LONGEST_DELAY", 2.0)
        with running(api_server(near)) as server:
            address = address_of(server.url)
            hub = RemoteHub(lambda: address)
        with hub:
            events = Events(hub)
            events.until(lambda event: isinstance(event, ConnectionChanged) and event.message.endswith("again in 2 s"))

    def test_what_changed_meanwhile_is_told(self, models: None, near: Hub, quick_retries: None) -> None:
        urls: list[str] = []
        with running(api_server(near)) as server:
            urls.append(server.url)
            hub = RemoteHub(lambda: address_of(urls[-1]))
        with hub:
            events = Events(hub)
            near.load("tiny").result(60)
            with running(api_server(near)) as server:
                urls.append(server.url)
                events.until_state("tiny", lambda state: isinstance(state, Loaded))
                events.until(lambda event: isinstance(event, ConnectionChanged) and not event.lost)

    def test_an_answer_of_another_version_ends_all_the_same(
        self, far: RemoteHub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        far.load("tiny").result(60)
        strict = msgspec.json.Decoder(Finished).decode
        monkeypatch.setattr("ominix_core.wire.decode_generation_event", strict)
        (end,) = far.generate("tiny", ask("Hello", max_tokens=4))
        assert isinstance(end, Failed)
        assert "cannot be understood" in end.message

    def test_a_closed_hub_leaves_no_thread_and_ends_its_answers(self, far: RemoteHub, near: Hub) -> None:
        near.load("endless").result(60)
        far.load("endless").result(60)
        answer = far.generate("endless", ask("Hello", max_tokens=100_000))
        next(iter(answer))
        far.close()
        far.close()
        assert isinstance(list(answer)[-1], Failed)
        assert "remote hub" not in {thread.name for thread in threading.enumerate()}
        with pytest.raises(HubConnectionError, match="has been closed"):
            far.weigh("endless")
        assert isinstance(near.state("endless"), Loaded)


class TestAccess:
    @pytest.fixture
    def keys(self, near: Hub) -> KeyStore:
        keys = KeyStore(near.home.api_keys)
        keys.create("another")
        return keys

    @pytest.mark.parametrize(("key", "words"), [("", "wants an API key"), ("wrong", "refuses this API key")])
    def test_without_a_right_key(self, server: ApiServer, keys: KeyStore, key: str, words: str) -> None:
        with pytest.raises(AccessError, match=rf"{words}.*--key KEY.*OMINIX_KEY.*ominix keys create NAME --manage"):
            RemoteHub(lambda: address_of(server.url, key))

    def test_a_key_that_may_only_use(self, server: ApiServer, keys: KeyStore, near: Hub) -> None:
        near.load("tiny").result(60)
        secret = keys.create("editor")[1]
        with RemoteHub(lambda: address_of(server.url, secret)) as hub:
            assert isinstance(collect(hub.generate("tiny", ask("Hello", 4)))[1], Finished)
            for forbidden in (
                lambda: hub.unload("tiny"),
                lambda: hub.load("tiny-two").result(30),
                lambda: hub.download("model").result(30),
                lambda: hub.remove("tiny"),
                lambda: hub.verify("tiny"),
                lambda: hub.pin("tiny"),
                lambda: hub.update_registry().result(30),
            ):
                with pytest.raises(AccessError, match="may use models, but not manage them"):
                    forbidden()
            assert isinstance(near.state("tiny"), Loaded)

    def test_a_key_that_may_manage(self, server: ApiServer, keys: KeyStore, near: Hub) -> None:
        secret = keys.create("admin", ("use", "manage"))[1]
        with RemoteHub(lambda: address_of(server.url, secret)) as hub:
            hub.load("tiny").result(60)
            hub.unload("tiny")
            assert near.state("tiny") == Downloaded()

    def test_a_key_that_is_revoked_meanwhile(
        self, server: ApiServer, keys: KeyStore, near: Hub, quick_retries: None
    ) -> None:
        key, secret = keys.create("admin", ("use", "manage"))
        with RemoteHub(lambda: address_of(server.url, secret)) as hub:
            events = Events(hub)
            keys.revoke(key.id)
            lost = events.until(lambda event: isinstance(event, ConnectionChanged))
            assert isinstance(lost, ConnectionChanged)
            assert "API key" in lost.reason
            with pytest.raises(AccessError, match="refuses this API key"):
                hub.weigh("tiny")


class TestAddress:
    @pytest.mark.parametrize(
        ("given", "url", "name"),
        [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080", "localhost:8080"),
            ("https://mac.local:8080/", "https://mac.local:8080", "mac.local"),
            ("https://mac.local/v1/", "https://mac.local", "mac.local"),
            (" http://[::1]:81 ", "http://[::1]:81", "localhost:81"),
        ],
    )
    def test_what_people_type(self, given: str, url: str, name: str) -> None:
        address = address_of(given, "key")
        assert (address.url, address.name, address.key) == (url, name, "key")

    @pytest.mark.parametrize(
        "given", ["", "mac.local", "mac.local:8080", "ftp://mac", "http://", "http://a:b", "http://a/x"]
    )
    def test_what_is_no_address(self, given: str) -> None:
        with pytest.raises(OminixError, match=r"is not the address of a server.*https://mac\.local:8080"):
            address_of(given)

    @pytest.mark.parametrize(
        ("url", "openly"),
        [
            ("http://mac.local:8080", True),
            ("http://192.168.1.5:8080", True),
            ("https://mac.local", False),
            ("http://127.0.0.1:1", False),
            ("http://localhost:1", False),
        ],
    )
    def test_who_can_read_along(self, url: str, openly: bool) -> None:
        assert address_of(url).sends_openly == openly

    def test_nobody_there(self) -> None:
        with pytest.raises(NobodyListensError, match=r"No Ominix server answers at http://127\.0\.0\.1:9"):
            RemoteHub(lambda: address_of("http://127.0.0.1:9"))

    def test_another_kind_of_server(self) -> None:
        with (
            http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Quiet) as other,
            _in_background(other),
            pytest.raises(OminixError, match="Is it an Ominix of this version"),
        ):
            RemoteHub(lambda: address_of(f"http://127.0.0.1:{other.server_address[1]}"))


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        pass


@contextmanager
def _in_background(server: http.server.ThreadingHTTPServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()


class TestHttps:
    @pytest.fixture
    def certificate(self, tmp_path: Path) -> tuple[Path, Path]:
        cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
        command = (
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost "
            f"-addext subjectAltName=IP:127.0.0.1 -keyout {key} -out {cert}"
        )
        subprocess.run(command.split(), check=True, capture_output=True)
        return cert, key

    def test_an_own_certificate(
        self, near: Hub, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with running(api_server(near, certfile=str(certificate[0]), keyfile=str(certificate[1]))) as server:
            with pytest.raises(
                HubConnectionError, match=r"certificate of .* cannot be trusted: self.signed.*SSL_CERT_FILE"
            ):
                RemoteHub(lambda: address_of(server.url))
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
            with RemoteHub(lambda: address_of(server.url)) as hub:
                assert hub.state("tiny") == Downloaded()
            monkeypatch.delenv("SSL_CERT_FILE")
            with RemoteHub(lambda: server_here(near.home)) as hub:
                assert hub.state("tiny") == Downloaded()

    def test_https_where_there_is_none(self, server: ApiServer) -> None:
        with pytest.raises(HubConnectionError, match=r"does not speak HTTPS.*Try http://"):
            RemoteHub(lambda: address_of(server.url.replace("http:", "https:")))
