"""The threads of workers that have no process of their own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

_Jobs = queue.SimpleQueue[Callable[[], None]]

_idle: queue.SimpleQueue[_Jobs] = queue.SimpleQueue()


def run_on_inference_thread(job: Callable[[], None]) -> None:
    """Run `job` on a thread that has nothing else to do; returns at once.

    These threads never end. MLX gives back what it keeps for a thread when that one ends, for which it needs the
    interpreter, and Python does not wait so long: a program that ended together with such a thread was aborted.
    """
    try:
        jobs = _idle.get_nowait()
    except queue.Empty:
        jobs = queue.SimpleQueue()
        threading.Thread(target=_work_through, args=(jobs,), name="inference", daemon=True).start()
    jobs.put(job)


def _work_through(jobs: _Jobs) -> None:
    while True:
        jobs.get()()
        _idle.put(jobs)
