"""Which service manager this machine has."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path

from ominix_core.paths import Home
from ominix_core.service.base import SECONDS_TO_CLOSE, Job, Service, ServiceError
from ominix_core.service.launchd import LaunchAgent, LaunchDaemon
from ominix_core.service.systemd import UserUnit
from ominix_core.settings import Settings


def service_here(*, system: bool = False) -> Service:
    """The user's own service, or with `system` the machine's. Raises ServiceError where there is no such thing."""
    if sys.platform == "darwin":
        if system:
            return LaunchDaemon(Path("/Library/LaunchDaemons"), _user_behind_sudo())
        return LaunchAgent(Path.home() / "Library/LaunchAgents", os.getuid())
    if sys.platform == "linux" and not system:
        folder = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
        return UserUnit(Path(folder) / "systemd/user")
    kind = "a service of the whole machine" if system else "a service"
    raise ServiceError(f"Ominix cannot install {kind} on this system. `ominix serve` runs under any supervisor.")


def job_here(*, system: bool = False) -> Job:
    """`ominix serve` as its user would start it, with a folder for its log. Raises ServiceError."""
    home = Home.from_environment()
    if system and "OMINIX_HOME" not in os.environ:
        home = Home(Path(f"~{_user_behind_sudo()}").expanduser() / ".ominix")
    job = Job(home.root, math.ceil(Settings.load(home).drain_seconds + SECONDS_TO_CLOSE))
    if not system:
        try:
            job.log.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ServiceError(f"Cannot write to {home.root}: {error.strerror}.") from error
    elif not job.log.parent.is_dir():  # made here it would be the administrator's
        raise ServiceError(f"{home.root} is not in use yet. Run `ominix list` without sudo first.")
    return job


def _user_behind_sudo() -> str:
    user = os.environ.get("SUDO_USER", "")
    if os.geteuid() != 0 or user in ("", "root"):
        raise ServiceError("This takes administrator rights: run it with sudo, as the user whose models it serves.")
    return user
