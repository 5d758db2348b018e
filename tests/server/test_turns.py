"""Clients take turns at a model."""

from __future__ import annotations

import asyncio
import contextlib
import json

import httpx
import msgspec
import pytest

from ominix_core.hub import Hub
from ominix_core.server.keys import KeyStore
from ominix_core.server.turns import Turns, share_of
from tests.server.conftest import PATIENCE, api_server, running, wait_until
from tests.server.test_operations import metric

NO_LIMITS = httpx.Limits(max_connections=None)


@pytest.mark.parametrize(("places", "share"), [(1, 1), (2, 1), (3, 2), (32, 16), (64, 32)])
def test_a_client_s_share(places: int, share: int) -> None:
    assert share_of(places) == share


class Started:
    """Turns with a record of what they started; `finish` ends the oldest."""

    def __init__(self, places: int) -> None:
        self.order: list[str] = []
        self._running: list[str] = []
        self.turns: Turns[str] = Turns(self._start)
        self.turns.places = places

    def _start(self, work: str) -> None:
        self.order.append(work)
        self._running.append(work)

    def join(self, client: str, *works: str) -> None:
        for work in works:
            self.turns.join(client, work)

    def finish(self) -> None:
        self.turns.leave(self._running.pop(0)[0])

    def finish_all(self) -> list[str]:
        while self._running:
            self.finish()
        return self.order


def test_one_at_a_time_the_clients_alternate() -> None:
    started = Started(1)
    started.join("a", "a1", "a2", "a3", "a4")
    started.join("b", "b1", "b2")
    started.join("c", "c1")
    assert started.finish_all() == ["a1", "b1", "c1", "a2", "b2", "a3", "a4"]


def test_a_newcomer_finds_a_place_free() -> None:
    started = Started(4)
    started.join("a", *(f"a{number}" for number in range(50)))
    assert started.order == ["a0", "a1"]
    started.join("b", "b0")
    assert started.order == ["a0", "a1", "b0"]


def test_a_client_alone_uses_its_share_to_the_end() -> None:
    started = Started(4)
    works = [f"a{number}" for number in range(9)]
    started.join("a", *works)
    assert started.finish_all() == works
    assert started.turns.waiting == 0


def test_what_is_given_up_is_never_started() -> None:
    started = Started(1)
    started.join("a", "a1", "a2", "a3")
    assert started.turns.give_up("a", "a2")
    assert not started.turns.give_up("a", "a1"), "it runs already"
    assert not started.turns.give_up("b", "a3"), "it is another client's"
    assert started.finish_all() == ["a1", "a3"]


LONG = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4000, "temperature": 0, "stream": True}


async def test_a_client_with_fifty_requests_does_not_starve_another(hub: Hub, loaded: str) -> None:
    keys = KeyStore(hub.home.api_keys)
    greedy, modest = ({"x-api-key": keys.create(name)[1]} for name in ("greedy", "modest"))
    refused: list[int] = []
    ended: list[str] = []
    with running(api_server(hub)) as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=60, trust_env=False, limits=NO_LIMITS) as http:

            async def ask_at_length() -> None:
                async with http.stream("POST", "/v1/chat/completions", json=LONG, headers=greedy) as response:
                    if response.status_code != 200:
                        refused.append(response.status_code)
                        return
                    async for _ in response.aiter_lines():
                        pass
                    ended.append(response.headers["x-request-id"])

            async with asyncio.TaskGroup() as tasks:
                crowd = [tasks.create_task(ask_at_length()) for _ in range(50)]
                async with asyncio.timeout(PATIENCE):
                    while len(refused) < 18:  # what is beyond half of the 64 that the model may have
                        await asyncio.sleep(0.01)
                short = LONG | {"max_tokens": 2, "stream": False}
                answer = await http.post("/v1/chat/completions", json=short, headers=modest)
                assert answer.status_code == 200, answer.text
                assert ended == [], "it was answered before any of the fifty"
                assert set(refused) == {429}
                for task in crowd:
                    task.cancel()


def test_a_full_client_is_told_when_to_come_back(hub: Hub, loaded: str) -> None:
    with (
        running(api_server(hub, max_requests_per_model=3)) as server,
        contextlib.ExitStack() as stack,
    ):
        for _ in range(2):
            stack.enter_context(httpx.stream("POST", f"{server.url}/v1/chat/completions", json=LONG))
        refused = httpx.post(f"{server.url}/v1/chat/completions", json=LONG)
        error = refused.json()["error"]
        assert (refused.status_code, error["code"], error["type"]) == (429, "too_many_requests", "rate_limit_error")
        assert int(refused.headers["retry-after"]) > 0


def test_leaving_frees_the_place(hub: Hub, loaded: str) -> None:
    with running(api_server(hub, max_requests_per_model=1)) as server, httpx.Client(base_url=server.url) as http:
        with http.stream("POST", "/v1/chat/completions", json=LONG) as response:
            next(lines := response.iter_lines())
            assert http.post("/v1/chat/completions", json=LONG).status_code == 503
        del lines
        short = LONG | {"max_tokens": 1, "stream": False}
        wait_until(lambda: http.post("/v1/chat/completions", json=short).status_code == 200)
        assert metric(http, "ominix_requests_total", model="tiny", outcome="left") == 1, "it did not run to its end"


def test_one_that_waits_is_listed_kept_alive_and_cancelled(
    hub: Hub, loaded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ominix_core.server.live.FIRST_EVENT_SECONDS", 0.01)
    monkeypatch.setattr("ominix_core.server.chat.KEEP_ALIVE_SECONDS", 0.01)
    abilities = hub.abilities("tiny")
    assert abilities is not None
    monkeypatch.setattr(hub, "abilities", lambda _: msgspec.structs.replace(abilities, at_once=1))
    with running(api_server(hub)) as server, httpx.Client(base_url=server.url) as http:
        with (
            http.stream("POST", "/v1/chat/completions", json=LONG) as first,
            http.stream("POST", "/v1/chat/completions", json=LONG) as second,
        ):
            assert first.status_code == 200
            lines = second.iter_lines()
            name = json.loads(next(lines).removeprefix("data: "))["id"]
            assert ": keep-alive" in (next(lines), next(lines))
            assert metric(http, "ominix_answers_waiting", model="tiny") == 1
            assert len(http.get("/v1/requests").json()["data"]) == 2
            assert http.delete(f"/v1/requests/{name}").status_code == 200
            last = [line for line in lines if line.startswith("data: ")][-1]
            assert json.loads(last.removeprefix("data: "))["error"]["code"] == "cancelled"
            assert metric(http, "ominix_answers_waiting", model="tiny") == 0
        third = http.post("/v1/chat/completions", json=LONG | {"max_tokens": 1, "stream": False})
        assert third.status_code == 200, "the one that was cancelled left no place taken"
