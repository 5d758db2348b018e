"""What a model's authors recommend holds in the panel, in conversations, in `ominix run` and in the API, until somebody
asks for something else.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from ominix_core.chat_models import ChatModels
from ominix_core.generation import ChatMessage, Sampling, TextRequest
from ominix_core.hub import Hub
from ominix_core.paths import Home
from ominix_core.registry.entry import Defaults, sampling_with
from ominix_core.settings import Settings
from ominix_core.stream import Generation
from ominix_tui.app import OminixApp
from ominix_tui.commands import models
from tests.conftest import local_entry
from tests.server.conftest import api_server, running
from tests.tui.support import answer_of, until, until_connected

RECOMMENDED = {"temperature": 0.2, "top_p": 0.9, "top_k": 7, "min_p": 0.1, "repetition_penalty": 1.1}
PENALTIES = {"presence_penalty": 0.5, "frequency_penalty": 0.25}
SAMPLING = Sampling(**RECOMMENDED, **PENALTIES)  # type: ignore[arg-type]


@pytest.fixture
def hub(home: Home, add_models: Callable[..., None], tiny_llm: Path) -> Iterator[Hub]:
    add_models(local_entry("tiny", tiny_llm, defaults=RECOMMENDED | PENALTIES))
    with Hub(home, Settings(isolation="thread")) as hub:
        hub.load("tiny").result(60)
        yield hub


@pytest.fixture
def asked(hub: Hub) -> list[Sampling]:
    """The sampling of every request that the hub has been given."""
    samplings: list[Sampling] = []
    generate = hub.generate

    def note(model_id: str, request: TextRequest) -> Generation:
        samplings.append(msgspec.structs.replace(request.sampling, seed=None))
        return generate(model_id, request)

    hub.generate = note  # type: ignore[method-assign,assignment]
    return samplings


REQUESTS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2},
    "/v1/completions": {"prompt": "Hi", "max_tokens": 2},
    "/v1/responses": {"input": "Hi", "max_output_tokens": 2},
    "/v1/messages": {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2},
}


def test_the_api(hub: Hub, asked: list[Sampling]) -> None:
    with running(api_server(hub)) as server, httpx.Client(base_url=server.url, timeout=60, trust_env=False) as http:
        for path, body in REQUESTS.items():
            assert http.post(path, json=body | {"model": "tiny"}).is_success, path
            assert http.post(path, json=body | {"model": "tiny", "temperature": 0, "top_p": 1}).is_success, path
        zero = {"presence_penalty": 0, "frequency_penalty": 0}
        assert http.post("/v1/completions", json=REQUESTS["/v1/completions"] | {"model": "tiny"} | zero).is_success
    *pairs, without = asked
    assert pairs == [SAMPLING, msgspec.structs.replace(SAMPLING, temperature=0, top_p=1.0)] * len(REQUESTS)
    assert without == Sampling(**RECOMMENDED)  # type: ignore[arg-type]


def test_the_command(
    hub: Hub, asked: list[Sampling], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ominix_tui.commands.session.open_hub_in_use", lambda _: contextlib.nullcontext(hub))
    monkeypatch.setattr("ominix_tui.commands.session.chosen_server", lambda _: None)
    models.run(None, "tiny", "Hi", max_tokens=2)  # type: ignore[arg-type]
    models.run(None, "tiny", "Hi", max_tokens=2, temperature=1.5)  # type: ignore[arg-type]
    assert asked == [SAMPLING, msgspec.structs.replace(SAMPLING, temperature=1.5)]
    assert capsys.readouterr().out


def test_a_conversation(hub: Hub, asked: list[Sampling]) -> None:
    ChatModels(hub).generate("tiny", [ChatMessage("user", "Hi")]).cancel()
    assert asked == [SAMPLING]


async def test_the_panel(hub: Hub, asked: list[Sampling]) -> None:
    async with OminixApp(lambda: hub, "tiny").run_test() as pilot:
        await until_connected(pilot)
        await pilot.press("enter", "H", "i", "enter")
        await until(pilot, lambda: answer_of(pilot))
        assert asked == [SAMPLING]


def test_what_nobody_recommends_is_the_hubs_own_choice() -> None:
    assert Defaults().sampling == Sampling()
    assert sampling_with(Sampling(), Defaults(top_p=0)).top_p == 1e-6
