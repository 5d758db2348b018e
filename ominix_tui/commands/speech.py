"""The command that speaks: to a file, to a pipe, or out of this machine's loudspeaker."""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from ominix_core.errors import OminixError, RequestError

if TYPE_CHECKING:
    from ominix_core.audio_files import AudioFormat
    from ominix_core.media import AudioChunk
    from ominix_core.stream import Generation


def speak(
    context: typer.Context,
    text: Annotated[str | None, typer.Argument(help="What to say; read from standard input when left out.")] = None,
    model: Annotated[str, typer.Option(help="Its id, API id or repository; otherwise one on this machine.")] = "",
    voice: Annotated[
        str | None, typer.Option(help="One of the model's voices or of yours: `ominix voices list`.")
    ] = None,
    speed: Annotated[float, typer.Option(min=0.5, max=2.0, help="1 is the model's own pace.")] = 1.0,
    language: Annotated[str | None, typer.Option(help="A code or a name that the model knows.")] = None,
    instructions: Annotated[str | None, typer.Option(help="How to speak, for models that take this.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Makes the speech repeatable.")] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A .wav, .flac, .mp3 or .opus file; - is standard output, as WAV."),
    ] = None,
) -> None:
    """Speak a text. Without -o it is played; into a pipe or file (> speech.wav) it goes as WAV."""
    from ominix_core.media import SpeechRequest
    from ominix_tui.commands.choice import choose
    from ominix_tui.commands.models import text_or_stdin
    from ominix_tui.commands.progress import follow
    from ominix_tui.commands.session import chosen_server, open_hub_in_use

    words = text_or_stdin(text, "ominix speak")
    request = SpeechRequest(
        text=words, voice=voice, speed=speed, language=language, instructions=instructions, seed=seed
    )
    listener = _listener(output)
    with open_hub_in_use(chosen_server(context)) as hub:
        entry = choose(hub, model, "TTS")
        follow(hub, entry.id, hub.load(entry.id))
        started = time.monotonic()
        seconds = _speak(hub.generate(entry.id, request), listener)
        elapsed = time.monotonic() - started
    if sys.stderr.isatty():
        figures = f"{seconds:.1f} s of speech in {elapsed:.1f} s, {seconds / elapsed:.1f} × real time"
        typer.secho(figures, err=True, dim=True)


class _Listener(Protocol):
    """Where speech goes. `begin` is called once before the first audio, `end` after the last if nothing failed."""

    def begin(self, sample_rate: int) -> None: ...

    def hear(self, samples: bytes) -> None: ...

    def end(self) -> None: ...


def _speak(generation: Generation, listener: _Listener) -> float:
    """Hand the audio on as it comes; returns its seconds."""
    seconds = 0.0
    for chunk in _chunks(generation):
        if not seconds:
            listener.begin(chunk.sample_rate)
        listener.hear(chunk.samples)
        seconds += len(chunk.samples) / 4 / chunk.sample_rate
    listener.end()
    return seconds


def _chunks(generation: Generation) -> Iterator[AudioChunk]:
    from ominix_core.generation import Failed
    from ominix_core.media import AudioChunk

    for event in generation:
        if isinstance(event, AudioChunk):
            yield event
        elif isinstance(event, Failed):
            raise RequestError(event.message, event.code)


def _listener(output: Path | None) -> _Listener:
    if output is not None and str(output) != "-":
        from ominix_core.audio_files import format_of

        return _File(output, format_of(output))
    if output is None and sys.stdout.isatty():
        return _Loudspeaker()
    descriptor = sys.stdout.fileno()
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return _File(os.dup(descriptor), "wav")
    return _Pipe()


class _File:
    """A file whose header is right in the end."""

    def __init__(self, target: Path | int, audio_format: AudioFormat) -> None:
        self._target = target
        self._format = audio_format

    def begin(self, sample_rate: int) -> None:
        from ominix_core.audio_files import open_audio

        self._file = open_audio(self._target, self._format, sample_rate)

    def hear(self, samples: bytes) -> None:
        import numpy as np

        self._file.write(np.frombuffer(samples, "<f4"))

    def end(self) -> None:
        self._file.close()
        if isinstance(self._target, Path):
            typer.echo(f"Saved {self._target}.", err=True)


class _Pipe:
    """Standard output, as WAV of a length that nobody knows yet."""

    def begin(self, sample_rate: int) -> None:
        from ominix_core.audio_files import AudioStream

        self._stream = AudioStream("wav", sample_rate)

    def hear(self, samples: bytes) -> None:
        sys.stdout.buffer.write(self._stream.add(samples))
        sys.stdout.buffer.flush()

    def end(self) -> None:
        pass


class _Loudspeaker:
    """This machine's loudspeaker."""

    def begin(self, sample_rate: int) -> None:
        from ominix_core import devices

        try:
            self._playback = devices.Playback(sample_rate)
        except devices.DeviceError as error:
            raise OminixError(f"{error} Add -o speech.wav, or > speech.wav") from error
        if devices.over_ssh():
            typer.echo(devices.listening_hint(), err=True)

    def hear(self, samples: bytes) -> None:
        self._playback.feed(samples)

    def end(self) -> None:
        self._playback.finish()
        try:
            self._playback.wait()
        except KeyboardInterrupt:
            self._playback.stop()
            raise
