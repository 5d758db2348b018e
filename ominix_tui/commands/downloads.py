"""Commands on what is on the disk: pull, rm, verify, du."""

from __future__ import annotations

import concurrent.futures
import contextlib
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from ominix_core.errors import OminixError
from ominix_core.events import HubEvent, ModelStateChanged
from ominix_core.states import Downloading, ModelState
from ominix_core.system import file_size
from ominix_tui.commands.choice import example

if TYPE_CHECKING:
    from rich.progress import Progress

    from ominix_core.facade import HubFacade
    from ominix_core.registry.entry import RegistryEntry

INTERRUPTED = 130
ModelNames = Annotated[list[str], typer.Argument(metavar="MODEL...", help="Ids, API ids or repositories.")]


def pull(context: typer.Context, models: ModelNames) -> None:
    """Download models. Ctrl-C pauses: the same command goes on where it stopped."""
    from ominix_tui.commands.session import open_chosen_hub

    with open_chosen_hub(context) as hub:
        entries = [hub.resolve(model) for model in models]
        _fetch(hub, entries, lambda entry: hub.download(entry.id))


def remove(context: typer.Context, models: ModelNames) -> None:
    """Delete models from OMINIX_HOME; what lies elsewhere is left alone."""
    from ominix_tui.commands.session import open_chosen_hub

    with open_chosen_hub(context) as hub:
        for entry in [hub.resolve(model) for model in models]:
            typer.echo(f"{entry.name}: {file_size(hub.remove(entry.id))} freed", err=True)


def verify(
    context: typer.Context,
    models: ModelNames,
    repair: Annotated[bool, typer.Option("--repair", help="Fetch again what is missing or damaged.")] = False,
) -> None:
    """Compare every file of models with the checksums that their sources declare."""
    from ominix_tui.commands.session import open_chosen_hub

    with open_chosen_hub(context) as hub:
        entries = [hub.resolve(model) for model in models]
        if repair:
            _fetch(hub, entries, lambda entry: hub.repair(entry.id))
        elif not all([_is_sound(hub, entry) for entry in entries]):
            raise typer.Exit(1)


def disk_usage(context: typer.Context) -> None:
    """What every model under OMINIX_HOME takes on disk."""
    from rich.console import Console
    from rich.table import Table

    from ominix_tui.commands.session import open_chosen_hub

    with open_chosen_hub(context) as hub:
        usage = hub.disk_usage()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("ID", "SIZE", ""):
        table.add_column(column, no_wrap=True, justify="right" if column == "SIZE" else "left")
    for each in usage:
        table.add_row(each.model_id, file_size(each.bytes), "" if each.is_complete else "not complete")
    table.add_row("total", file_size(sum(each.bytes for each in usage)), style="bold")
    Console().print(table)


class _Start(Protocol):
    def __call__(self, entry: RegistryEntry, /) -> Future[None]: ...


def _fetch(hub: HubFacade, entries: list[RegistryEntry], start: _Start) -> None:
    """Wait for downloads, showing how far they are. Exits with 1 if one failed, with 130 after Ctrl-C."""
    names = {entry.id: entry.name for entry in entries}
    begin = time.monotonic()
    with _display(names) as display:

        def on_event(event: HubEvent) -> None:
            if isinstance(event, ModelStateChanged) and event.model_id in names:
                display.show(event.model_id, event.state)

        unsubscribe = hub.subscribe(on_event)
        try:
            running = {entry.id: start(entry) for entry in entries}
            concurrent.futures.wait(running.values())
        except KeyboardInterrupt:
            for model_id in names:
                hub.pause_download(model_id)
            typer.echo(f"Paused. `ominix pull {' '.join(names)}` goes on from here.", err=True)
            raise typer.Exit(INTERRUPTED) from None
        finally:
            unsubscribe()
    failures = [error for work in running.values() if (error := work.exception())]
    for model_id, work in running.items():
        if work.exception() is None:
            seconds = time.monotonic() - begin
            typer.echo(f"{names[model_id]} is ready ({seconds:.0f} s). {_hint(hub, model_id)}".rstrip(), err=True)
    if failures:
        raise OminixError("\n".join(str(error) for error in failures))


def _hint(hub: HubFacade, model_id: str) -> str:
    command = example(hub.resolve(model_id))
    return f"Try it: {command}" if command else ""


def _is_sound(hub: HubFacade, entry: RegistryEntry) -> bool:
    with _display({entry.id: entry.name}) as display:
        found = hub.verify(entry.id, lambda state: display.show(entry.id, state))
    for fault in found.faults:
        typer.echo(f"{entry.id}\t{fault.path}\t{fault.reason}")
    unverified = f", {found.unverified} without a checksum" if found.unverified else ""
    if found.faults:
        typer.echo(f"{entry.name} is damaged. Mend it with: ominix verify --repair {entry.id}", err=True)
    else:
        typer.echo(f"{entry.name}: {found.checked} files match their checksums{unverified}", err=True)
    return not found.faults


class _Display(Protocol):
    def show(self, model_id: str, state: ModelState) -> None: ...


class _Silence:
    """For pipes and logs, which get one line at the end."""

    def show(self, model_id: str, state: ModelState) -> None:
        pass


class _Bars:
    """One bar a model: bytes, speed, time left, and the reason of any wait."""

    def __init__(self, progress: Progress, names: dict[str, str]) -> None:
        self._progress = progress
        self._tasks = {model_id: progress.add_task(name, total=None, detail="") for model_id, name in names.items()}

    def show(self, model_id: str, state: ModelState) -> None:
        if isinstance(state, Downloading):
            self._progress.update(
                self._tasks[model_id],
                total=state.total_bytes or None,
                completed=state.done_bytes,
                detail=state.note or _pace(state),
            )


@contextlib.contextmanager
def _display(names: dict[str, str]) -> Iterator[_Display]:
    if not sys.stderr.isatty():
        yield _Silence()
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TextColumn("{task.fields[detail]}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield _Bars(progress, names)


def _pace(state: Downloading) -> str:
    if state.eta is None or state.file.startswith("verifying"):
        return state.file
    minutes, seconds = divmod(round(state.eta), 60)
    hours, minutes = divmod(minutes, 60)
    left = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
    return f"{file_size(round(state.speed))}/s, {left} left"
