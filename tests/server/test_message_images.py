"""Images in messages: how they come in, and what is refused on the way.

Most of these tests are about what a model is given: its hub notes that, and a model that reads text answers.
"""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anthropic
import httpx
import msgspec
import openai
import pytest
from PIL import Image

from ominix_core.addresses import LOOPBACK_SWITCH
from ominix_core.generation import ChatMessage, ChatRequest, Request
from ominix_core.hub import Hub
from ominix_core.paths import Home
from ominix_core.settings import Settings
from ominix_core.stream import Generation
from tests.conftest import local_entry
from tests.server.conftest import PATIENCE, api_server, running
from tests.support.fixture_hub import FaultKind, FixtureHub
from tests.support.tiny_vision_models import make_tiny_vlm

CAN_TAKE = 3


def png(colour: str = "red") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(file, "PNG")
    return file.getvalue()


def data_url(image: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(image).decode()}"


def chat(*urls: str, **extra: Any) -> dict[str, Any]:
    parts = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    message = {"role": "user", "content": [{"type": "text", "text": "What is it?"}, *parts]}
    return {"model": "tiny", "messages": [message], "max_tokens": 1, **extra}


@pytest.fixture
def seen(hub: Hub, loaded: str, monkeypatch: pytest.MonkeyPatch) -> list[ChatMessage]:
    """The messages that a model is shown; it answers to their text."""
    messages: list[ChatMessage] = []
    generate, abilities = hub.generate, hub.abilities(loaded)
    assert abilities is not None

    def look(model_id: str, request: Request) -> Generation:
        assert isinstance(request, ChatRequest)
        messages[:] = request.messages
        blind = [msgspec.structs.replace(message, images=()) for message in request.messages]
        return generate(model_id, msgspec.structs.replace(request, messages=blind))

    monkeypatch.setattr(hub, "abilities", lambda _: msgspec.structs.replace(abilities, images=CAN_TAKE))
    monkeypatch.setattr(hub, "generate", look)
    return messages


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FixtureHub]:
    """A web server with /_static/red.png."""
    static = tmp_path / "site" / "_static"
    static.mkdir(parents=True)
    (static / "red.png").write_bytes(png())
    monkeypatch.setenv(LOOPBACK_SWITCH, "1")
    with FixtureHub(tmp_path / "site") as site:
        yield site


def error_of(response: httpx.Response) -> tuple[int, str, str | None]:
    error = response.json()["error"]
    return response.status_code, error["code"], error["param"]


# -- what comes in ----------------------------------------------------------------------------------------------


def test_in_a_chat(client: openai.OpenAI, seen: list[ChatMessage]) -> None:
    images = [png("red"), png("blue")]
    answer: Any = client.chat.completions.create(**chat(*map(data_url, images)))
    assert answer.choices
    (message,) = seen
    assert (message.content, message.images) == ("What is it?", tuple(images))


def test_in_a_response_and_in_what_continues_it(client: openai.OpenAI, seen: list[ChatMessage]) -> None:
    part = {"type": "input_image", "image_url": data_url(png()), "detail": "auto"}
    turn: Any = {"role": "user", "content": [{"type": "input_text", "text": "What is it?"}, part]}
    first = client.responses.create(model="tiny", input=[turn], max_output_tokens=1)
    assert seen[0].images == (png(),)
    client.responses.create(model="tiny", input="And now?", previous_response_id=first.id, max_output_tokens=1)
    assert [message.images for message in seen] == [(png(),), (), ()]
    item: Any = client.responses.input_items.list(first.id).data[0]
    assert item.content[1].image_url == part["image_url"]


def test_in_an_anthropic_message_and_in_a_tool_s_result(http: httpx.Client, seen: list[ChatMessage]) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(png()).decode()}
    block = {"type": "image", "source": source}
    call = {"type": "tool_use", "id": "a", "name": "look", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "seen"}, block]}
    turns: Any = [
        {"role": "user", "content": [block, {"type": "text", "text": "What is it?"}]},
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [result]},
    ]
    with anthropic.Anthropic(base_url=str(http.base_url), api_key="unused", max_retries=0) as claude:
        assert claude.messages.create(model="tiny", max_tokens=1, messages=turns).content
        assert [(message.role, len(message.images)) for message in seen] == [
            ("user", 1),
            ("assistant", 0),
            ("tool", 0),
            ("user", 1),
        ]
        assert claude.messages.count_tokens(model="tiny", messages=turns).input_tokens > 5


