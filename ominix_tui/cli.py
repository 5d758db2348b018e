"""The commands of `ominix` and their common options."""

from __future__ import annotations

from typing import Annotated

import typer

from ominix_core import __version__
from ominix_tui.commands import (
    downloads,
    image,
    keys,
    logs,
    models,
    registry,
    remote,
    serve,
    service,
    speech,
    transcribe,
    tui,
    voices,
)

app = typer.Typer(
    name="ominix",
    help="The terminal hub for every MLX model on this machine. Without a command it opens the hub.",
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # drawing help with rich takes three times as long
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(tui.demo)
app.command("list")(registry.list_models)
app.command("pull")(downloads.pull)
app.command("rm")(downloads.remove)
app.command("verify")(downloads.verify)
app.command("du")(downloads.disk_usage)
app.command("run")(models.run)
app.command("image")(image.image)
app.command("transcribe")(transcribe.transcribe)
app.command("speak")(speech.speak)
app.command("serve")(serve.serve)
app.command("ps")(remote.ps)
app.command("load")(remote.load)
app.command("unload")(remote.unload)
app.command("stop")(remote.stop)
app.command("logs")(logs.logs)
app.add_typer(registry.registry_app, name="registry")
app.add_typer(keys.app, name="keys")
app.add_typer(voices.app, name="voices")
app.add_typer(service.app, name="service")

FAR_COMMANDS = (
    *("list", "pull", "rm", "verify", "du", "ps", "load", "unload"),
    *("run", "image", "transcribe", "speak", "voices"),
)
"""What `--connect` can do on another machine."""


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ominix {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    connect: Annotated[
        str, typer.Option(metavar="URL", help="Use the models of the server there, such as https://mac.local:8080.")
    ] = "",
    key: Annotated[str, typer.Option(envvar="OMINIX_KEY", help="The API key that this server wants.")] = "",
) -> None:
    """Open the hub, unless a command is given."""
    if connect:
        _connect_to(context, connect, key)
    if context.invoked_subcommand is None:
        tui.open_hub(context.obj)


def _connect_to(context: typer.Context, url: str, key: str) -> None:
    """Let the command work on the server at `url`."""
    from ominix_core.remote.address import address_of

    command = context.invoked_subcommand
    if command is not None and command not in FAR_COMMANDS:
        context.fail(f"`ominix {command}` works on this machine alone. Leave --connect out.")
    context.obj = address = address_of(url, key)
    if command is not None and address.sends_openly:
        typer.echo(f"ominix: {tui.READABLE.format(name=address.name)}", err=True)
