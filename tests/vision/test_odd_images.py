"""Bad and odd images on every way to a model: engines, API and commands tell the same, and read the same."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ominix_core.engines.diffusion.family import Limits
from ominix_core.engines.diffusion.plans import plan_for
from ominix_core.errors import OminixError
from ominix_core.generation import ChatRequest, Failed, Finished, Request, Sampling, TextDelta
from ominix_core.hub import Hub
from ominix_core.media import ImageMade, ImageRequest
from ominix_core.paths import Home
from ominix_core.settings import Settings
from ominix_tui.commands.models import read_image
from tests.images.conftest import image_entry
from tests.server.conftest import api_server, running
from tests.support.odd_images import BAD, ODD, PLAIN
from tests.support.tiny_images import make_tiny_flux2
from tests.vision.conftest import turn
from tests.vision.test_through_the_hub import entry

bad = pytest.mark.parametrize(("image", "reason"), BAD.values(), ids=BAD)
odd = pytest.mark.parametrize("image", ODD.values(), ids=ODD)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, tiny_vlms: Callable[[str], Path]) -> Iterator[Hub]:
    """A hub that has "seer" and "flux" loaded."""
    root = tmp_path_factory.mktemp("odd-images")
    home = Home(root / "home")
    home.root.mkdir()
    flux = make_tiny_flux2(root / "flux")
    entries = [entry("seer", tiny_vlms("qwen3_vl")), image_entry("flux", flux, "flux2", "klein-4b")]
    home.registry_override.write_text(json.dumps({"models": entries}))
    with Hub(home, Settings(isolation="thread")) as hub:
        for each in ("seer", "flux"):
            hub.load(each).result()
        yield hub


@pytest.fixture(scope="module")
def http(hub: Hub) -> Iterator[httpx.Client]:
    with (
        running(api_server(hub)) as server,
        httpx.Client(base_url=server.url, timeout=None, trust_env=False) as client,
    ):
        yield client


def looking_at(image: bytes) -> ChatRequest:
    return ChatRequest(
        messages=[turn("What is this?", image)], max_tokens=8, sampling=Sampling(temperature=0), logprobs=0
    )


def starting_from(image: bytes) -> ImageRequest:
    return ImageRequest(prompt="a red fox", width=64, height=64, steps=1, seed=5, sources=(image,))


def result(hub: Hub, model: str, request: Request) -> tuple[Any, ...]:
    """What was said or made."""
    events = list(hub.generate(model, request))
    assert isinstance(events[-1], Finished), events[-1]
    said = [token.raw for event in events if isinstance(event, TextDelta) for token in event.logprobs]
    return (*said, *(event.png for event in events if isinstance(event, ImageMade)))


def chat(image: bytes) -> dict[str, Any]:
    url = f"data:image/png;base64,{base64.b64encode(image).decode()}"
    parts = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": url}}]
    message = {"role": "user", "content": parts}
    return {"model": "seer", "messages": [message], "max_tokens": 8, "temperature": 0}


def edit(http: httpx.Client, image: bytes, **fields: str) -> httpx.Response:
    form = {"model": "flux", "prompt": "a red fox", "size": "64x64", "steps": "1", "seed": "5"} | fields
    return http.post("/v1/images/edits", data=form, files={"image": ("in.png", image)})


class TestBad:
    @bad
    @pytest.mark.parametrize(("model", "ask"), [("seer", looking_at), ("flux", starting_from)])
    def test_an_engine_tells_it(
        self, model: str, ask: Callable[[bytes], Request], image: bytes, reason: str, hub: Hub
    ) -> None:
        (failed,) = hub.generate(model, ask(image))
        assert isinstance(failed, Failed)
        assert failed.code == "invalid_image"
        assert reason in failed.message

    @bad
    def test_the_api_tells_it(self, image: bytes, reason: str, http: httpx.Client) -> None:
        for response in (http.post("/v1/chat/completions", json=chat(image)), edit(http, image)):
            error = response.json()["error"]
            assert (response.status_code, error["code"]) == (400, "invalid_image")
            assert reason in error["message"]

    @bad
    def test_commands_tell_it(self, image: bytes, reason: str, tmp_path: Path) -> None:
        path = tmp_path / "picture.png"
        path.write_bytes(image)
        with pytest.raises(OminixError, match=r"picture\.png") as refusal:
            read_image(path)
        assert reason in str(refusal.value)

    def test_nothing_of_it_harms_the_next_request(self, hub: Hub) -> None:
        list(hub.generate("seer", looking_at(BAD["truncated"][0])))
        list(hub.generate("flux", starting_from(BAD["truncated"][0])))
        assert result(hub, "seer", looking_at(PLAIN))
        assert result(hub, "flux", ImageRequest(prompt="a red fox", width=64, height=64, steps=1))


class TestOdd:
    @odd
    def test_a_model_that_sees_sees_what_it_shows(self, image: bytes, hub: Hub) -> None:
        assert result(hub, "seer", looking_at(image)) == result(hub, "seer", looking_at(PLAIN))

    @odd
    def test_an_image_model_starts_from_what_it_shows(self, image: bytes) -> None:
        limits = Limits(("sources",), steps=4, guidance=1.0, sources=1, own_sizes=True)
        read = [plan_for(starting_from(each), limits, 5).sources[0] for each in (image, PLAIN)]
        assert read[0].size == (96, 64)
        assert read[0].tobytes() == read[1].tobytes()

    @odd
    def test_the_api_takes_it(self, image: bytes, http: httpx.Client) -> None:
        answers = [http.post("/v1/chat/completions", json=chat(each)).json() for each in (image, PLAIN)]
        assert answers[0]["choices"] == answers[1]["choices"]

    def test_an_edit_takes_it(self, http: httpx.Client) -> None:
        edits = [edit(http, each).json()["data"][0]["b64_json"] for each in (ODD["turned by EXIF"], PLAIN)]
        assert edits[0] == edits[1]

    @odd
    def test_commands_take_it(self, image: bytes, tmp_path: Path) -> None:
        path = tmp_path / "picture.png"
        path.write_bytes(image)
        assert read_image(path) == image


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        ({"size": "65x64"}, "invalid_input", "multiple of 16"),
        ({"size": "4096x64"}, "invalid_input", "from 64 to 2048"),
        ({"guidance": "7.5"}, "unsupported_option", "always works with guidance 1"),
        ({"strength": "0.5"}, "unsupported_option", "does not use a strength"),
    ],
)
def test_what_the_image_model_does_not_take_is_told(
    fields: dict[str, str], code: str, words: str, http: httpx.Client
) -> None:
    response = edit(http, PLAIN, **fields)
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (400, code)
    assert words in error["message"]
