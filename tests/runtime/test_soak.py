"""A thousand requests with cancels and killed workers: nothing leaks, nothing is left, no answer is wrong."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from ominix_core.errors import OminixError
from ominix_core.events import HubEvent, ModelActivity
from ominix_core.generation import Failed, Finished, TextDelta
from ominix_core.hub import Hub
from ominix_core.paths import Home
from ominix_core.settings import Settings
from tests.conftest import local_entry
from tests.support.chat import ask

REQUESTS = 1000
KILLS = 5
PROMPTS = [f"question {index} " * (1 + index % 7) for index in range(20)]


@pytest.mark.slow
def test_soak(home: Home, add_models: Callable[..., None], tiny_llm: Path) -> None:
    add_models(local_entry("tiny", tiny_llm))
    with Hub(home, Settings(warm_spare=False, prompt_cache_gb=0)) as hub:
        hub.load("tiny").result(60)
        expected = [_whole(hub, prompt) for prompt in PROMPTS]
        soak = _Soak(hub, expected)
        children = psutil.Process(os.getpid()).children(recursive=True)
        warm = _memory(children)
        with ThreadPoolExecutor(8) as pool:
            for outcome in pool.map(soak.request, range(REQUESTS)):
                assert outcome != "wrong"
        assert soak.outcomes.keys() <= {"whole", "cancelled", "failed"}
        assert sum(soak.outcomes.values()) == REQUESTS
        assert soak.outcomes["whole"] > REQUESTS // 4
        assert soak.mlx_bytes[-1] < 1.5 * max(soak.mlx_bytes[:20] or soak.mlx_bytes)
        children = psutil.Process(os.getpid()).children(recursive=True)
        assert len(children) == 1
        assert _memory(children) < warm + (100 << 20)
    assert not any(child.is_running() for child in children)


def _whole(hub: Hub, prompt: str) -> str:
    return "".join(event.text for event in hub.generate("tiny", ask(prompt, 24)) if isinstance(event, TextDelta))


def _memory(processes: list[psutil.Process]) -> int:
    return sum(process.memory_info().rss for process in processes)


class _Soak:
    def __init__(self, hub: Hub, expected: list[str]) -> None:
        self.hub = hub
        self.expected = expected
        self.outcomes: dict[str, int] = {}
        self.mlx_bytes: list[int] = []
        self._random = random.Random(1)
        self._lock = threading.Lock()
        hub.subscribe(self._on_event)

    def _on_event(self, event: HubEvent) -> None:
        if isinstance(event, ModelActivity):
            self.mlx_bytes.append(event.memory_bytes)

    def request(self, index: int) -> str:
        """Ask, perhaps leave, perhaps kill the worker; tells how it ended."""
        if index and index % (REQUESTS // KILLS) == 0:
            for child in psutil.Process(os.getpid()).children(recursive=True):
                child.send_signal(signal.SIGKILL)
        with self._lock:
            number, leaves = self._random.randrange(len(PROMPTS)), self._random.random() < 0.4
        outcome = self._ask(number, leaves)
        with self._lock:
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        return outcome

    def _ask(self, number: int, leaves: bool) -> str:
        try:
            generation = self.hub.generate("tiny", ask(PROMPTS[number], 24))
        except OminixError:
            self.hub.load("tiny").result(60)
            return "failed"
        text = ""
        for event in generation:
            if isinstance(event, TextDelta):
                text += event.text
                if leaves:
                    generation.cancel()
            elif isinstance(event, Failed):
                return "failed"
            elif isinstance(event, Finished) and event.reason == "cancelled":
                return "cancelled" if self.expected[number].startswith(text) else "wrong"
        return "whole" if text == self.expected[number] else "wrong"