def test_in_little_detail(http: httpx.Client, seen: list[ChatMessage]) -> None:
    large = io.BytesIO()
    Image.new("RGB", (1600, 800), "red").save(large, "PNG")
    low = {"url": data_url(large.getvalue()), "detail": "low"}
    in_chat = {"model": "tiny", "max_tokens": 1}
    in_chat["messages"] = [{"role": "user", "content": [{"type": "image_url", "image_url": low}]}]
    asked = [
        ("/v1/chat/completions", in_chat),
        ("/v1/responses", in_response(image_url=low["url"], detail="low")),
    ]
    for path, body in asked:
        assert http.post(path, json=body).status_code == 200
        assert Image.open(io.BytesIO(seen[0].images[0])).size == (512, 256)
    small = in_response(image_url=data_url(png()), detail="low")
    assert http.post("/v1/responses", json=small).status_code == 200
    assert seen[0].images == (png(),), "what is small enough stays as it is"


def test_from_an_address(http: httpx.Client, seen: list[ChatMessage], site: FixtureHub) -> None:
    urls = [f"{site.url}/_static/red.png", data_url(png("blue"))]
    assert http.post("/v1/chat/completions", json=chat(*urls)).status_code == 200
    assert seen[0].images == (png("red"), png("blue"))


def test_a_few_large_images_fit_into_a_request(http: httpx.Client, seen: list[ChatMessage]) -> None:
    large = png() + bytes(10_000_000)
    response = http.post("/v1/chat/completions", json=chat(*[data_url(large)] * 3))
    assert response.status_code == 200, response.text
    assert [len(image) for image in seen[0].images] == [len(large)] * 3


def test_a_model_that_sees_reads_them(home: Home, add_models: Callable[..., None], tmp_path: Path) -> None:
    runtime = {"engine": "mlx-vlm", "memory_gb": 0.1}
    add_models(local_entry("seer", make_tiny_vlm(tmp_path / "seer"), category="VLM", runtime=runtime))
    with Hub(home, Settings(isolation="thread")) as hub, running(api_server(hub)) as server:
        hub.load("seer").result(60)
        with httpx.Client(base_url=server.url, timeout=60, trust_env=False) as http:
            bodies = [chat(*urls, model="seer", max_tokens=4, n=2) for urls in ([], [data_url(png())])]
            answers = [http.post("/v1/chat/completions", json=body).json() for body in bodies]
    assert [len(answer["choices"]) for answer in answers] == [2, 2]
    assert answers[1]["usage"]["prompt_tokens"] > answers[0]["usage"]["prompt_tokens"]


# -- what does not ----------------------------------------------------------------------------------------------


def test_a_model_that_reads_text_only_fetches_nothing(shared_http: httpx.Client) -> None:
    response = shared_http.post("/v1/chat/completions", json=chat("https://no-such-host.invalid/a.png"))
    assert error_of(response) == (400, "images_not_supported", "messages[0].content[1].image_url")
    assert "reads text only" in response.json()["error"]["message"]


def test_a_client_hears_of_it_in_its_own_shape(shared_http: httpx.Client) -> None:
    source = {"type": "url", "url": "https://no-such-host.invalid/a.png"}
    turn = {"role": "user", "content": [{"type": "image", "source": source}]}
    body = shared_http.post("/v1/messages", json={"model": "tiny", "max_tokens": 1, "messages": [turn]}).json()
    assert (body["type"], body["error"]["type"]) == ("error", "invalid_request_error")


