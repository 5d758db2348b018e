"""Images over HTTP: the official client, OpenAI's schema, streams, URLs, forms, and clients that leave."""

from __future__ import annotations

import base64
import io
import json
import os
import time
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from PIL import Image, ImageChops, ImageStat

from ominix_core.hub import Hub
from ominix_core.server.keys import KeyStore
from ominix_core.server.made_images import SECONDS_KEPT
from ominix_core.server.run import ApiServer
from ominix_core.server.schemas.image_generation import ImageRequest
from tests.images.test_engine import one, picture
from tests.server.conftest import api_server, running, wait_until
from tests.server.openai_schema import assert_conforms

FOX: Any = {"model": "flux", "prompt": "a red fox", "size": "64x64", "extra_body": {"seed": 5}}
BODY: Any = {"model": "flux", "prompt": "a red fox", "size": "64x64", "seed": 5, "steps": 2}


@pytest.fixture
def server(image_hub: Hub) -> Iterator[ApiServer]:
    """A server with "flux" loaded."""
    image_hub.load("flux").result(60)
    with running(api_server(image_hub)) as server:
        yield server


@pytest.fixture
def client(server: ApiServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="unused", max_retries=0) as client:
        yield client


@pytest.fixture
def http(server: ApiServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=60, trust_env=False) as client:
        yield client


def decoded(data: str | None) -> bytes:
    png = base64.b64decode(data or "")
    assert Image.open(io.BytesIO(png)).format == "PNG"
    return png


