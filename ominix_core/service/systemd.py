"""The job on Linux: a unit of the user's own systemd."""

from __future__ import annotations

from pathlib import Path

from ominix_core.service.base import Job, Run, ServiceError, Status, must, run

UNIT = "ominix.service"
RESTART_SECONDS = 5


class UserUnit:
    """A unit in `folder`, which is the user's `systemd/user`."""

    def __init__(self, folder: Path, run: Run = run) -> None:
        self._path = folder / UNIT
        self._run = run

    def install(self, job: Job) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text(description(job), "utf-8")
        except OSError as error:
            raise ServiceError(f"Cannot write {self._path}: {error.strerror}.") from error
        must(self._run, "systemctl", "--user", "daemon-reload")
        must(self._run, "systemctl", "--user", "enable", UNIT)
        must(self._run, "systemctl", "--user", "restart", UNIT)
        # Without it the user's units end with their last session; where it is not allowed they still run until then.
        self._run(["loginctl", "enable-linger"])

    def uninstall(self) -> None:
        if self._path.exists():
            self._run(["systemctl", "--user", "disable", "--now", UNIT])
            self._path.unlink()
            self._run(["systemctl", "--user", "daemon-reload"])

    def status(self) -> Status:
        answer = self._run(["systemctl", "--user", "show", "--property=MainPID", "--value", UNIT])
        pid = int(answer.text) if answer.text.isdecimal() else 0
        return Status(self._path.exists(), pid or None)


def description(job: Job) -> str:
    """The job in systemd's terms; see systemd.service(5)."""
    environment = "\n".join(f"Environment={_quoted(f'{name}={value}')}" for name, value in job.environment.items())
    return f"""\
[Unit]
Description=Ominix model server

[Service]
ExecStart={" ".join(_quoted(word).replace("$", "$$") for word in job.command)}
{environment}
Restart=on-failure
RestartSec={RESTART_SECONDS}
# Workers must live while the server lets its answers end.
KillMode=mixed
TimeoutStopSec={job.seconds_to_stop}

[Install]
WantedBy=default.target
"""


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'
