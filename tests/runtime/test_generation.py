"""Loading a model, asking it, cancelling, unloading: the same behaviour in a thread and in a process."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from ominix_core.errors import Cancelled, LoadError, NotReadyError
from ominix_core.events import HubEvent, ModelStateChanged
from ominix_core.generation import Failed, Finished, Sampling, TextDelta
from ominix_core.hub import Hub
from ominix_core.states import Downloaded, Error, Loaded, Loading, ModelState
from tests.conftest import local_entry
from tests.support.chat import ask, collect


@pytest.fixture(params=["thread", "process"])
def any_hub(request: pytest.FixtureRequest) -> Hub:
    hub: Hub = request.getfixturevalue("hub" if request.param == "thread" else "process_hub")
    return hub


class Watch:
    """Records a hub's events and waits for a state."""

    def __init__(self, hub: Hub) -> None:
        self.states: list[tuple[str, ModelState]] = []
        self._changed = threading.Condition()
        hub.subscribe(self._on_event)

    def _on_event(self, event: HubEvent) -> None:
        if isinstance(event, ModelStateChanged):
            with self._changed:
                self.states.append((event.model_id, event.state))
                self._changed.notify_all()

    def wait_for(self, model_id: str, kind: type[ModelState]) -> ModelState:
        def seen() -> ModelState | None:
            return next((s for m, s in reversed(self.states) if m == model_id and isinstance(s, kind)), None)

        with self._changed:
            assert self._changed.wait_for(lambda: seen() is not None, timeout=30), self.states
            state = seen()
        assert state is not None
        return state


def test_load_reports_stages_and_real_progress(any_hub: Hub) -> None:
    watch = Watch(any_hub)
    any_hub.load("tiny").result(60)
    loading = [state for _, state in watch.states if isinstance(state, Loading)]
    assert list(dict.fromkeys(state.stage for state in loading)) == [
        "starting",
        "reading",
        "loading weights",
        "warming up",
    ]
    weights = [state.progress for state in loading if state.stage == "loading weights"]
    assert weights == sorted(weights)
    assert weights[-1] == 1
    assert len(set(weights)) > 3, "progress moves layer by layer"
    loaded = any_hub.state("tiny")
    assert isinstance(loaded, Loaded)
    assert loaded.memory_bytes > 400_000


def test_greedy_answers_repeat_and_count_their_tokens(any_hub: Hub) -> None:
    any_hub.load("tiny").result(60)
    text, end = collect(any_hub.generate("tiny", ask("hello")))
    again, _ = collect(any_hub.generate("tiny", ask("hello")))
    assert text == again
    assert isinstance(end, Finished)
    assert end.reason == "length"
    assert end.usage.completion_tokens == 16
    assert end.usage.prompt_tokens > len("hello")
    assert end.usage.ttft > 0


def test_seed_makes_sampling_repeatable_whatever_else_runs(hub: Hub) -> None:
    hub.load("tiny").result(60)
    seeded = Sampling(temperature=1.0, seed=7)
    alone, _ = collect(hub.generate("tiny", ask("hello", 32, seeded)))
    others = [hub.generate("tiny", ask("x" * n, 64, Sampling(temperature=1.0))) for n in (3, 40)]
    together, _ = collect(hub.generate("tiny", ask("hello", 32, seeded)))
    other_seed, _ = collect(hub.generate("tiny", ask("hello", 32, Sampling(temperature=1.0, seed=8))))
    assert alone == together
    assert alone != other_seed
    for other in others:
        collect(other)


def test_cancel_ends_the_stream_and_spares_the_others(any_hub: Hub) -> None:
    any_hub.load("tiny").result(60)
    long = any_hub.generate("tiny", ask("tell me everything", 4000, Sampling(temperature=1.0, seed=1)))
    other = any_hub.generate("tiny", ask("hello"))
    next(event for event in long if isinstance(event, TextDelta))
    long.cancel()
    _, end = collect(long)
    assert isinstance(end, Finished)
    assert end.reason == "cancelled"
    assert isinstance(collect(other)[1], Finished)