class TestGenerations:
    def test_the_seed_gives_the_image_that_the_hub_makes(self, client: openai.OpenAI, image_hub: Hub) -> None:
        answer = client.images.generate(**FOX)
        (image,) = answer.data or []
        assert decoded(image.b64_json) == one(image_hub).png
        assert (image.seed, image.width, image.steps, image.guidance) == (5, 64, 2, 1.0)  # type: ignore[attr-defined]

    def test_several(self, client: openai.OpenAI) -> None:
        answer = client.images.generate(**FOX, n=2)
        first, second = answer.data or []
        assert decoded(first.b64_json) != decoded(second.b64_json)
        assert second.seed == 6  # type: ignore[attr-defined]

    def test_hints_change_nothing(self, http: httpx.Client, image_hub: Hub) -> None:
        hints: dict[str, Any] = {"quality": "high", "style": "vivid", "moderation": "low", "background": "opaque"}
        hints |= {"user": "me", "partial_images": 2, "output_format": "png", "output_compression": 100}
        (image,) = http.post("/v1/images/generations", json=BODY | hints).json()["data"]
        assert decoded(image["b64_json"]) == one(image_hub).png
        for quality in ("auto", "standard", "hd", "low", "medium", None):
            assert ImageRequest.model_validate(BODY | {"quality": quality, "style": "natural"})

    def test_a_seed_of_minus_one_is_drawn(self, http: httpx.Client) -> None:
        made = [http.post("/v1/images/generations", json=BODY | {"seed": -1}).json()["data"][0] for _ in range(2)]
        assert made[0]["seed"] != made[1]["seed"]
        form = {name: str(value) for name, value in BODY.items()} | {"seed": "-1"}
        edited = http.post("/v1/images/edits", data=form, files={"image": ("in.png", picture())}).json()["data"][0]
        assert edited["seed"] >= 0

    @pytest.mark.parametrize(("asked", "kind"), [("jpeg", "jpeg"), ("jpg", "jpeg"), ("webp", "webp")])
    def test_other_formats(self, http: httpx.Client, image_hub: Hub, asked: str, kind: str) -> None:
        body = BODY | {"output_format": asked}
        answer = http.post("/v1/images/generations", json=body).json()
        assert answer["output_format"] == kind
        best = base64.b64decode(answer["data"][0]["b64_json"])
        image = Image.open(io.BytesIO(best))
        assert (image.format, image.size) == (kind.upper(), (64, 64))
        original = Image.open(io.BytesIO(one(image_hub).png)).convert("L")
        assert ImageStat.Stat(ImageChops.difference(image.convert("L"), original)).mean[0] < 6
        assert json.loads(image.getexif()[0x010E])["prompt"] == "a red fox"
        small = http.post("/v1/images/generations", json=body | {"output_compression": 10}).json()
        assert len(base64.b64decode(small["data"][0]["b64_json"])) < len(best)
        kept = http.post("/v1/images/generations", json=body | {"response_format": "url"}).json()["data"][0]["url"]
        there = httpx.get(kept)
        assert (there.headers["content-type"], there.content) == (f"image/{kind}", best)

    def test_an_edit_in_another_format(self, http: httpx.Client) -> None:
        form = {name: str(value) for name, value in BODY.items()}
        form |= {"output_format": "webp", "output_compression": "80", "quality": "high", "input_fidelity": "high"}
        answer = http.post("/v1/images/edits", data=form, files={"image": ("in.png", picture())})
        assert Image.open(io.BytesIO(base64.b64decode(answer.json()["data"][0]["b64_json"]))).format == "WEBP"

    def test_a_url_holds_for_an_hour_and_cannot_be_guessed(
        self, client: openai.OpenAI, http: httpx.Client, image_hub: Hub
    ) -> None:
        (image,) = client.images.generate(**FOX, response_format="url").data or []
        assert image.url is not None
        answer = httpx.get(image.url)
        assert answer.headers["content-type"] == "image/png"
        assert answer.content == one(image_hub).png
        (kept,) = image_hub.home.served_images.iterdir()
        assert kept.stat().st_mode & 0o777 == 0o600
        old = time.time() - SECONDS_KEPT - 1
        os.utime(kept, (old, old))
        assert httpx.get(image.url).status_code == 404
        client.images.generate(**FOX, response_format="url")
        assert kept not in set(image_hub.home.served_images.iterdir())
        for name in ("x.png", "..%2F..%2Fconfig.toml", f"{'a' * 32}.png"):
            assert http.get(f"/v1/images/made/{name}").status_code == 404

    def test_only_the_file_itself_needs_no_key(self, image_hub: Hub, server: ApiServer, client: openai.OpenAI) -> None:
        (image,) = client.images.generate(**FOX, response_format="url").data or []
        KeyStore(image_hub.home.api_keys).create("somebody", ("use",))
        assert image.url is not None
        wait_until(lambda: httpx.post(f"{server.url}/v1/images/generations", json=BODY).status_code == 401)
        assert httpx.get(image.url).status_code == 200

    def test_the_answer_conforms(self, http: httpx.Client) -> None:
        body = BODY | {"response_format": "b64_json", "user": "me", "n": 2}
        assert_conforms(body, "CreateImageRequest")
        assert_conforms(http.post("/v1/images/generations", json=body).json(), "ImagesResponse")

    @pytest.mark.parametrize(
        ("wrong", "code", "param"),
        [
            ({"prompt": ""}, "invalid_value", "prompt"),
            ({"n": 11}, "invalid_value", "n"),
            ({"size": "large"}, "invalid_value", "size"),
            ({"size": "64x63"}, "invalid_input", None),
            ({"size": "99999x99999"}, "invalid_input", None),
            ({"quality": "ultra"}, "unsupported_parameter", "quality"),
            ({"style": "oil"}, "unsupported_parameter", "style"),
            ({"moderation": "high"}, "unsupported_parameter", "moderation"),
            ({"background": "transparent"}, "invalid_value", "background"),
            ({"output_format": "gif"}, "invalid_value", "output_format"),
            ({"output_compression": 50}, "invalid_value", "output_compression"),
            ({"output_format": "jpeg", "output_compression": 101}, "invalid_value", "output_compression"),
            ({"guidance": 7.5}, "unsupported_option", None),
            ({"negative_prompt": "blurry"}, "unsupported_option", None),
            ({"cfg": 1}, "unsupported_parameter", "cfg"),
            ({"seed": -2}, "invalid_value", "seed"),
            ({"seed": 2**32}, "invalid_value", "seed"),
        ],
    )
    def test_what_is_not_supported_is_refused_by_name(
        self, http: httpx.Client, wrong: dict[str, Any], code: str, param: str | None
    ) -> None:
        answer = http.post("/v1/images/generations", json=BODY | wrong)
        assert answer.status_code == 400
        error = answer.json()["error"]
        assert (error["code"], error["param"]) == (code, param)

    def test_without_an_image_model(self, image_hub: Hub) -> None:
        with running(api_server(image_hub)) as server:
            answer = httpx.post(f"{server.url}/v1/images/generations", json=BODY | {"model": ""})
        assert answer.status_code == 503
        assert "No image model is loaded" in answer.json()["error"]["message"]


