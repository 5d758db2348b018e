"""The server as a service: install, uninstall, status."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="Keep `ominix serve` running, also after a restart of the machine.", no_args_is_help=True)

System = Annotated[
    bool, typer.Option("--system", help="For the whole Mac: it runs while nobody is logged in. Needs sudo.")
]


@app.command()
def install(system: System = False) -> None:
    """Start the server now, and again whenever it fails or the machine comes up. `config.toml` has its settings."""
    from ominix_core.service.machine import job_here, service_here

    service_here(system=system).install(job_here(system=system))
    typer.echo("The service is installed. See: ominix service status, ominix ps, ominix logs", err=True)


@app.command()
def uninstall(system: System = False) -> None:
    """End the service and forget it."""
    from ominix_core.service.machine import service_here

    service_here(system=system).uninstall()
    typer.echo("The service is not installed any more.", err=True)


@app.command()
def status(system: System = False) -> None:
    """Whether the service is installed and running. The exit code is 0 if it is running."""
    from ominix_core.service.machine import service_here

    found = service_here(system=system).status()
    installed = "installed" if found.installed else "not installed"
    typer.echo(f"{installed}, running as process {found.pid}" if found.pid else f"{installed}, not running")
    if found.pid is None:
        raise typer.Exit(1)
