"""Live servers on free loopback ports, over hubs with real (tiny) models.

Tests that change a model's state take `server`, `http` and `client`, which start with nothing loaded; all others share
one server that has "tiny" loaded: `shared_http` and `shared_client`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import threading
import time
from collections.abc import Callable, Iterator
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
from tests.support.tiny_models import scripted_llm


def api_server(hub: Hub, **settings: Any) -> ApiServer:
    """The API on a free port, with these settings; it cuts answers short when it stops."""
    return ApiServer(hub, dataclasses.replace(hub.settings, **{"port": 0, "drain_seconds": 0.0, **settings}))


PATIENCE = 60.0
"""Seconds after which something will never happen, even on a busy machine."""


def wait_until(condition: Callable[[], bool]) -> None:
    """For what tells nobody when it happens."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


@contextlib.contextmanager
def running(server: ApiServer) -> Iterator[ApiServer]:
    """Run a server on a thread until the block ends."""
    ready = threading.Event()
    thread = threading.Thread(target=server.run, args=(ready.set,))
    thread.start()
    assert ready.wait(PATIENCE)
    try:
        yield server
    finally:
        server.stop()
        thread.join(PATIENCE)
    assert not thread.is_alive()


@pytest.fixture
def server(hub: Hub) -> Iterator[ApiServer]:
    """The API over `hub`, with no model loaded."""
    with running(api_server(hub)) as server:
        yield server


@pytest.fixture
def loaded(hub: Hub) -> str:
    """The id of the model that is loaded."""
    hub.load("tiny").result(PATIENCE)
    return "tiny"


@pytest.fixture
def http(server: ApiServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=PATIENCE, trust_env=False) as client:
        yield client


@pytest.fixture
def client(server: ApiServer) -> Iterator[openai.OpenAI]:
    """The official client, which does not repeat failed requests."""
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="unused", max_retries=0) as client:
        yield client


@pytest.fixture(scope="session")
def shared_server(tiny_llm: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A server that has "tiny" loaded and knows "tiny-two". Tests must not change that."""
    home = Home(tmp_path_factory.mktemp("shared-home"))
    home.registry_override.write_text(
        json.dumps({"models": [local_entry("tiny", tiny_llm), local_entry("tiny-two", tiny_llm)]})
    )
    with Hub(home, Settings(isolation="thread")) as hub:
        hub.load("tiny").result(PATIENCE)
        with running(api_server(hub)) as server:
            yield server


@pytest.fixture
def scripted_client(
    home: Home, tmp_path: Path, add_models: Callable[..., None]
) -> Iterator[Callable[[str], openai.OpenAI]]:
    """Makes a client of a server whose only loaded model answers everything with the given script."""
    with contextlib.ExitStack() as stack:

        def make(script: str) -> openai.OpenAI:
            add_models(
                local_entry("scripted", scripted_llm(tmp_path / "scripted", script), defaults={"temperature": 0})
            )
            hub = stack.enter_context(Hub(home, Settings(isolation="thread")))
            hub.load("scripted").result(PATIENCE)
            server = stack.enter_context(running(api_server(hub)))
            return stack.enter_context(openai.OpenAI(base_url=f"{server.url}/v1", api_key="unused", max_retries=0))

        yield make


@pytest.fixture
def shared_http(shared_server: ApiServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=shared_server.url, timeout=PATIENCE, trust_env=False) as client:
        yield client


@pytest.fixture
def shared_client(shared_server: ApiServer) -> Iterator[openai.OpenAI]:
    """The official client, which does not repeat failed requests."""
    with openai.OpenAI(base_url=f"{shared_server.url}/v1", api_key="unused", max_retries=0) as client:
        yield client
