"""API keys: create, list, revoke."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ominix_core.server.keys import KeyStore

app = typer.Typer(help="API keys, which `ominix serve` asks for once there is one.", no_args_is_help=True)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What the key is for, such as the program that will use it.")],
    manage: Annotated[bool, typer.Option("--manage", help="Let it load, unload and download models too.")] = False,
) -> None:
    """Make a key and print it; it cannot be shown again."""
    key, secret = _store().create(name, ("use", "manage") if manage else ("use",))
    typer.echo(f"Made the key {key.id} for '{name}'. Keep it: nothing can show it again.", err=True)
    typer.echo(secret)


@app.command("list")
def list_keys() -> None:
    """Every key's id, scopes, day of making and name."""
    import datetime

    for key in _store().all():
        day = datetime.date.fromtimestamp(key.created).isoformat()
        typer.echo(f"{key.id}  {'+'.join(key.scopes):10}  {day}  {key.name}")


@app.command()
def revoke(key_id: Annotated[str, typer.Argument(metavar="ID", help="As `ominix keys list` shows it.")]) -> None:
    """Take a key back; a running server refuses it from now on."""
    key = _store().revoke(key_id)
    typer.echo(f"Revoked the key of '{key.name}'.", err=True)


def _store() -> KeyStore:
    from ominix_core.paths import Home
    from ominix_core.server.keys import KeyStore

    return KeyStore(Home.from_environment().api_keys)
