"""The API server."""

from __future__ import annotations

from typing import Annotated

import typer


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (default 127.0.0.1).")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on (default 8080).")] = None,
) -> None:
    """Serve the models over an OpenAI-compatible API."""
    from ominix_core.server.run import serve as run_server
    from ominix_tui.commands.session import open_staying_hub

    with open_staying_hub() as hub:
        run_server(hub, host, port, _tell_the_address)


def _tell_the_address(url: str) -> None:
    typer.echo(f"Serving at {url}/v1 (documentation: {url}/docs). Ctrl-C stops it.", err=True)
