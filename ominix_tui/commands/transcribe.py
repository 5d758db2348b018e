"""The command that writes down speech: transcribe."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from ominix_core.errors import OminixError
from ominix_core.paths import typed_path

if TYPE_CHECKING:
    from ominix_core.facade import HubFacade
    from ominix_core.media import TranscriptionRequest
    from ominix_core.transcript import Form, Transcript

FORMATS = ("text", "srt", "vtt", "json")


def _check_format(name: str) -> str:
    if name not in FORMATS:
        raise typer.BadParameter(f"'{name}' is none of {', '.join(FORMATS)}")
    return name


def transcribe(
    context: typer.Context,
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Audio files; - reads standard input.")],
    model: Annotated[str, typer.Option(help="Its id, API id or repository; otherwise one on this machine.")] = "",
    language: Annotated[
        str | None, typer.Option(help="Spoken language, by name or code; found out if left out.")
    ] = None,
    prompt: Annotated[
        str | None, typer.Option(help="Names and terms that are likely to be said, with commas between them.")
    ] = None,
    form: Annotated[
        str, typer.Option("--format", metavar="|".join(FORMATS), callback=_check_format, help="What to write.")
    ] = "text",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FOLDER", help="Write a file here for each audio file.")
    ] = None,
) -> None:
    """Write down what is said in audio files. The text goes to standard output, progress to standard error."""
    from ominix_core.media import TranscriptionRequest
    from ominix_tui.commands.choice import choose
    from ominix_tui.commands.progress import follow
    from ominix_tui.commands.session import chosen_server, open_hub_in_use

    if len(files) > 1 and form in ("srt", "vtt") and output is None:
        raise typer.BadParameter(f"{form} files hold one transcript each: say where to write them with -o FOLDER")
    with contextlib.ExitStack() as stack:
        paths = [stack.enter_context(_local_file(name)) for name in files]
        hub = stack.enter_context(open_hub_in_use(chosen_server(context)))
        entry = choose(hub, model, "ASR")
        follow(hub, entry.id, hub.load(entry.id))
        writer = _Writer(cast("Form", form), output, several=len(files) > 1)
        failures = 0
        for name, path in zip(files, paths, strict=True):
            try:
                request = TranscriptionRequest(path=str(path), language=language, prompt=prompt)
                writer.write(name, path, _listen(hub, entry.id, request, writer.begin(name)))
            except OminixError as error:
                if len(files) == 1:
                    raise
                failures += 1
                typer.echo(f"ominix: {name}: {error}", err=True)
    if failures:
        raise OminixError(f"{failures} of {len(files)} files could not be transcribed.")


@contextlib.contextmanager
def _local_file(name: str) -> Iterator[Path]:
    """The file's absolute path; standard input becomes a file for as long as it is needed."""
    if name != "-":
        path = typed_path(name)
        if not os.path.isfile(path):
            raise OminixError(f"There is no file {name}.")
        yield path
        return
    import shutil
    import tempfile

    if sys.stdin.isatty():
        raise OminixError("Pipe audio into standard input: ssh laptop cat talk.m4a | ominix transcribe -")
    with tempfile.TemporaryDirectory(prefix="ominix-stdin-") as folder:
        path = Path(folder, "standard-input")
        with path.open("wb") as target:
            shutil.copyfileobj(sys.stdin.buffer, target)
        yield path


class _Writer:
    """Puts transcripts where they belong: into files, or on standard output as they grow."""

    def __init__(self, form: Form, folder: Path | None, several: bool) -> None:
        self._form = form
        self._folder = folder
        self._several = several

    def begin(self, name: str) -> Callable[[str], None]:
        """Announce a transcript; returns what is to be called with the text of each segment."""
        if self._folder is not None or self._form != "text":
            return lambda text: None
        if self._several:
            typer.echo(f"==> {name} <==")
        return lambda text: typer.echo(" ".join(text.split()))

    def write(self, name: str, path: Path, transcript: Transcript) -> None:
        from ominix_core.transcript import SUFFIXES, as_object, render

        if self._folder is not None:
            target = self._folder / f"{path.stem}{SUFFIXES[self._form]}"
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                target.write_text(render(transcript, self._form), "utf-8")
            except OSError as error:
                raise OminixError(f"Cannot write {target}: {error.strerror}.") from error
            typer.echo(f"{name}: {target}", err=True)
        elif self._form == "json" and self._several:
            typer.echo(json.dumps({"file": name, **as_object(transcript)}, ensure_ascii=False))
        elif self._form != "text":
            typer.echo(render(transcript, self._form), nl=False)


def _listen(hub: HubFacade, model_id: str, request: TranscriptionRequest, on_text: Callable[[str], None]) -> Transcript:
    from ominix_core.errors import RequestError
    from ominix_core.generation import Failed
    from ominix_core.media import AudioProgress, Transcribed, TranscriptSegment
    from ominix_core.transcript import Transcript

    started = time.monotonic()
    events: list[TranscriptSegment | Transcribed] = []
    generation = hub.generate(model_id, request)
    try:
        with _progress(Path(request.path).name) as show:
            for event in generation:
                match event:
                    case TranscriptSegment():
                        events.append(event)
                        on_text(event.text)
                    case Transcribed():
                        events.append(event)
                    case AudioProgress():
                        show(event.done, event.total)
                    case Failed():
                        raise RequestError(event.message, event.code)
    finally:
        generation.cancel()
    transcript = Transcript.of(events)
    if sys.stderr.isatty():
        pace = transcript.duration / max(0.001, time.monotonic() - started)
        spoken = f", {transcript.language}" if transcript.language else ""
        typer.secho(f"{transcript.duration:.1f} s of audio{spoken}, {pace:.1f} x real time", err=True, dim=True)
    return transcript


@contextlib.contextmanager
def _progress(name: str) -> Iterator[Callable[[float, float], None]]:
    """Shows seconds done of seconds in all, unless the transcript itself grows on the same terminal."""
    if not sys.stderr.isatty() or sys.stdout.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(name, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total or None)
