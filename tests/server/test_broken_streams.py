"""What a client hears of a failure after the first byte: an error of its own API, never an answer cut short."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import httpx
import openai
import pytest

from ominix_core.errors import OminixError
from ominix_core.generation import Failed, Request, TextDelta
from ominix_core.hub import Hub
from ominix_core.server.run import ApiServer
from ominix_core.stream import Generation

HELLO: Any = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def breaking(hub: Hub, loaded: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[Failed], None]:
    """Lets every answer fail like this after its first words."""

    def fail_with(failed: Failed) -> None:
        def generate(model_id: str, request: Request) -> Generation:
            generation = Generation("a", lambda _: None)
            for event in (TextDelta("Good "), failed):
                generation.put(event)
            return generation

        monkeypatch.setattr(hub, "generate", generate)
        monkeypatch.setattr("ominix_core.server.live.LiveRequest.started", at_once)

    async def at_once(*_: object) -> None:
        """The stream begins before anything is known of its end."""

    return fail_with


@pytest.fixture
def claude(server: ApiServer) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=server.url, api_key="unused", max_retries=0) as client:
        yield client


GONE = Failed("Tiny stopped. Load it again.", "worker_gone")
BUSY = Failed("The caches are full.", "kv_cache_full")
FORGED = Failed("It is broken.", "a_code_of_another_version")


class TestOpenAI:
    @pytest.mark.parametrize("failed", [GONE, BUSY, FORGED], ids=lambda failed: failed.code)
    def test_a_chat(self, client: openai.OpenAI, breaking: Callable[[Failed], None], failed: Failed) -> None:
        breaking(failed)
        with pytest.raises(openai.APIError) as raised:
            list(client.chat.completions.create(model="tiny", messages=HELLO, stream=True))
        body: Any = raised.value.body
        assert (raised.value.message, body["type"]) == (failed.message, "server_error")
        assert body["code"] == ("internal_error" if failed is FORGED else failed.code)

    def test_a_completion(self, client: openai.OpenAI, breaking: Callable[[Failed], None]) -> None:
        breaking(GONE)
        with pytest.raises(openai.APIError, match="Tiny stopped"):
            list(client.completions.create(model="tiny", prompt="Hello", stream=True))

    def test_a_response(self, client: openai.OpenAI, breaking: Callable[[Failed], None]) -> None:
        breaking(GONE)
        last: Any = list(client.responses.create(model="tiny", input="Hello", stream=True))[-1]
        assert (last.type, last.response.status) == ("response.failed", "failed")
        assert last.response.error.message == GONE.message


class TestAnthropic:
    @pytest.mark.parametrize(("failed", "kind"), [(GONE, "api_error"), (BUSY, "overloaded_error")])
    def test_a_message(
        self, claude: anthropic.Anthropic, breaking: Callable[[Failed], None], failed: Failed, kind: str
    ) -> None:
        breaking(failed)
        with pytest.raises(anthropic.APIStatusError) as raised:
            list(claude.messages.create(model="tiny", max_tokens=9, messages=HELLO, stream=True))
        body: Any = raised.value.body
        assert (body["type"], body["error"]["type"], body["error"]["message"]) == ("error", kind, failed.message)

    def test_a_failure_that_nobody_foresaw(
        self, claude: anthropic.Anthropic, loaded: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr("ominix_core.server.message_writer.MessageWriter.add", fail)
        with pytest.raises(anthropic.APIStatusError, match="Something went wrong inside Ominix"):
            list(claude.messages.create(model="tiny", max_tokens=9, messages=HELLO, stream=True))


def test_a_response_that_fails_as_nobody_foresaw(
    client: openai.OpenAI, loaded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("ominix_core.server.response_writer.ResponseWriter.add", fail)
    last: Any = list(client.responses.create(model="tiny", input="Hello", stream=True))[-1]
    assert last.type == "response.failed"
    assert "Something went wrong inside Ominix" in last.response.error.message


class _Counting(httpx.Client):
    """Counts the requests that an official client sends."""

    def __init__(self) -> None:
        self.sent = 0
        super().__init__(trust_env=False, event_hooks={"request": [self._count]})

    def _count(self, _: httpx.Request) -> None:
        self.sent += 1


@pytest.mark.parametrize(
    ("failure", "status", "sent"),
    [("disk_full", 507, 1), ("unsupported_temperature", 400, 1), ("worker_gone", 503, 1), ("busy", 503, 2)],
)
def test_the_official_client_tries_again_only_what_passes(
    server: ApiServer, hub: Hub, monkeypatch: pytest.MonkeyPatch, failure: str, status: int, sent: int
) -> None:
    def fail(name: str) -> None:
        error = OminixError("No.")
        error.code = failure
        raise error

    monkeypatch.setattr(hub, "resolve", fail)
    with _Counting() as counting:
        client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="unused", max_retries=1, http_client=counting)
        monkeypatch.setattr(client, "_calculate_retry_timeout", lambda *_: 0.0)  # five seconds are long here
        with pytest.raises(openai.APIStatusError) as raised:
            client.chat.completions.create(model="tiny", messages=HELLO)
        assert (raised.value.status_code, counting.sent) == (status, sent)
