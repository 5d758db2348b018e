"""Opening the TUI."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import typer

from ominix_core.errors import OminixError

if TYPE_CHECKING:
    from ominix_tui.app import OminixApp

DEMO_MODEL = "smollm2-135m"


def open_hub() -> None:
    """Open the hub on the screen."""
    _require_terminal()
    from ominix_tui.app import OminixApp
    from ominix_tui.commands.session import open_staying_hub

    _run(OminixApp(open_staying_hub))


def demo() -> None:
    """Get the demo model if it is not here yet, and open the hub with it loaded and ready to chat."""
    _require_terminal()
    from ominix_tui.commands import session
    from ominix_tui.commands.progress import follow

    with session.open_hub() as hub:
        follow(hub, DEMO_MODEL, hub.download(DEMO_MODEL))
    from ominix_tui.app import OminixApp

    _run(OminixApp(session.open_staying_hub, initial_model=DEMO_MODEL))


def _run(app: OminixApp) -> None:
    """Show the app until it ends; a failure to start it is this command's failure too."""
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)  # where a shell exports them, Textual would not see the terminal change its size
    app.run()
    if app.return_code:
        raise typer.Exit(app.return_code)


def _require_terminal() -> None:
    if not (sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()):
        raise OminixError(
            "The hub needs a terminal for input and output. `ominix --help` lists the commands that work without one."
        )
