"""An answer does not depend on what else the model is doing: batched equals single, cached equals cold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ominix_core.engines import create_engine
from ominix_core.engines.base import Engine, LoadOptions
from ominix_core.generation import ChatMessage, ChatRequest, Failed, Finished, Sampling, TextDelta, Usage
from tests.support.chat import GREEDY, ask
from tests.support.tiny_models import ARCHITECTURES, make_tiny_llm


@pytest.fixture(scope="module", params=sorted(ARCHITECTURES))
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_llm(tmp_path_factory.mktemp("model") / request.param, request.param)


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[Engine]:
    engine = create_engine("mlx-lm")
    engine.load(folder, LoadOptions(), lambda *_: None)
    yield engine
    engine.close()


class Run:
    """Drives an engine by hand, so that requests join and leave at chosen steps."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.texts: dict[str, str] = {}
        self.ends: dict[str, Finished | Failed] = {}

    def submit(self, name: str, request: ChatRequest) -> None:
        self.texts[name] = ""
        self.engine.submit(name, request)

    def steps(self, count: int | None = None) -> None:
        while self.engine.busy and count != 0:
            count = None if count is None else count - 1
            for name, event in self.engine.step():
                if isinstance(event, TextDelta):
                    self.texts[name] += event.text
                elif isinstance(event, Finished | Failed):
                    self.ends[name] = event

    def usage(self, name: str) -> Usage:
        end = self.ends[name]
        assert isinstance(end, Finished)
        return end.usage


PROMPTS = [f"{'word ' * (7 * index)}number {index}" for index in range(8)]


def alone(engine: Engine, prompt: str, tokens: int = 24) -> str:
    run = Run(engine)
    run.submit("only", ask(prompt, tokens))
    run.steps()
    return run.texts["only"]


@pytest.mark.parametrize("streams", [4, 8])
def test_batched_equals_single(engine: Engine, streams: int) -> None:
    expected = [alone(engine, prompt) for prompt in PROMPTS[:streams]]
    run = Run(engine)
    for index, prompt in enumerate(PROMPTS[:streams]):
        run.submit(str(index), ask(prompt, 24))
    run.steps()
    assert [run.texts[str(index)] for index in range(streams)] == expected


def test_joining_leaving_and_cancelling_harm_nobody(engine: Engine) -> None:
    expected = {prompt: alone(engine, prompt) for prompt in PROMPTS[:4]}
    run = Run(engine)
    run.submit("0", ask(PROMPTS[0], 24))
    run.submit("gone", ask("this one leaves", 500))
    run.steps(6)
    run.submit("1", ask(PROMPTS[1], 24))
    run.steps(3)
    engine.cancel("gone")
    run.submit("2", ask(PROMPTS[2], 24))
    run.submit("gone before it starts", ask(PROMPTS[5], 24))
    engine.cancel("gone before it starts")
    run.submit("3", ask(PROMPTS[3], 24))
    run.steps()
    assert [run.texts[str(index)] for index in range(4)] == [expected[prompt] for prompt in PROMPTS[:4]]
    for name in ("gone", "gone before it starts"):
        end = run.ends[name]
        assert isinstance(end, Finished)
        assert end.reason == "cancelled"


def test_a_cached_prefix_changes_no_token(engine: Engine, folder: Path) -> None:
    system = ChatMessage("system", "You are terse. " * 20)

    def turn(question: str) -> ChatRequest:
        return ChatRequest(messages=[system, ChatMessage("user", question)], max_tokens=24, sampling=GREEDY)

    cold = Run(engine)
    cold.submit("warmer", turn("first"))
    cold.steps()
    warm = Run(engine)
    warm.submit("warm", turn("second"))
    warm.steps()
    assert warm.usage("warm").cached_tokens > 250
    again = Run(engine)
    again.submit("again", turn("second"))
    again.steps()
    assert again.texts["again"] == warm.texts["warm"]
    fresh = create_engine("mlx-lm")
    fresh.load(folder, LoadOptions(), lambda *_: None)
    uncached = Run(fresh)
    uncached.submit("uncached", turn("second"))
    uncached.steps()
    assert uncached.usage("uncached").cached_tokens == 0
    assert uncached.texts["uncached"] == warm.texts["warm"]
    fresh.close()


def test_penalties_and_seeds_stay_with_their_request(engine: Engine) -> None:
    seeded = Sampling(temperature=1.0, seed=3, repetition_penalty=1.3, frequency_penalty=0.5, top_k=20, min_p=0.01)
    single = Run(engine)
    single.submit("seeded", ask(PROMPTS[2], 24, seeded))
    single.steps()
    run = Run(engine)
    run.submit("plain", ask(PROMPTS[1], 24))
    run.submit("seeded", ask(PROMPTS[2], 24, seeded))
    run.submit("other", ask(PROMPTS[3], 24, Sampling(temperature=1.0, seed=4)))
    run.steps()
    assert run.texts["seeded"] == single.texts["seeded"]
    assert run.texts["plain"] == alone(engine, PROMPTS[1])
