"""Providers, over real connections to a server of this machine."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ominix_core.chat_models import ChatModel, ChatModels
from ominix_core.errors import NotReadyError, RequestError
from ominix_core.generation import ChatMessage, Failed, Finished, TextDelta
from ominix_core.hub import Hub
from ominix_core.paths import Home
from ominix_core.settings import Provider, Settings
from tests.server.conftest import api_server, running
from tests.support.chat import collect
from tests.support.tiny_vision_models import picture

HELLO = [ChatMessage("user", "Hello")]


@pytest.fixture
def url(hub: Hub) -> Iterator[str]:
    """The address of a server that has "tiny" loaded."""
    hub.load("tiny").result(60)
    with running(api_server(hub)) as server:
        yield f"{server.url}/v1"


def models_with(hub: Hub, provider: Provider) -> ChatModels:
    hub.settings = Settings(isolation="thread", providers={"near": provider})
    return ChatModels(hub)


def test_the_settings_name_them(home: Home) -> None:
    home.config.write_text('[providers.near]\nbase_url = "http://x/v1"\nkey_env = "NEAR_KEY"\nmodels = ["a", "b"]\n')
    assert Settings.load(home).providers == {"near": Provider("http://x/v1", "NEAR_KEY", ("a", "b"))}


def test_an_answer_streams_and_has_its_figures(hub: Hub, url: str) -> None:
    models = models_with(hub, Provider(url, models=("tiny",)))
    text, last = collect(models.generate("near/tiny", HELLO))
    assert isinstance(last, Finished)
    assert text
    assert last.usage.prompt_tokens > 0
    offered = models.find("near/tiny")
    assert (offered.badge, offered.ready) == ("near", True)
    assert models.available()[-1] == offered


def test_a_missing_key_names_its_variable(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NEAR_KEY", raising=False)
    with pytest.raises(NotReadyError, match="Set the variable NEAR_KEY"):
        models_with(hub, Provider("http://127.0.0.1:9", "NEAR_KEY", ("a",))).generate("near/a", HELLO)


@pytest.fixture
def refusing_url() -> Iterator[str]:
    """The address of a server that refuses every key."""

    class Refuse(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(401)
            self.end_headers()
            self.wfile.write(b'{"error": {"message": "Bad key."}}')

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Refuse) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


def test_a_refused_key_is_told(hub: Hub, refusing_url: str) -> None:
    _, last = collect(models_with(hub, Provider(refusing_url)).generate("near/a", HELLO))
    assert isinstance(last, Failed)
    assert last.message == "near refuses the key. Check it. Bad key."


def test_an_unknown_model_and_a_dead_address_are_told(hub: Hub, url: str) -> None:
    _, last = collect(models_with(hub, Provider(url)).generate("near/nothing", HELLO))
    assert isinstance(last, Failed)
    assert last.message.startswith("near has no model 'nothing'")
    _, last = collect(models_with(hub, Provider("http://127.0.0.1:9/v1")).generate("near/a", HELLO))
    assert isinstance(last, Failed)
    assert last.message.startswith("near cannot be reached at http://127.0.0.1:9/v1")


@pytest.fixture
def listener() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The address of a server that answers "Yes 😀", the last character in two halves, and what it was asked."""
    asked: list[dict[str, Any]] = []

    class Listen(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()
            for text in ("Yes ", "\ud83d", "\ude00"):
                words = {"choices": [{"delta": {"content": text}}], "usage": {"completion_tokens": None}}
                self.wfile.write(f"data: {json.dumps(words)}\n\n".encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Listen) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/v1", asked
        server.shutdown()


def test_a_character_in_two_halves_is_one(hub: Hub, listener: tuple[str, list[dict[str, Any]]]) -> None:
    text, last = collect(models_with(hub, Provider(listener[0], models=("a",))).generate("near/a", HELLO))
    assert text == "Yes 😀"
    assert isinstance(last, Finished)
    assert last.usage.completion_tokens == 2  # what was counted here, because the service tells nothing


def test_images_are_parts_of_the_message(hub: Hub, listener: tuple[str, list[dict[str, Any]]]) -> None:
    url, asked = listener
    red = picture("red")
    messages = [ChatMessage("system", "Be brief."), ChatMessage("user", "A kite?", images=(red,))]
    collect(models_with(hub, Provider(url, models=("a",))).generate("near/a", messages))
    system, user = asked[0]["messages"]
    image, words = user["content"]
    assert system == {"role": "system", "content": "Be brief."}
    assert image["type"] == "image_url"
    assert base64.b64decode(image["image_url"]["url"].removeprefix("data:image/png;base64,")) == red
    assert words == {"type": "text", "text": "A kite?"}


ODD = "A line\u2028and\x85another, "


@pytest.fixture
def silent_url() -> Iterator[str]:
    """The address of a server that writes a few words in two parts, and then nothing more until the test ends."""
    ended = threading.Event()

    class Begin(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()
            words = json.dumps({"choices": [{"delta": {"content": ODD}}]}, ensure_ascii=False).encode()
            for part in (b"data: " + words[:30], words[30:] + b"\n\n"):
                self.wfile.write(part)
                self.wfile.flush()
            ended.wait()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Begin) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        ended.set()
        server.shutdown()


def test_a_provider_that_is_silent_is_left_at_once(hub: Hub, silent_url: str) -> None:
    answer = models_with(hub, Provider(silent_url, models=("a",))).generate("near/a", HELLO)
    assert next(iter(answer)) == TextDelta(ODD)
    answer.cancel()
    _, last = collect(answer)
    assert isinstance(last, Finished)
    assert last.reason == "cancelled"


def test_more_images_than_a_model_looks_at_are_refused(hub: Hub) -> None:
    with pytest.raises(RequestError, match="Tiny reads text only"):
        ChatModels(hub).generate("tiny", [ChatMessage("user", "A kite?", images=(picture("red"),))])
    one = ChatModel("seer", "Seer", images=1)
    assert one.refusal(1) == ""
    assert one.refusal(2).startswith("Seer looks at 1 image in one conversation; this one has 2.")
