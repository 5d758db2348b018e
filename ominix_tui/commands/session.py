"""What every command that works with models begins with: the log file and a Hub."""

from __future__ import annotations

import dataclasses
import logging
import logging.handlers
from typing import TYPE_CHECKING, Any

from ominix_core.errors import OminixError
from ominix_core.paths import Home

if TYPE_CHECKING:
    from ominix_core.hub import Hub

LOG_BYTES = 2_000_000


def open_log(home: Home) -> None:
    """Send this program's log to `logs/ominix.log`. Raises OminixError if the home cannot be written."""
    try:
        home.logs.mkdir(parents=True, exist_ok=True)
        handler = logging.handlers.RotatingFileHandler(
            home.log_file, maxBytes=LOG_BYTES, backupCount=2, encoding="utf-8"
        )
    except OSError as error:
        raise OminixError(
            f"Ominix cannot write to {home.root}: {error.strerror}. Set OMINIX_HOME to a folder of yours."
        ) from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def open_hub(**settings: Any) -> Hub:
    """A Hub on the user's home, with the log open; `settings` override what the user's file says."""
    home = Home.from_environment()
    open_log(home)
    from ominix_core.hub import Hub
    from ominix_core.settings import Settings

    return Hub(home, dataclasses.replace(Settings.load(home), **settings))


def open_staying_hub(**settings: Any) -> Hub:
    """The same for programs that stay: a newer registry is fetched, and a worker gets warm, in the background."""
    hub = open_hub(**settings)
    hub.update_registry()
    hub.warm_up()
    return hub
