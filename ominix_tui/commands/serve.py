"""The API server."""

from __future__ import annotations

import functools
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ominix_core.errors import NotReadyError, OminixError

if TYPE_CHECKING:
    from ominix_core.hub import Hub


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (default 127.0.0.1).")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on (default 8080).")] = None,
    preload: Annotated[
        list[str] | None, typer.Option(metavar="MODEL", help="Load this model at the start; may be repeated.")
    ] = None,
    jit: Annotated[
        bool | None, typer.Option("--jit/--no-jit", help="Load a downloaded model when a request names it.")
    ] = None,
    ttl: Annotated[
        float | None, typer.Option(min=0.0, metavar="MINUTES", help="Unload a model that was idle this long; 0 never.")
    ] = None,
    certfile: Annotated[Path | None, typer.Option(help="A PEM certificate chain: serve over HTTPS.")] = None,
    keyfile: Annotated[Path | None, typer.Option(help="The certificate's key, if it is in a file of its own.")] = None,
) -> None:
    """Serve the models over an OpenAI-compatible API. Options that are left out are as `config.toml` says."""
    from ominix_core.server.run import serve as run_server
    from ominix_tui.commands.session import open_hub

    options = {
        "host": host,
        "port": port,
        "preload": tuple(preload) if preload else None,
        "jit": jit,
        "idle_minutes": ttl,
        "certfile": str(certfile) if certfile else None,
        "keyfile": str(keyfile) if keyfile else None,
    }
    with open_hub(**{name: value for name, value in options.items() if value is not None}) as hub:
        hub.warm_up()
        hub.resume_downloads()
        hub.revive_models()
        _preload(hub)
        run_server(hub, on_ready=_tell_the_address)


def _preload(hub: Hub) -> None:
    """Begin to load what is to be there from the start; requests are taken meanwhile.

    A model that cannot be loaded is told, and keeps nobody from the others. Raises UnknownModelError.
    """
    for entry in [hub.resolve(name) for name in hub.settings.preload]:
        try:
            hub.load(entry.id).add_done_callback(functools.partial(_tell_failure, entry.name))
        except NotReadyError as error:  # `ominix rm` may have taken it since it was put into config.toml
            _tell(entry.name, error)


def _tell_failure(name: str, load: Future[None]) -> None:
    if isinstance(error := load.exception(), OminixError):
        _tell(name, error)


def _tell(name: str, error: OminixError) -> None:
    typer.echo(f"{name} was not loaded: {error}", err=True)


def _tell_the_address(url: str) -> None:
    typer.echo(f"Serving at {url}/v1 (documentation: {url}/docs). Ctrl-C stops it.", err=True)
