"""What tests leave behind: programs that outlive them, and ports that somebody still listens on."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import psutil

SECONDS_TO_END = 15.0
"""For programs that were told to end. A server answers its last requests, and a worker may be reading weights."""


def running_below(folder: Path) -> list[psutil.Process]:
    """The programs whose OMINIX_HOME is in this folder: servers, workers, tmux, and what these have started."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            home = Path(process.environ().get("OMINIX_HOME", "/"))
            if folder in home.parents and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def children() -> list[psutil.Process]:
    """What this process has started and not ended, but for Python's own helper, which ends with it."""
    return [each for each in psutil.Process().children(recursive=True) if "resource_tracker" not in _described(each)]


def listening() -> list[str]:
    """The addresses on which this process still listens."""
    connections = psutil.Process().net_connections("inet")
    return [f"{each.laddr.ip}:{each.laddr.port}" for each in connections if each.status == psutil.CONN_LISTEN]


def end_leftovers(folder: Path) -> list[str]:
    """Wait for all of them to end, kill those that do not, and tell of these."""
    deadline = time.monotonic() + SECONDS_TO_END
    found = {*running_below(folder), *children()}
    psutil.wait_procs(found, timeout=deadline - time.monotonic())
    left = {*running_below(folder), *children()}  # they may have started others
    told = sorted(_described(process) for process in left)
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    return told + [f"this process listens on {address}" for address in listening()]


def _described(process: psutil.Process) -> str:
    try:
        home = process.environ().get("OMINIX_HOME", "")
        return f"{process.pid}: {' '.join(process.cmdline())} (OMINIX_HOME={home})"
    except (psutil.Error, OSError):
        return f"{process.pid}"
