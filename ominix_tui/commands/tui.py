"""Opening the TUI."""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING

from ominix_core.errors import OminixError

if TYPE_CHECKING:
    from ominix_core.remote.address import ServerAddress
    from ominix_tui.app import OminixApp

DEMO_MODEL = "smollm2-135m"
READABLE = "What you send to {name} can be read by others on the network, the API key too. HTTPS would hide it."


def open_hub(address: ServerAddress | None = None) -> None:
    """Open the hub on the screen: that of the server at `address`, or this machine's."""
    _require_terminal()
    _prepare()
    from ominix_tui.app import OminixApp
    from ominix_tui.commands import session

    notice = READABLE.format(name=address.name) if address is not None and address.sends_openly else ""
    _run(OminixApp(lambda: session.open_hub_in_use(address), notice=notice))


def demo() -> None:
    """Get the demo model if it is not here yet, and open the hub with it loaded and ready to chat."""
    _require_terminal()
    from ominix_tui.commands import session
    from ominix_tui.commands.progress import follow

    with session.open_hub() as hub:
        follow(hub, DEMO_MODEL, hub.download(DEMO_MODEL))
    _prepare()
    from ominix_tui.app import OminixApp

    _run(OminixApp(lambda: session.open_hub_in_use(None), initial_model=DEMO_MODEL))


def _run(app: OminixApp) -> None:
    """Show the app until it ends; a failure to start it is this command's failure too."""
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)  # where a shell exports them, Textual would not see the terminal change its size
    app.run()
    if app.handover is not None:
        app.handover.finish()
    if app.return_code:
        sys.exit(app.return_code)


def _prepare() -> None:
    """Find out how this terminal shows pictures: before there is an app, which takes its colours from what is found."""
    gc.disable()  # collections take a tenth of the start; the app turns them on again when it is ready
    from ominix_core.paths import Home
    from ominix_core.settings import Settings
    from ominix_tui import terminal_images

    terminal_images.prepare(Settings.load(Home.from_environment()).images)


def _require_terminal() -> None:
    if not (sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()):
        raise OminixError(
            "The hub needs a terminal for input and output. `ominix --help` lists the commands that work without one."
        )
