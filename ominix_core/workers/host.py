"""The Hub's side of a worker: starting one, talking to it, noticing its death, ending it."""

from __future__ import annotations

import logging
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Protocol

from ominix_core.errors import DownloadError
from ominix_core.workers import inference
from ominix_core.workers.protocol import Command, Convert, Done, Link, Refused, Report

logger = logging.getLogger(__name__)

SECONDS_TO_END = 2.0

OnReport = Callable[[Report], None]
OnDeath = Callable[[str], None]
"""Called once, with a sentence, if the worker ends without having been closed."""


class Worker(Protocol):
    """A running worker. Both callbacks come on the worker's own host thread."""

    @property
    def pid(self) -> int: ...

    def send(self, command: Command) -> None:
        """Hand over a command; one for a worker that has died is dropped, its death is reported."""
        ...

    def close(self) -> None:
        """End the worker, whatever it is doing. Its memory is free when this returns."""
        ...


def start_worker(isolation: str, log: Path, on_report: OnReport, on_death: OnDeath) -> Worker:
    """A worker in a process of its own, or on a thread of this one."""
    if isolation == "thread":
        return ThreadWorker(on_report, on_death)
    return ProcessWorker(log, on_report, on_death)


class ProcessWorker:
    """A worker in a spawned process. It ends by itself when this process does, because their socket closes."""

    def __init__(self, log: Path, on_report: OnReport, on_death: OnDeath) -> None:
        self._log = log
        self._closing = threading.Event()
        ours, theirs = socket.socketpair()
        log.parent.mkdir(parents=True, exist_ok=True)
        with theirs, log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ominix_core.workers", str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Ctrl-C in the terminal is for the Hub, which then ends its workers in order.
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": _import_path()},
            )
        self._link = Link(ours, at_hub=True)
        self._thread = threading.Thread(
            target=self._receive, args=(on_report, on_death), name=f"worker-{self._process.pid}", daemon=True
        )
        self._thread.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, command: Command) -> None:
        try:
            self._link.send(command)
        except OSError:
            logger.info("worker %d is gone; dropped %s", self.pid, type(command).__name__)

    def _receive(self, on_report: OnReport, on_death: OnDeath) -> None:
        while (report := self._link.receive()) is not None:
            on_report(report)
        if self._closing.is_set():
            return
        on_death(f"{_how_it_ended(self._process.wait())} The log is {self._log}.")

    def close(self) -> None:
        self._closing.set()
        self._link.close()
        try:
            self._process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if threading.current_thread() is not self._thread:
            self._thread.join()


class ThreadWorker:
    """A worker on a thread of this process, for embedding and for fast tests."""

    def __init__(self, on_report: OnReport, on_death: OnDeath) -> None:
        self._closing = threading.Event()
        self._inbox: inference.Inbox = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, args=(on_report, on_death), name="worker", daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        return os.getpid()

    def send(self, command: Command) -> None:
        self._inbox.put(command)

    def _run(self, on_report: OnReport, on_death: OnDeath) -> None:
        def send(report: Report) -> None:
            if self._closing.is_set():
                raise inference.HubGone
            on_report(report)

        try:
            inference.run(self._inbox, send)
        except Exception as error:  # the same end as a process that crashed
            logger.exception("the worker thread failed")
            on_death(f"The worker failed: {error}.")

    def close(self) -> None:
        self._closing.set()
        self._inbox.put(None)
        if threading.current_thread() is not self._thread:
            self._thread.join()


def convert_in_worker(isolation: str, log: Path, command: Convert) -> None:
    """Run one conversion in a worker of its own, and wait for its end. Raises DownloadError."""
    outcome: Future[None] = Future()

    def on_report(report: Report) -> None:
        if isinstance(report, Refused):
            outcome.set_exception(DownloadError(report.message))
        elif isinstance(report, Done):
            outcome.set_result(None)

    worker = start_worker(isolation, log, on_report, lambda reason: outcome.set_exception(DownloadError(reason)))
    try:
        worker.send(command)
        outcome.result()
    finally:
        worker.close()


def _import_path() -> str:
    """PYTHONPATH under which the child finds this very `ominix_core`, installed or not."""
    here = str(Path(__file__).parents[2])
    inherited = os.environ.get("PYTHONPATH")
    return os.pathsep.join([here, inherited]) if inherited else here


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"The model's worker ended unexpectedly (exit code {code})."
    name = signal.Signals(-code).name
    if name == "SIGKILL":
        return "The model's worker was killed (SIGKILL), perhaps by the system for want of memory."
    return f"The model's worker crashed ({name})."