class TestStreams:
    def test_partial_images_and_the_image(self, client: openai.OpenAI, image_hub: Hub) -> None:
        stream = client.images.generate(**FOX | {"extra_body": {"seed": 5, "steps": 6}}, stream=True, partial_images=2)
        events = list(stream)
        assert [event.type for event in events] == [
            *["image_generation.partial_image"] * 2,
            "image_generation.completed",
        ]
        assert [event.partial_image_index for event in events[:2]] == [0, 1]  # type: ignore[union-attr]
        for event in events:
            decoded(event.b64_json)
        assert decoded(events[-1].b64_json) == one(image_hub, steps=6).png

    def test_events_conform(self, http: httpx.Client) -> None:
        answer = http.post("/v1/images/generations", json=BODY | {"stream": True, "partial_images": 1, "steps": 3})
        events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
        assert_conforms(events[0], "ImageGenPartialImageEvent")
        assert_conforms(events[-1], "ImageGenCompletedEvent")
        assert len(events) == 2

    def test_every_picture_of_a_stream_has_its_format(self, client: openai.OpenAI) -> None:
        asked = FOX | {"extra_body": {"seed": 5, "steps": 3}}
        events = list(client.images.generate(**asked, stream=True, partial_images=1, output_format="jpeg"))
        assert [event.output_format for event in events] == ["jpeg", "jpeg"]
        for event in events:
            assert Image.open(io.BytesIO(base64.b64decode(event.b64_json))).format == "JPEG"

    def test_a_bad_request_is_refused_with_its_status(self, http: httpx.Client) -> None:
        answer = http.post("/v1/images/generations", json=BODY | {"stream": True, "guidance": 3})
        assert answer.status_code == 400

    def test_a_client_that_leaves_frees_the_model(self, http: httpx.Client, image_hub: Hub, server: ApiServer) -> None:
        url, body = f"{server.url}/v1/images/generations", BODY | {"steps": 100, "n": 10}
        with httpx.stream("POST", url, json=body | {"stream": True}, timeout=None) as answer:
            assert next(answer.iter_lines())
        wait_until(lambda: http.get("/v1/requests").json()["data"] == [])
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(url, json=body, timeout=httpx.Timeout(None, read=0.3))
        wait_until(lambda: http.get("/v1/requests").json()["data"] == [])
        assert one(image_hub).width == 64


