"""The user's voices: list, add, rename, remove, preview."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ominix_core.voices import VoiceBook

app = typer.Typer(help="Voices of your own, for speech models that can imitate one.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Its name or an alias, in any case.")]


@app.command("list")
def list_voices() -> None:
    """Name, aliases and text of each voice; * is the default."""
    for voice in _voices().all():
        names = ", ".join((voice.name, *voice.aliases))
        typer.echo(f"{'*' if voice.is_default else ' '} {names:24}  {voice.text or '(text unknown)'}")


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="What to call it.")],
    clip: Annotated[Path, typer.Argument(help="3 to 10 seconds of somebody speaking: WAV, FLAC, MP3, OGG or AIFF.")],
    text: Annotated[str, typer.Option(help="What is said in the clip; models imitate better if they know.")] = "",
) -> None:
    """Keep a clip as a voice. Imitate only people who agreed to it."""
    from ominix_tui.commands.session import open_hub

    with open_hub() as hub:
        voice = hub.add_voice(name, clip, text)
    typer.echo(f"Added the voice '{voice.name}'. Use it: ominix speak --voice '{voice.name}' \"Hello\"", err=True)
    if not voice.text:
        typer.echo("Nobody knows what is said in the clip: --text says it, and makes imitations better.", err=True)


@app.command()
def rename(name: Name, new_name: Annotated[str, typer.Argument(metavar="NEW", help="What to call it.")]) -> None:
    """Give a voice another name."""
    typer.echo(f"It is called '{_voices().rename(name, new_name).name}' now.", err=True)


@app.command()
def remove(name: Name) -> None:
    """Forget a voice and delete its clip."""
    voices = _voices()
    voice = voices.find(name)
    voices.remove(voice.name)
    typer.echo(f"Removed the voice '{voice.name}'.", err=True)


@app.command()
def preview(name: Name) -> None:
    """Play the clip of a voice; into a pipe or file (> clip.wav) it goes as WAV."""
    import sys

    from ominix_core.devices import play_file

    clip = _voices().find(name).clip
    if sys.stdout.isatty():
        play_file(clip)
    else:
        sys.stdout.buffer.write(clip.read_bytes())


def _voices() -> VoiceBook:
    from ominix_core.paths import Home
    from ominix_core.voices import VoiceBook

    return VoiceBook(Home.from_environment())
