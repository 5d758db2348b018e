"""Tiny models that see, and an engine that is driven step by step."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ominix_core.engines.base import LoadOptions
from ominix_core.engines.vision import VisionEngine
from ominix_core.generation import (
    ChatMessage,
    ChatRequest,
    Failed,
    Finished,
    GenerationEvent,
    Sampling,
    TextDelta,
)
from tests.support.tiny_vision_models import TOKEN, make_tiny_vlm

# Sections of an answer carry no log probabilities, by which these tests know the tokens; and a model that is noise
# would now and then write the mark of an image.
NO_SECTIONS = {token: -100.0 for marker, token in TOKEN.items() if marker != "<|im_end|>"}
GREEDY = Sampling(temperature=0, logit_bias=NO_SECTIONS)


def turn(text: str, *images: bytes) -> ChatMessage:
    return ChatMessage("user", text, images=images)


def asking(*messages: ChatMessage, **options: Any) -> ChatRequest:
    """A greedy request of 12 tokens that reports every one of them."""
    options = {"max_tokens": 12, "sampling": GREEDY, "logprobs": 0} | options
    return ChatRequest(messages=list(messages), **options)


@dataclass
class Told:
    """What an engine has told of one request."""

    events: list[GenerationEvent] = field(default_factory=list)

    @property
    def tokens(self) -> list[bytes]:
        deltas = [event for event in self.events if isinstance(event, TextDelta)]
        return [entry.raw for delta in deltas for entry in delta.logprobs]

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, TextDelta))

    @property
    def end(self) -> Finished:
        assert isinstance(self.events[-1], Finished), self.events[-1]
        return self.events[-1]

    @property
    def failure(self) -> Failed:
        assert isinstance(self.events[-1], Failed), self.events[-1]
        return self.events[-1]


class Driver:
    """An engine on this thread."""

    def __init__(self, engine: VisionEngine) -> None:
        self.engine = engine
        self.told: dict[str, Told] = {}
        self._open = True

    def close(self) -> None:
        """Unload the model, once."""
        if self._open:
            self.engine.close()
        self._open = False

    def submit(self, request: ChatRequest, name: str = "only") -> None:
        self.told[name] = Told()
        self.engine.submit(name, request)

    def step(self, count: int = 1) -> None:
        for _ in range(count):
            for name, event in self.engine.step():
                self.told[name].events.append(event)

    def finish(self) -> None:
        while self.engine.busy:
            self.step()

    def ask(self, request: ChatRequest) -> Told:
        self.submit(request)
        self.finish()
        return self.told["only"]


@pytest.fixture(scope="session")
def tiny_vlms(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Folders of tiny models by family; made once. Tests must not change them."""
    root = tmp_path_factory.mktemp("vlms")

    def folder(architecture: str) -> Path:
        target = root / architecture
        return target if target.exists() else make_tiny_vlm(target, architecture)

    return folder


@pytest.fixture
def drive(tiny_vlms: Callable[[str], Path]) -> Iterator[Callable[..., Driver]]:
    """Loads a model, or the tiny one of a family, into an engine on this thread."""
    drivers: list[Driver] = []

    def load(model: str | Path = "qwen3_vl", **options: Any) -> Driver:
        engine = VisionEngine()
        folder = model if isinstance(model, Path) else tiny_vlms(model)
        engine.load(folder, LoadOptions(**options), lambda *_: None)
        drivers.append(Driver(engine))
        return drivers[-1]

    yield load
    for driver in drivers:
        driver.close()


@pytest.fixture(scope="session")
def straight_from_mlx_vlm(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[bytes]]:
    """The greedy tokens of mlx-vlm's own loading, templates and generation."""
    from mlx_vlm import apply_chat_template, load, stream_generate

    loaded: dict[Path, Any] = {}
    files = tmp_path_factory.mktemp("images")

    def tokens(folder: Path, *messages: ChatMessage, max_tokens: int = 12, **options: Any) -> list[bytes]:
        if folder not in loaded:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                loaded[folder] = load(str(folder))
        model, processor = loaded[folder]
        turns = [
            {
                "role": each.role,
                "content": [*({"type": "image"} for _ in each.images), {"type": "text", "text": each.content}],
            }
            for each in messages
        ]
        paths = []
        for image in [image for each in messages for image in each.images]:
            paths.append(files / f"{len(list(files.iterdir()))}.png")
            paths[-1].write_bytes(image)
        prompt = apply_chat_template(processor, model.config, turns, num_images=len(paths))
        answer = stream_generate(
            model,
            processor,
            prompt,
            image=[str(path) for path in paths],
            max_tokens=max_tokens,
            temperature=0.0,
            logit_bias=NO_SECTIONS,
            **options,
        )
        return [processor.tokenizer.decode([each.token]).encode() for each in answer if each.finish_reason is None]

    return tokens


def decoded(told: Told) -> list[bytes]:
    """The tokens as a tokenizer shows them one by one."""
    return [token.decode("utf-8", "replace").encode() for token in told.tokens]
