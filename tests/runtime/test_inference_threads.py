"""Workers on threads: a thread outlives its workers, because MLX aborts a program that ends together with one."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from concurrent.futures import Future
from functools import partial

import pytest

from ominix_core.hub import Hub
from ominix_core.paths import Home
from ominix_core.workers.threads import run_on_inference_thread

PROGRAM = """
from ominix_core.generation import ChatMessage, ChatRequest
from ominix_core.hub import Hub

with Hub() as hub:
    hub.load("tiny").result()
    print(len(list(hub.generate("tiny", ChatRequest(messages=[ChatMessage("user", "Hello")], max_tokens=4)))))
"""


def _tell(thread: Future[threading.Thread]) -> None:
    thread.set_result(threading.current_thread())


def test_one_thread_serves_one_worker_after_the_other() -> None:
    used: list[threading.Thread] = []
    while len(used) == len(set(used)):  # the next worker may begin before the thread of the last one is idle
        thread: Future[threading.Thread] = Future()
        run_on_inference_thread(partial(_tell, thread))
        used.append(thread.result(60))
    assert all(thread.is_alive() for thread in used)


@pytest.mark.slow
def test_a_program_ends_in_order(home: Home, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """`hub` only writes the registry. One run in three was aborted at its end."""
    assert json.loads(home.registry_override.read_text())
    monkeypatch.setenv("OMINIX_ISOLATION", "thread")
    for _ in range(20):
        result = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
        assert (result.returncode, result.stderr) == (0, "")
