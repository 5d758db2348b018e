"""Progress of a download or load on standard error, until it ends."""

from __future__ import annotations

import queue
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import typer

from ominix_core.events import HubEvent, ModelStateChanged
from ominix_core.states import Downloading, Loading, ModelState

if TYPE_CHECKING:
    from ominix_core.facade import HubFacade


class _Display(Protocol):
    def show(self, state: ModelState) -> None: ...


def follow(hub: HubFacade, model_id: str, work: Future[None]) -> None:
    """Wait for `work` while showing how far the model is. Raises what the future raises."""
    states: queue.SimpleQueue[ModelState | None] = queue.SimpleQueue()

    def on_event(event: HubEvent) -> None:
        if isinstance(event, ModelStateChanged) and event.model_id == model_id:
            states.put(event.state)

    unsubscribe = hub.subscribe(on_event)
    work.add_done_callback(lambda _: states.put(None))
    try:
        with display(hub.resolve(model_id).name) as shown:
            while (state := states.get()) is not None:
                shown.show(state)
    finally:
        unsubscribe()
    work.result()


@contextmanager
def display(name: str) -> Iterator[_Display]:
    """Shows the states that it is given: a bar on a terminal, otherwise one line per stage."""
    if not sys.stderr.isatty():
        yield _Lines(name)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield _Bar(name, progress)


class _Lines:
    """One line per stage, for logs and pipes."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._last = ""

    def show(self, state: ModelState) -> None:
        stage = _stage(state)
        if stage and stage != self._last:
            typer.echo(f"{self._name}: {stage}", err=True)
            self._last = stage


class _Bar:
    """A progress bar, for terminals."""

    def __init__(self, name: str, progress: object) -> None:
        from rich.progress import Progress

        assert isinstance(progress, Progress)
        self._name = name
        self._progress = progress
        self._task = progress.add_task(name, total=None)

    def show(self, state: ModelState) -> None:
        share = state.progress if isinstance(state, Downloading | Loading) else 0.0
        self._progress.update(
            self._task, description=f"{self._name}: {_stage(state)}", total=1.0 if share else None, completed=share
        )


def _stage(state: ModelState) -> str:
    match state:
        case Downloading(file="converting"):
            return "converting"
        case Downloading():
            return "downloading"
        case Loading(stage=stage):
            return stage
    return ""


@contextmanager
def steps_shown(name: str) -> Iterator[Callable[[int, int], None]]:
    """Yields a function that shows how many steps of how many are done; nothing is shown but on a terminal."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(f"{name}: making the image", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