class TestEdits:
    def test_an_edit_by_the_official_client(self, client: openai.OpenAI, image_hub: Hub) -> None:
        answer = client.images.edit(image=("in.png", picture()), **FOX)
        (image,) = answer.data or []
        assert decoded(image.b64_json) == one(image_hub, sources=(picture(),)).png
        edited = client.images.edit(image=[("in.png", picture(color="orange"))], **FOX)
        assert edited.data
        assert decoded(edited.data[0].b64_json) != decoded(image.b64_json)

    def test_a_stream_of_an_edit_conforms(self, http: httpx.Client) -> None:
        form = {name: str(value) for name, value in BODY.items()} | {"stream": "true", "partial_images": "1"}
        answer = http.post("/v1/images/edits", data=form, files={"image": ("in.png", picture())})
        events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
        assert_conforms(events[0], "ImageEditPartialImageEvent")
        assert_conforms(events[-1], "ImageEditCompletedEvent")

    @pytest.mark.parametrize(
        ("fields", "files", "code", "param"),
        [
            ({}, {}, "missing_required_parameter", "image"),
            ({}, {"image": b"no image at all"}, "invalid_image", None),
            ({}, {"image": b"<svg xmlns='http://www.w3.org/2000/svg'/>"}, "invalid_image", None),
            ({}, {"image": picture()[:100]}, "invalid_image", None),
            ({"n": "many"}, {"image": picture()}, "invalid_value", "n"),
            ({}, {"image": picture(), "mask": picture()}, "unsupported_parameter", "mask"),
            ({"background": "transparent"}, {"image": picture()}, "invalid_value", "background"),
        ],
    )
    def test_bad_forms_are_told(
        self, http: httpx.Client, fields: dict[str, str], files: dict[str, bytes], code: str, param: str | None
    ) -> None:
        form = {name: str(value) for name, value in BODY.items()} | fields
        parts = {name: (f"{name}.png", data) for name, data in files.items()} or {"n": (None, b"1")}
        answer = http.post("/v1/images/edits", data=form, files=parts)
        assert answer.status_code == 400
        error = answer.json()["error"]
        assert (error["code"], error["param"]) == (code, param)

    def test_json_is_no_form(self, http: httpx.Client) -> None:
        answer = http.post("/v1/images/edits", json=BODY)
        assert answer.json()["error"]["code"] == "invalid_body"

    def test_several_images_are_combined_in_their_order(self, client: openai.OpenAI, image_hub: Hub) -> None:
        teal, orange = picture(), picture(color="orange")
        made = []
        for pair in ((teal, orange), (orange, teal)):
            (image,) = (
                client.images.edit(image=[(f"{index}.png", each) for index, each in enumerate(pair)], **FOX).data or []
            )
            made.append(decoded(image.b64_json))
        assert made[0] == one(image_hub, sources=(teal, orange)).png
        assert made[0] != made[1]

    @pytest.mark.parametrize(
        ("count", "code", "words"),
        [(5, "too_many_images", "takes 4 images to start from, not 5"), (17, "invalid_value", "Only 16 'image'")],
    )
    def test_more_images_than_can_be_taken(self, client: openai.OpenAI, count: int, code: str, words: str) -> None:
        with pytest.raises(openai.BadRequestError, match=words) as refusal:
            client.images.edit(image=[(f"{index}.png", picture()) for index in range(count)], **FOX)
        assert refusal.value.code == code


def test_z_image_makes_and_edits_too(image_hub: Hub, client: openai.OpenAI) -> None:
    image_hub.load("z").result(60)  # which takes the place of "flux"
    fox = FOX | {"model": ""}
    made, again = (client.images.generate(**fox).data or [] for _ in range(2))
    assert decoded(made[0].b64_json) == decoded(again[0].b64_json) == one(image_hub, "z").png
    extra = {"seed": 5, "steps": 4, "strength": 0.5}
    edited = client.images.edit(image=("in.png", picture()), **fox | {"extra_body": extra}).data or []
    assert decoded(edited[0].b64_json) == one(image_hub, "z", sources=(picture(),), steps=4, strength=0.5).png


def test_the_documentation_shows_the_form(http: httpx.Client) -> None:
    content = http.get("/openapi.json").json()["paths"]["/v1/images/edits"]["post"]["requestBody"]["content"]
    assert {"image", "prompt", "strength"} <= set(content["multipart/form-data"]["schema"]["properties"])