@pytest.mark.parametrize(
    "url",
    [
        "/etc/passwd",
        "file:///etc/passwd",
        "http://example.com/a.png",
        "https://127.0.0.1/a.png",
        "https://localhost/a.png",
        "https://2130706433/a.png",
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:10.0.0.1]/a.png",
        "https://user:secret@example.com/a.png",
        "ftp://example.com/a.png",
        "FILE:///etc/passwd",
        "blob:https://example.com/1",
        "data:image/png;base64",
        "DATA:",
        "",
    ],
)
def test_addresses_that_are_never_fetched(shared_http: httpx.Client, url: str) -> None:
    for path, body, param in (
        ("/v1/chat/completions", chat(url), "messages[0].content[1].image_url.url"),
        ("/v1/responses", in_response(image_url=url), "input[0].content[0].image_url"),
    ):
        response = shared_http.post(path, json=body)
        assert error_of(response) == (400, "invalid_value", param)
        assert "secret" not in response.text


def in_response(**image: Any) -> dict[str, Any]:
    part = {"type": "input_image", **image}
    return {"model": "tiny", "input": [{"role": "user", "content": [part]}], "max_output_tokens": 1}


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        (
            "/v1/responses",
            in_response(image_url="https://a.example/a.png", file_id="file-1"),
            "input[0].content[0].file_id",
        ),
        ("/v1/responses", in_response(file_id="file-1"), "input[0].content[0].file_id"),
        ("/v1/responses", in_response(image_url=data_url(b"x"), detail="coarse"), "input[0].content[0].detail"),
        (
            "/v1/chat/completions",
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]},
            "messages[0].content[0].image_url",
        ),
        (
            "/v1/chat/completions",
            {
                "messages": [
                    {"role": "system", "content": [{"type": "image_url", "image_url": {"url": data_url(b"x")}}]}
                ]
            },
            "messages[0]",
        ),
        (
            "/v1/messages",
            {
                "max_tokens": 1,
                "messages": [
                    {"role": "user", "content": [{"type": "image", "source": {"type": "file", "file_id": "f"}}]}
                ],
            },
            "messages[0].content[0].source.type",
        ),
    ],
)
def test_what_is_no_image_is_refused_by_name(
    shared_http: httpx.Client, path: str, body: dict[str, Any], param: str
) -> None:
    response = shared_http.post(path, json={"model": "tiny"} | body)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param


def test_more_images_than_the_model_can_look_at(http: httpx.Client, seen: list[ChatMessage]) -> None:
    response = http.post("/v1/chat/completions", json=chat(*[data_url(png())] * (CAN_TAKE + 1)))
    assert error_of(response) == (400, "too_many_images", "messages[0].content[4].image_url")


def test_what_is_no_picture(http: httpx.Client, seen: list[ChatMessage]) -> None:
    response = http.post("/v1/chat/completions", json=chat(data_url(b"<svg></svg>")))
    assert error_of(response) == (400, "invalid_image", "messages[0].content[1].image_url.url")
    assert "SVG" in response.json()["error"]["message"]


def test_every_api_takes_every_form_of_base64(http: httpx.Client, seen: list[ChatMessage]) -> None:
    """What the forms are, the tests of data URLs tell."""
    encoded = base64.encodebytes(png()).decode().replace("\n", "\r\n").rstrip("=\r\n")
    url = f"DATA:application/octet-stream;name=a.png;BASE64,{encoded}"
    source = {"type": "base64", "media_type": "image/jpg", "data": encoded}
    turn = {"role": "user", "content": [{"type": "image", "source": source}]}
    in_message = {"model": "tiny", "max_tokens": 1, "messages": [turn]}
    for path, body in (
        ("/v1/chat/completions", chat(url)),
        ("/v1/chat/completions", chat(encoded)),
        ("/v1/responses", in_response(image_url=url)),
        ("/v1/messages", in_message),
    ):
        assert http.post(path, json=body).status_code == 200
        assert seen[0].images == (png(),)
    source["data"] = url
    assert http.post("/v1/messages", json=in_message).status_code == 200
    assert seen[0].images == (png(),)


def test_a_path_is_told_that_files_are_not_read(shared_http: httpx.Client) -> None:
    message = shared_http.post("/v1/chat/completions", json=chat("file:///Users/ann/a.png")).json()["error"]["message"]
    assert "files are not read for a request" in message


