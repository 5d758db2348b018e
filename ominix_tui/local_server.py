"""The server of this user on this machine: found through `server.json`, asked over HTTP, started and stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ominix_core.errors import OminixError
from ominix_core.paths import Home

if TYPE_CHECKING:
    import httpx

    from ominix_core.server.discovery import Announcement

ANSWER_SECONDS = 30.0
START_SECONDS = 60.0
LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model in the server's memory.

    Attributes:
        requests: How many it is answering.
        tokens_per_second: Of all of them together; None while nothing is known.
    """

    id: str
    memory_bytes: int
    requests: int
    tokens_per_second: float | None


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """A server that runs.

    Attributes:
        requests: Model and unix second of the beginning of every answer in work, the oldest first.
    """

    url: str
    pid: int
    version: str
    uptime_seconds: int
    models: tuple[ServedModel, ...]
    requests: tuple[tuple[str, int], ...]


def find(home: Home) -> Announcement:
    """Raises ServerNotRunningError if no server is announced."""
    from ominix_core.server.discovery import find_server

    return find_server(home.server_file)


@contextlib.contextmanager
def connection(server: Announcement) -> Iterator[httpx.Client]:
    """Raises ServerNotRunningError if nobody listens there any more, OminixError if the server does not answer."""
    import httpx

    from ominix_core.server.discovery import ServerNotRunningError

    # The certificate is for names that others know; this address was read from the user's own private file.
    client = httpx.Client(
        base_url=server.url,
        headers={"authorization": f"Bearer {server.key}"},
        timeout=ANSWER_SECONDS,
        trust_env=False,
        verify=False,
    )
    with client:
        try:
            yield client
        except httpx.ConnectError as error:
            raise ServerNotRunningError from error
        except httpx.TransportError as error:
            raise OminixError(f"The server at {server.url} broke off: {error}. See: ominix logs") from error


def answer(response: httpx.Response) -> dict[str, Any]:
    """The body of an answer; a refusal's text becomes this program's own."""
    try:
        body: dict[str, Any] = response.json()
        trouble = body["error"]["message"] if response.is_error else ""
    except (ValueError, KeyError, TypeError) as error:
        raise OminixError(f"What answers at {response.url.copy_with(path='/')} is not an Ominix server.") from error
    if trouble:
        raise OminixError(trouble)
    return body


def status(home: Home) -> ServerStatus:
    """What the server is doing. Raises ServerNotRunningError, or OminixError if it does not answer."""
    server = find(home)
    with connection(server) as http:
        system = answer(http.get("/v1/system"))
        requests = answer(http.get("/v1/requests"))["data"]
        speeds = _speeds(http.get("/metrics").text)
    models = (
        ServedModel(model["id"], model["memory_bytes"], model["requests"], speeds.get(model["id"]))
        for model in system["models"]
    )
    return ServerStatus(
        server.url,
        server.pid,
        system["version"],
        system["uptime_seconds"],
        tuple(models),
        tuple((request["model"], request["created"]) for request in requests),
    )


def start(home: Home) -> str:
    """Start `ominix serve` as a program of its own, which outlives this one; returns its address.

    Raises OminixError with what it said if it ends at once, or if it is not ready in time.
    """
    home.logs.mkdir(parents=True, exist_ok=True)
    log = home.logs / "serve.log"
    with log.open("ab") as output:
        before = output.tell()
        process = subprocess.Popen(
            [sys.executable, "-m", "ominix_tui", "serve"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, "OMINIX_HOME": str(home.root)},
            start_new_session=True,  # the terminal's end is not its end
        )
    threading.Thread(target=process.wait, daemon=True).start()  # else it would stay a zombie when it ends
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OminixError):
            if (server := find(home)).pid == process.pid:
                return server.url
        if process.poll() is not None:
            said = log.read_bytes()[before:].decode("utf-8", "replace").strip().splitlines()
            reason = said[-1].removeprefix("ominix: ") if said else "It ended at once."
            raise OminixError(f"The server could not be started. {reason}")
        time.sleep(LOOK_SECONDS)
    process.terminate()
    raise OminixError(f"The server was not ready after {START_SECONDS:.0f} s. See {log}.")


def stop(home: Home) -> None:
    """End the server, when the answers in work have ended or their time is up. Raises as `status` does."""
    import psutil

    server = find(home)
    with connection(server) as http:
        answer(http.get("/v1/system"))  # else the id may be another program's by now
    with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
        process = psutil.Process(server.pid)
        os.kill(server.pid, signal.SIGTERM)
        process.wait()


def _speeds(metrics: str) -> dict[str, float]:
    """Tokens per second by model, as Prometheus would read them."""
    from prometheus_client.parser import text_string_to_metric_families

    return {
        sample.labels["model"]: sample.value
        for family in text_string_to_metric_families(metrics)
        for sample in family.samples
        if sample.name == "ominix_tokens_per_second"
    }
