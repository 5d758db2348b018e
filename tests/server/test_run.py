"""`serve`: its address, its end."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import httpx
import psutil
import pytest

from ominix_core.hub import Hub
from ominix_core.paths import Home
from ominix_core.server.keys import KeyStore
from ominix_core.server.run import ServerError, serve
from tests.server.conftest import PATIENCE, api_server, running, wait_until

PROGRAM = """
import sys
from ominix_core.hub import Hub
from ominix_core.server.run import serve

with Hub() as hub:
    hub.load("tiny").result()
    serve(hub, port=0, on_ready=lambda url: print(url, flush=True))
print("the hub is closed", flush=True)
"""


def test_a_port_in_use(hub: Hub) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServerError, match=f"Port {port} .* is in use"):
            serve(hub, port=port)


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_of_another_machine(hub: Hub, host: str) -> None:
    KeyStore(hub.home.api_keys).create("test")
    with pytest.raises(ServerError, match=f"Cannot listen on {host}"):
        api_server(hub, host=host)


def test_a_restart_gets_the_port_back(hub: Hub) -> None:
    with running(api_server(hub)) as first, httpx.Client() as kept_open:
        kept_open.get(f"{first.url}/health/live")
        port = int(first.url.rpartition(":")[2])
    with running(api_server(hub, port=port)) as second:
        assert httpx.get(f"{second.url}/health/live").status_code == 200


LONG = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4000, "stream": True, "temperature": 0}


@pytest.fixture
def program(
    request: pytest.FixtureRequest, home: Home, process_hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> Iterator[subprocess.Popen[str]]:
    """A server in a process of its own; `process_hub` only writes the registry that it reads.

    Its parameter is for how many seconds it lets answers end; without one for so long that no test sees the end of it.
    """
    monkeypatch.setenv("OMINIX_DRAIN_SECONDS", str(getattr(request, "param", 10 * PATIENCE)))
    program = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True)
    assert program.stdout is not None
    try:
        yield program
    finally:
        program.kill()
        program.wait()
        program.stdout.close()


@contextlib.contextmanager
def ends_well(program: subprocess.Popen[str]) -> Iterator[None]:
    """The program ends in order after the block, and leaves no process behind."""
    children = psutil.Process(program.pid).children(recursive=True)
    assert children
    yield
    assert program.wait(PATIENCE) == 0
    assert program.stdout is not None
    assert program.stdout.read() == "the hub is closed\n"
    assert psutil.wait_procs(children, timeout=PATIENCE)[1] == []


def wait_until_not_ready(url: str) -> None:
    wait_until(lambda: httpx.get(f"{url}/health/ready").status_code != 200)


class TestSignals:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_ends_at_once_without_work(self, number: int, program: subprocess.Popen[str]) -> None:
        assert program.stdout is not None
        program.stdout.readline()
        with ends_well(program):
            program.send_signal(number)

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_second_one_cuts_a_stream_short(self, number: int, program: subprocess.Popen[str]) -> None:
        assert program.stdout is not None
        url = program.stdout.readline().strip()
        with httpx.stream("POST", f"{url}/v1/chat/completions", json=LONG, timeout=PATIENCE) as response:
            lines = response.iter_lines()
            next(lines)
            program.send_signal(number)
            wait_until_not_ready(url)
            assert next(line for line in lines if line.startswith("data: ")), "the stream goes on"
            with ends_well(program):
                program.send_signal(number)
                assert "server_stopping" in [line for line in lines if line][-1]

    @pytest.mark.parametrize("program", [0.3], indirect=True)
    @pytest.mark.slow
    def test_a_stream_that_takes_too_long_is_cut_short(self, program: subprocess.Popen[str]) -> None:
        assert program.stdout is not None
        url = program.stdout.readline().strip()
        with httpx.stream("POST", f"{url}/v1/chat/completions", json=LONG, timeout=PATIENCE) as response:
            lines = response.iter_lines()
            next(lines)
            with ends_well(program):
                program.send_signal(signal.SIGTERM)
                assert "server_stopping" in [line for line in lines if line][-1]

    @pytest.mark.parametrize("program", [0.5], indirect=True)
    def test_eight_streams_are_told_and_nothing_is_left(self, program: subprocess.Popen[str]) -> None:
        assert program.stdout is not None
        url = program.stdout.readline().strip()
        with contextlib.ExitStack() as stack:
            lengths = [5, 4000, 4000, 4000, 4000, 4000, 4000, 5]
            streams = [
                stack.enter_context(
                    httpx.stream(
                        "POST", f"{url}/v1/chat/completions", json=LONG | {"max_tokens": length}, timeout=PATIENCE
                    )
                ).iter_lines()
                for length in lengths
            ]
            for lines in streams:
                next(lines)
            with ends_well(program):
                program.send_signal(signal.SIGTERM)
                last = [[line for line in lines if line][-1] for lines in streams]
        assert last[0] == last[-1] == "data: [DONE]"
        assert all("server_stopping" in line for line in last[1:-1])


def test_answers_in_work_may_end_and_new_requests_are_sent_away(hub: Hub) -> None:
    hub.load("tiny").result(60)
    with running(api_server(hub, drain_seconds=60.0)) as server:
        body = LONG | {"max_tokens": 400}
        with httpx.stream("POST", f"{server.url}/v1/chat/completions", json=body, timeout=PATIENCE) as response:
            lines = response.iter_lines()
            next(lines)
            server.stop()
            wait_until_not_ready(server.url)
            for path in ("/v1/chat/completions", "/v1/models/tiny/load", "/v1/downloads/tiny/start"):
                refused = httpx.post(f"{server.url}{path}", json=LONG)
                assert (refused.status_code, refused.json()["error"]["code"]) == (503, "server_stopping")
                assert int(refused.headers["retry-after"]) > 0
            assert [line for line in lines if line][-1] == "data: [DONE]"