@pytest.mark.parametrize("text", ["", "AAAAA", "AA=A", "AA==AAAA", "A*AA", "Ä"])
def test_what_is_no_base64(http: httpx.Client, seen: list[ChatMessage], text: str) -> None:
    response = http.post("/v1/chat/completions", json=chat(f"data:image/png;base64,{text}"))
    assert error_of(response) == (400, "invalid_image", "messages[0].content[1].image_url.url")


def test_one_that_is_too_large(http: httpx.Client, seen: list[ChatMessage], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ominix_core.server.message_images.MAX_IMAGE_BYTES", 1000)
    response = http.post("/v1/chat/completions", json=chat(data_url(b"x" * 1001)))
    assert error_of(response) == (413, "image_too_large", "messages[0].content[1].image_url.url")


@pytest.mark.parametrize(
    ("fault", "fields", "status", "code", "words"),
    [
        pytest.param("status", {"code": 404}, 400, "invalid_image_url", "answers 404", id="not there"),
        pytest.param("drop", {"after": 3}, 400, "invalid_image_url", "could not be fetched", id="cut short"),
        pytest.param("hang", {}, 400, "invalid_image_url", "did not arrive within", id="no answer"),
        pytest.param("stall", {"after": 3}, 400, "invalid_image_url", "did not arrive within", id="stalled"),
        pytest.param("body", {"value": "x" * 2000}, 413, "image_too_large", "larger than", id="too large"),
        pytest.param(
            "redirect",
            {"value": "https://169.254.169.254/latest/meta-data"},
            400,
            "invalid_image_url",
            "inside this machine or its network",
            id="led inside",
        ),
        pytest.param("redirect", {"value": "file:///etc/passwd"}, 400, "invalid_image_url", "", id="led to a file"),
    ],
)
def test_what_a_server_can_do_to_the_fetch(
    http: httpx.Client,
    seen: list[ChatMessage],
    site: FixtureHub,
    monkeypatch: pytest.MonkeyPatch,
    fault: FaultKind,
    fields: dict[str, Any],
    status: int,
    code: str,
    words: str,
) -> None:
    if "did not arrive" in words:
        monkeypatch.setattr("ominix_core.server.message_images.FETCH_SECONDS", 0.5)
    monkeypatch.setattr("ominix_core.server.message_images.MAX_IMAGE_BYTES", 1000)
    site.fault(fault, **fields)
    response = http.post("/v1/chat/completions", json=chat(f"{site.url}/_static/red.png"))
    assert error_of(response) == (status, code, "messages[0].content[1].image_url.url")
    assert words in response.json()["error"]["message"]
    assert seen == []


def test_a_slow_fetch_holds_up_nobody(
    http: httpx.Client, seen: list[ChatMessage], site: FixtureHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ominix_core.server.message_images.FETCH_SECONDS", 2 * PATIENCE)
    hangs = threading.Event()
    site.on_hang = hangs.set
    site.fault("hang")
    slow = chat(f"{site.url}/_static/red.png")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(http.post, "/v1/chat/completions", json=slow)
        assert hangs.wait(PATIENCE)
        assert http.post("/v1/chat/completions", json=chat()).status_code == 200
        assert not waiting.done()
        site.closing.set()
        assert error_of(waiting.result(PATIENCE))[1] == "invalid_image_url"


def test_kept_conversations_hold_only_so_much_of_images(
    hub: Hub, seen: list[ChatMessage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ominix_core.server.response_store.KEPT_IMAGE_BYTES", int(2.5 * len(png())))
    with running(api_server(hub)) as server, httpx.Client(base_url=server.url) as http:
        ids = [http.post("/v1/responses", json=in_response(image_url=data_url(png()))).json()["id"] for _ in range(3)]
        assert [http.get(f"/v1/responses/{name}").status_code for name in ids] == [404, 200, 200]
        assert http.delete(f"/v1/responses/{ids[1]}").status_code == 200
        ids.append(http.post("/v1/responses", json=in_response(image_url=data_url(png()))).json()["id"])
        assert [http.get(f"/v1/responses/{name}").status_code for name in ids] == [404, 404, 200, 200]
