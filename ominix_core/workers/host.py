"""The Hub's side of a worker: starting one, talking to it, noticing its death, ending it."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import IO, Protocol

from ominix_core.errors import DownloadError
from ominix_core.workers import inference
from ominix_core.workers.protocol import Command, Convert, Done, Link, Quit, Refused, Report, pack
from ominix_core.workers.threads import run_on_inference_thread

logger = logging.getLogger(__name__)

# How long a worker that was told to end has before it is killed.
SECONDS_TO_END = 2.0


class Listener(Protocol):
    """Who is told what a worker does; called on the worker's own host thread."""

    def on_report(self, report: Report) -> None: ...

    def on_death(self, reason: str) -> None:
        """The worker ended without having been closed; `reason` is a sentence."""
        ...


class Worker(Protocol):
    """A running worker."""

    def listen(self, listener: Listener) -> None:
        """Tell `listener` from now on; before that, reports are dropped."""
        ...

    def send(self, command: Command) -> None:
        """Hand over a command without waiting; one for a worker that has died is dropped, its death is reported."""
        ...

    def close(self, patience: float = 0.0) -> None:
        """End the worker, after `patience` seconds at most to keep what should outlive it.

        Its memory is free when this returns.
        """
        ...


def start_worker(isolation: str, log: Path) -> Worker:
    """A worker in a process of its own, or on a thread of this one."""
    return ThreadWorker() if isolation == "thread" else ProcessWorker(log)


class ProcessWorker:
    """A worker in a spawned process. It ends by itself when this process does, because their socket closes."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._listener: Listener | None = None
        self._dead = False
        self._listening = threading.Lock()
        self._closing = threading.Event()
        log.parent.mkdir(parents=True, exist_ok=True)
        ours, theirs = socket.socketpair()
        try:
            with theirs, log.open("ab") as output:
                self._process = _spawn(theirs.fileno(), output)
        except BaseException:
            ours.close()
            raise
        self._link = Link(ours, at_hub=True)
        self._outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._receive, name=f"worker-{self.pid}", daemon=True)
        self._writer = threading.Thread(target=self._write, name=f"to worker-{self.pid}", daemon=True)
        self._thread.start()
        self._writer.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def listen(self, listener: Listener) -> None:
        with self._listening:
            self._listener, died_before = listener, self._dead
        if died_before and not self._closing.is_set():
            listener.on_death(self._death())

    def send(self, command: Command) -> None:
        self._outbox.put(pack(command))  # written by a thread of its own: a worker that hangs reads nothing

    def _write(self) -> None:
        try:
            while (packed := self._outbox.get()) is not None:
                self._link.write(packed)
        except OSError:
            logger.info("worker %d is gone; it is told nothing more", self.pid)

    def _receive(self) -> None:
        try:
            while (report := self._link.receive()) is not None:
                if self._listener is not None:
                    self._listener.on_report(report)
        except Exception:  # a report that cannot be read: no later one can be trusted either
            logger.exception("the connection to worker %d is broken", self.pid)
            self._process.kill()
        with self._listening:
            self._dead, listener = True, self._listener
        if listener is not None and not self._closing.is_set():
            listener.on_death(self._death())

    def _death(self) -> str:
        return f"{_how_it_ended(self._process.wait())} The log is {self._log}."

    def close(self, patience: float = 0.0) -> None:
        self._closing.set()
        if patience:
            self.send(Quit())
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(patience)
        self._outbox.put(None)
        self._link.close()
        try:
            self._process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._writer.join()
        if threading.current_thread() is not self._thread:
            self._thread.join()


class ThreadWorker:
    """A worker on a thread of this process, for embedding and for fast tests."""

    alive = True

    def __init__(self) -> None:
        self._listener: Listener | None = None
        self._closing = threading.Event()
        self._inbox: inference.Inbox = queue.SimpleQueue()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        run_on_inference_thread(self._run)

    def listen(self, listener: Listener) -> None:
        self._listener = listener

    def send(self, command: Command) -> None:
        self._inbox.put(command)

    def _run(self) -> None:
        self._thread = threading.current_thread()

        def send(report: Report) -> None:
            if self._closing.is_set():
                raise inference.HubGone
            if self._listener is not None:
                self._listener.on_report(report)

        try:
            inference.run(self._inbox, send)
        except BaseException as error:  # the same end as a process that crashed, also if model code calls sys.exit
            logger.exception("the worker thread failed")
            if self._listener is not None:
                self._listener.on_death(f"The worker failed: {error!r}.")
        finally:
            self._ended.set()

    def close(self, patience: float = 0.0) -> None:
        self._closing.set()
        self._inbox.put(Quit())
        if threading.current_thread() is not self._thread:
            self._ended.wait()


def convert_in_worker(isolation: str, log: Path, command: Convert) -> None:
    """Run one conversion in a worker of its own, and wait for its end. Raises DownloadError."""
    outcome: Future[None] = Future()

    class Outcome:
        def on_report(self, report: Report) -> None:
            if isinstance(report, Refused):
                outcome.set_exception(DownloadError(report.message))
            elif isinstance(report, Done):
                outcome.set_result(None)

        def on_death(self, reason: str) -> None:
            outcome.set_exception(DownloadError(reason))

    worker = start_worker(isolation, log)
    worker.listen(Outcome())
    try:
        worker.send(command)
        outcome.result()
    finally:
        worker.close()


def _spawn(descriptor: int, output: IO[bytes]) -> subprocess.Popen[bytes]:
    """A worker's process that talks to the Hub over a socket, and prints to `output`."""
    return subprocess.Popen(
        [sys.executable, "-m", "ominix_core.workers", str(descriptor)],
        pass_fds=(descriptor,),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        # Ctrl-C in the terminal is for the Hub, which then ends its workers in order.
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": _import_path()},
    )


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
