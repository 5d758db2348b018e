"""`serve`: its address, its end."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time

import httpx
import psutil
import pytest

from ominix_core.hub import Hub
from ominix_core.paths import Home
from ominix_core.server.keys import KeyStore
from ominix_core.server.run import ServerError, serve
from tests.server.conftest import api_server, running

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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_a_stream_ends_it_within_two_seconds_without_orphans(
    number: int, home: Home, process_hub: Hub
) -> None:
    """`process_hub` only writes the registry that the program reads."""
    program = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True)
    assert program.stdout is not None
    try:
        url = program.stdout.readline().strip()
        children = psutil.Process(program.pid).children(recursive=True)
        assert children
        body = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4000, "stream": True, "temperature": 0}
        with httpx.stream("POST", f"{url}/v1/chat/completions", json=body, timeout=10) as response:
            lines = response.iter_lines()
            next(lines)
            program.send_signal(number)
            sent = time.monotonic()
            last = [line for line in lines if line][-1]
        assert "server_stopping" in last
        assert program.wait(5) == 0
        assert time.monotonic() - sent < 2
        assert program.stdout.read() == "the hub is closed\n"
        assert psutil.wait_procs(children, timeout=1)[1] == []
    finally:
        program.kill()
        program.wait()
        program.stdout.close()
