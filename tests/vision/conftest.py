"""Tiny models that see, and an engine that is driven step by step."""

from __future__ import annotations

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

# Sections of an answer carry no log probabilities, by which these tests know the tokens.
NO_SECTIONS = {TOKEN[marker]: -100.0 for marker in ("<think>", "</think>", "<tool_call>", "</tool_call>")}
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
    """Loads a tiny model of a family into an engine on this thread."""
    engines: list[VisionEngine] = []

    def load(architecture: str = "qwen3_vl", **options: Any) -> Driver:
        engine = VisionEngine()
        engine.load(tiny_vlms(architecture), LoadOptions(**options), lambda *_: None)
        engines.append(engine)
        return Driver(engine)

    yield load
    for engine in engines:
        engine.close()