def test_loading_a_second_model_frees_the_first(any_hub: Hub) -> None:
    any_hub.load("tiny").result(60)
    any_hub.load("tiny-two").result(60)
    assert isinstance(any_hub.state("tiny"), Downloaded)
    assert isinstance(any_hub.state("tiny-two"), Loaded)
    assert any_hub.loaded("LLM") == any_hub.resolve("tiny-two")
    with pytest.raises(NotReadyError, match="not loaded"):
        any_hub.generate("tiny", ask("hello"))


def test_unload_ends_running_requests_with_a_clear_error(any_hub: Hub) -> None:
    any_hub.load("tiny").result(60)
    running = any_hub.generate("tiny", ask("hello", 4000, Sampling(temperature=1.0, seed=1)))
    next(iter(running))
    any_hub.unload("tiny")
    assert isinstance(any_hub.state("tiny"), Downloaded)
    _, end = collect(running)
    assert isinstance(end, Failed)
    assert "unloaded" in end.message


def test_a_damaged_model_fails_with_its_reason_and_the_old_one_comes_back(
    any_hub: Hub, add_models: Callable[..., None], tiny_llm: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in tiny_llm.iterdir():
        content = file.read_bytes()
        (broken / file.name).write_bytes(content[:-5000] if file.suffix == ".safetensors" else content)
    add_models(local_entry("tiny", tiny_llm), local_entry("broken", broken))
    with Hub(any_hub.home, any_hub.settings) as hub:
        hub.load("tiny").result(60)
        with pytest.raises(LoadError, match=r"model\.safetensors of broken is cut short: it has [\d,]+ of"):
            hub.load("broken").result(60)
        assert isinstance(hub.state("broken"), Error)
        assert isinstance(hub.state("tiny"), Loaded)
        assert isinstance(collect(hub.generate("tiny", ask("hello")))[1], Finished)


def test_a_conversation_beyond_the_context_is_refused_with_the_numbers(hub: Hub) -> None:
    hub.load("tiny").result(60)
    _, end = collect(hub.generate("tiny", ask("x" * 5000)))
    assert isinstance(end, Failed)
    assert end.code == "context_length_exceeded"
    assert "4,096" in end.message
    assert isinstance(collect(hub.generate("tiny", ask("hello")))[1], Finished)


def test_a_load_can_be_cancelled(process_hub: Hub) -> None:
    watch = Watch(process_hub)
    load = process_hub.load("tiny")
    watch.wait_for("tiny", Loading)
    process_hub.unload("tiny")
    with pytest.raises(Cancelled):
        load.result(30)
    assert isinstance(process_hub.state("tiny"), Downloaded)
    process_hub.load("tiny").result(60)


class TestWorkerProcess:
    def test_a_killed_worker_costs_only_its_model_and_its_requests(self, process_hub: Hub) -> None:
        watch = Watch(process_hub)
        process_hub.load("tiny").result(60)
        running = process_hub.generate("tiny", ask("hello", 4000, Sampling(temperature=1.0, seed=1)))
        next(iter(running))
        (worker,) = _workers(os.getpid())
        worker.send_signal(signal.SIGKILL)
        _, end = collect(running)
        assert isinstance(end, Failed)
        assert "SIGKILL" in end.message
        state = watch.wait_for("tiny", Error)
        assert isinstance(state, Error)
        assert "Load it again" in state.message
        process_hub.load("tiny").result(60)
        assert isinstance(collect(process_hub.generate("tiny", ask("hello")))[1], Finished)

    def test_closing_the_hub_leaves_no_process(self, process_hub: Hub) -> None:
        process_hub.load("tiny").result(60)
        running = process_hub.generate("tiny", ask("hello", 4000, Sampling(temperature=1.0, seed=1)))
        next(iter(running))
        workers = _workers(os.getpid())
        assert len(workers) == 1
        process_hub.close()
        assert not any(worker.is_running() for worker in workers)
        assert isinstance(collect(running)[1], Failed)


def _workers(parent: int) -> list[psutil.Process]:
    return [p for p in psutil.Process(parent).children(recursive=True) if "ominix_core.workers" in p.cmdline()]
