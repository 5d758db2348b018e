"""The job on macOS.

A user's agents live in the domain `gui/UID`, which is there only while that user is logged in at the screen. Over SSH
without it, the domain `user/UID` takes them. A daemon, which only the administrator can install, also survives restarts
of a machine that nobody logs in to.
"""

from __future__ import annotations

import os
import plistlib
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ominix_core.service.base import Job, Outcome, Run, ServiceError, Status, run

LABEL = "ai.ominix.server"
RESTART_SECONDS = 10
SECONDS_TO_END = 30.0
LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Domain:
    """Where launchd keeps jobs; `session` is the kind of login that agents there are limited to."""

    name: str
    session: str | None = None

    @property
    def target(self) -> str:
        return f"{self.name}/{LABEL}"


class LaunchAgent:
    """A job of the user `uid`."""

    def __init__(self, folder: Path, uid: int, run: Run = run) -> None:
        self._path = folder / f"{LABEL}.plist"
        self._screen = Domain(f"gui/{uid}", "Aqua")
        self._background = Domain(f"user/{uid}", "Background")
        self._run = run

    def install(self, job: Job) -> None:
        self.uninstall()
        at_the_screen = self._run(["launchctl", "print", self._screen.name]).code == 0
        domains = [self._screen, self._background] if at_the_screen else [self._background]
        for domain in domains:
            _write(self._path, description(job, session=domain.session))
            outcome = _start(self._run, domain, self._path)
            if outcome.code == 0:
                return
        self._path.unlink()
        raise _refusal(outcome)

    def uninstall(self) -> None:
        for domain in (self._screen, self._background):
            _end(self._run, domain)
        self._path.unlink(missing_ok=True)

    def status(self) -> Status:
        pids = [_pid(self._run, domain) for domain in (self._screen, self._background)]
        return Status(self._path.exists(), next((pid for pid in pids if pid), None))


class LaunchDaemon:
    """A job of the machine that runs as `user`, whether anybody is logged in or not."""

    def __init__(self, folder: Path, user: str, run: Run = run) -> None:
        self._path = folder / f"{LABEL}.plist"
        self._user = user
        self._domain = Domain("system")
        self._run = run

    def install(self, job: Job) -> None:
        self.uninstall()
        _write(self._path, description(job, user=self._user))
        outcome = _start(self._run, self._domain, self._path)
        if outcome.code:
            self._path.unlink()
            raise _refusal(outcome)

    def uninstall(self) -> None:
        _end(self._run, self._domain)
        self._path.unlink(missing_ok=True)

    def status(self) -> Status:
        return Status(self._path.exists(), _pid(self._run, self._domain))


def description(job: Job, *, session: str | None = None, user: str | None = None) -> dict[str, Any]:
    """The job in launchd's terms; see launchd.plist(5)."""
    limits = {"LimitLoadToSessionType": session, "UserName": user}
    return {
        "Label": LABEL,
        "ProgramArguments": job.command,
        "EnvironmentVariables": job.environment,
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},  # `ominix stop` is to last
        "ThrottleInterval": RESTART_SECONDS,
        "ExitTimeOut": job.seconds_to_stop,
        "ProcessType": "Interactive",  # others get less of the processor
        "StandardOutPath": str(job.log),
        "StandardErrorPath": str(job.log),
        **{name: value for name, value in limits.items() if value is not None},
    }


def _write(path: Path, content: dict[str, Any]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(plistlib.dumps(content))
        os.chmod(path, 0o644)  # launchd refuses files that others could write to
    except OSError as error:
        raise ServiceError(f"Cannot write {path}: {error.strerror}.") from error


def _end(run: Run, domain: Domain) -> None:
    """`bootout` returns while the job is still ending, and only then another can take its place."""
    run(["launchctl", "bootout", domain.target])
    deadline = time.monotonic() + SECONDS_TO_END
    while run(["launchctl", "print", domain.target]).code == 0 and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)


def _start(run: Run, domain: Domain, path: Path) -> Outcome:
    run(["launchctl", "enable", domain.target])
    return run(["launchctl", "bootstrap", domain.name, str(path)])


def _refusal(outcome: Outcome) -> ServiceError:
    return ServiceError(
        f"launchd did not take the job ({outcome.code}): {outcome.text or 'it did not say why'}. "
        "On a machine that nobody logs in to, install it for the whole machine: sudo ominix service install --system"
    )


def _pid(run: Run, domain: Domain) -> int | None:
    found = re.search(r"^\s*pid = (\d+)$", run(["launchctl", "print", domain.target]).text, re.MULTILINE)
    return int(found[1]) if found else None
