"""Opening the TUI."""

from __future__ import annotations

import sys

from ominix_core.errors import OminixError

DEMO_MODEL = "smollm2-135m"


def open_hub() -> None:
    """Open the hub on the screen."""
    _require_terminal()
    from ominix_tui.app import OminixApp
    from ominix_tui.commands.session import open_updating_hub

    OminixApp(open_updating_hub).run()


def demo() -> None:
    """Get the demo model if it is not here yet, and open the hub with it loaded and ready to chat."""
    _require_terminal()
    from ominix_tui.commands import session
    from ominix_tui.commands.progress import follow

    with session.open_hub() as hub:
        follow(hub, DEMO_MODEL, hub.download(DEMO_MODEL))
    from ominix_tui.app import OminixApp

    OminixApp(session.open_updating_hub, initial_model=DEMO_MODEL).run()


def _require_terminal() -> None:
    if not (sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()):
        raise OminixError(
            "The hub needs a terminal for input and output. `ominix --help` lists the commands that work without one."
        )
