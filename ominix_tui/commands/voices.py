"""The user's voices: list, add, rename, remove, preview."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ominix_core.facade import HubFacade

app = typer.Typer(help="Voices of your own, for speech models that can imitate one.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Its name or an alias, in any case.")]


@app.command("list")
def list_voices(context: typer.Context) -> None:
    """Name, aliases and text of each voice; * is the default."""
    with _hub(context) as hub:
        voices = hub.voices.all()
    for voice in voices:
        names = ", ".join((voice.name, *voice.aliases))
        typer.echo(f"{'*' if voice.is_default else ' '} {names:24}  {voice.text or '(text unknown)'}")


@app.command()
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What to call it.")],
    clip: Annotated[Path, typer.Argument(help="3 to 10 seconds of somebody speaking: WAV, FLAC, MP3, OGG or AIFF.")],
    text: Annotated[str, typer.Option(help="What is said in the clip; models imitate better if they know.")] = "",
) -> None:
    """Keep a clip as a voice. Imitate only people who agreed to it."""
    with _hub(context) as hub:
        voice = hub.voices.add(name, clip, text)
    typer.echo(f"Added the voice '{voice.name}'. Use it: ominix speak --voice '{voice.name}' \"Hello\"", err=True)
    if not voice.text:
        typer.echo("Nobody knows what is said in the clip: --text says it, and makes imitations better.", err=True)


@app.command()
def rename(
    context: typer.Context, name: Name, new_name: Annotated[str, typer.Argument(metavar="NEW", help="What to call it.")]
) -> None:
    """Give a voice another name."""
    with _hub(context) as hub:
        typer.echo(f"It is called '{hub.voices.rename(name, new_name).name}' now.", err=True)


@app.command()
def remove(context: typer.Context, name: Name) -> None:
    """Forget a voice and delete its clip."""
    with _hub(context) as hub:
        hub.voices.remove(name)
    typer.echo(f"Removed the voice '{name}'.", err=True)


@app.command()
def preview(context: typer.Context, name: Name) -> None:
    """Play the clip of a voice; into a pipe or file (> clip.wav) it goes as WAV."""
    from ominix_core.devices import play_file

    with _hub(context) as hub:
        clip = hub.voices.clip(name)
    if sys.stdout.isatty():
        play_file(io.BytesIO(clip))
    else:
        sys.stdout.buffer.write(clip)


def _hub(context: typer.Context) -> HubFacade:
    """Where the voices are; a server that runs has a transcription model loaded, perhaps, for what they say."""
    from ominix_tui.commands.session import chosen_server, open_hub_in_use

    return open_hub_in_use(chosen_server(context))
