"""The official client asks a model that really sees, over the server."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from ominix_core.hub import Hub
from ominix_core.paths import Home
from ominix_core.settings import Settings
from tests.conftest import local_entry
from tests.server.conftest import api_server, running
from tests.support.tiny_vision_models import make_tiny_vlm, picture


@pytest.fixture
def seeing_client(home: Home, add_models: Callable[..., None], tmp_path: Path) -> Iterator[openai.OpenAI]:
    """A client of a server that has the model "seer"."""
    folder = make_tiny_vlm(tmp_path / "seer")
    runtime = {"engine": "mlx-vlm", "memory_gb": 0.1}
    add_models(local_entry("seer", folder, category="VLM", runtime=runtime))
    with Hub(home, Settings(isolation="thread")) as hub:
        hub.load("seer").result(60)
        with (
            running(api_server(hub)) as server,
            openai.OpenAI(base_url=f"{server.url}/v1", api_key="unused", max_retries=0) as client,
        ):
            yield client


def about(*images: bytes, text: str = "What is this?") -> dict[str, Any]:
    """A greedy request of 8 tokens."""
    urls = [f"data:image/png;base64,{base64.b64encode(image).decode()}" for image in images]
    parts: list[dict[str, Any]] = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    content = [*parts, {"type": "text", "text": text}]
    messages = [{"role": "user", "content": content}]
    return {"model": "seer", "messages": messages, "max_tokens": 8, "temperature": 0}


def test_what_the_image_shows_changes_the_answer(seeing_client: openai.OpenAI) -> None:
    def answer(*images: bytes) -> str:
        return str(seeing_client.chat.completions.create(**about(*images)).choices[0].message.content)

    red, blue = picture("red"), picture("blue")
    assert answer(red) == answer(red) != answer(blue)
    assert answer(red, blue) != answer(blue, red)


def test_an_answer_about_an_image_streams(seeing_client: openai.OpenAI) -> None:
    whole = seeing_client.chat.completions.create(**about(picture("red"))).choices[0].message.content
    stream = seeing_client.chat.completions.create(**about(picture("red")), stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices) == whole


def test_a_bad_image_is_the_requests_own_fault(seeing_client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="cut short, damaged"):
        seeing_client.chat.completions.create(**about(picture("red")[:60]))
