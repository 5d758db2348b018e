"""The server as a service: the files that are written, and what the service managers are told."""

from __future__ import annotations

import configparser
import plistlib
import shlex
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from ominix_core.paths import Home
from ominix_core.service.base import Job, Outcome, ServiceError, Status, run
from ominix_core.service.launchd import LABEL, LaunchAgent, LaunchDaemon
from ominix_core.service.machine import job_here, service_here
from ominix_core.service.systemd import UNIT, UserUnit
from tests.support.command import ominix

JOB = Job(Path("/Users/me/My Models"), 15)
PID = 4711


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the service manager looks for jobs."""
    folder = tmp_path / "jobs"
    folder.mkdir()
    return folder


class Launchd:
    """Keeps jobs as launchd does: in the domains that there are, and not in those that refuse them."""

    def __init__(self, *domains: str, refusing: tuple[str, ...] = ()) -> None:
        self.domains = domains
        self.refusing = refusing
        self.jobs: dict[str, dict[str, object]] = {}

    def __call__(self, command: Sequence[str]) -> Outcome:
        assert command[0] == "launchctl"
        match command[1:]:
            case ["print", name] if name in self.domains or name in self.jobs:
                return Outcome(0, f"{name} = {{\n\tstate = running\n\tpid = {PID}\n}}")
            case ["bootstrap", domain, path] if domain in self.domains and domain not in self.refusing:
                self.jobs[f"{domain}/{LABEL}"] = plistlib.loads(Path(path).read_bytes())
                return Outcome(0, "")
            case ["bootstrap", domain, _]:
                return Outcome(125, "Bootstrap failed: 125: Domain does not support specified action")
            case ["bootout", target] if self.jobs.pop(target, None):
                return Outcome(0, "")
            case ["enable", _]:
                return Outcome(0, "")
        return Outcome(113, "Could not find service")


class TestLaunchAgent:
    @pytest.mark.parametrize(
        ("launchd", "domain", "session"),
        [
            pytest.param(Launchd("gui/501", "user/501"), "gui/501", "Aqua", id="at the screen"),
            pytest.param(Launchd("user/501"), "user/501", "Background", id="over SSH, nobody at the screen"),
            pytest.param(
                Launchd("gui/501", "user/501", refusing=("gui/501",)), "user/501", "Background", id="screen refuses"
            ),
        ],
    )
    def test_goes_where_this_login_can_put_it(self, folder: Path, launchd: Launchd, domain: str, session: str) -> None:
        agent = LaunchAgent(folder, 501, launchd)
        agent.install(JOB)
        agent.install(JOB)  # again, as after an update
        ((target, job),) = launchd.jobs.items()
        assert target == f"{domain}/{LABEL}"
        assert job["LimitLoadToSessionType"] == session
        assert "UserName" not in job
        assert agent.status() == Status(installed=True, pid=PID)
        agent.uninstall()
        assert launchd.jobs == {}
        assert list(folder.iterdir()) == []
        assert agent.status() == Status(installed=False)

    def test_the_job(self, folder: Path) -> None:
        launchd = Launchd("gui/501")
        LaunchAgent(folder, 501, launchd).install(JOB)
        (job,) = launchd.jobs.values()
        assert job["ProgramArguments"] == [sys.executable, "-m", "ominix_tui", "serve"]
        assert (job["RunAtLoad"], job["KeepAlive"], job["ExitTimeOut"]) == (True, {"SuccessfulExit": False}, 15)
        assert job["StandardErrorPath"] == "/Users/me/My Models/logs/service.log"
        (path,) = folder.iterdir()
        assert stat.S_IMODE(path.stat().st_mode) == 0o644

    def test_a_refusal_is_told_and_leaves_nothing(self, folder: Path) -> None:
        with pytest.raises(ServiceError, match=r"\(125\).*Domain does not support.*--system"):
            LaunchAgent(folder, 501, Launchd()).install(JOB)
        assert list(folder.iterdir()) == []


def test_a_daemon_runs_as_its_user(folder: Path) -> None:
    launchd = Launchd("system")
    daemon = LaunchDaemon(folder, "me", launchd)
    daemon.install(JOB)
    ((target, job),) = launchd.jobs.items()
    assert target == f"system/{LABEL}"
    assert job["UserName"] == "me"
    assert "LimitLoadToSessionType" not in job
    assert daemon.status() == Status(installed=True, pid=PID)
    daemon.uninstall()
    assert (launchd.jobs, list(folder.iterdir())) == ({}, [])


class Recorder:
    """Notes every command; all succeed but those that begin like `failing`."""

    def __init__(self, failing: str = "none", text: str = "") -> None:
        self.commands: list[str] = []
        self._failing = failing
        self._text = text

    def __call__(self, command: Sequence[str]) -> Outcome:
        line = shlex.join(command)
        self.commands.append(line)
        return Outcome(1, "no") if line.startswith(self._failing) else Outcome(0, self._text)


class TestUserUnit:
    def test_install_starts_it_now_and_at_every_boot(self, folder: Path) -> None:
        recorder = Recorder(failing="loginctl")  # not every machine allows it
        UserUnit(folder, recorder).install(JOB)
        assert recorder.commands == [
            "systemctl --user daemon-reload",
            f"systemctl --user enable {UNIT}",
            f"systemctl --user restart {UNIT}",
            "loginctl enable-linger",
        ]

    def test_the_unit(self, folder: Path) -> None:
        UserUnit(folder, Recorder()).install(Job(Path('/home/me/100% "models"'), 15))
        unit = configparser.RawConfigParser(strict=False)
        unit.optionxform = str  # type: ignore[assignment,method-assign]
        text = (folder / UNIT).read_text()
        unit.read_string(text)
        service = unit["Service"]
        assert shlex.split(service["ExecStart"]) == [sys.executable, "-m", "ominix_tui", "serve"]
        assert r'Environment="OMINIX_HOME=/home/me/100%% \"models\""' in text
        assert (service["Restart"], service["KillMode"], service["TimeoutStopSec"]) == ("on-failure", "mixed", "15")
        assert unit["Install"]["WantedBy"] == "default.target"

    def test_uninstall(self, folder: Path) -> None:
        recorder = Recorder()
        unit = UserUnit(folder, recorder)
        unit.uninstall()
        assert recorder.commands == []
        unit.install(JOB)
        unit.uninstall()
        assert recorder.commands[-2:] == [f"systemctl --user disable --now {UNIT}", "systemctl --user daemon-reload"]
        assert list(folder.iterdir()) == []

    @pytest.mark.parametrize(("text", "pid"), [("4711", 4711), ("0", None), ("", None)])
    def test_status(self, folder: Path, text: str, pid: int | None) -> None:
        unit = UserUnit(folder, Recorder(text=text))
        assert unit.status() == Status(installed=False, pid=pid)

    def test_a_failure_is_told_with_its_command(self, folder: Path) -> None:
        with pytest.raises(ServiceError, match=r"`systemctl --user enable ominix.service` failed \(1\): no"):
            UserUnit(folder, Recorder(failing="systemctl --user enable")).install(JOB)


class TestThisMachine:
    def test_the_job_has_time_to_let_answers_end(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OMINIX_DRAIN_SECONDS", "20.5")
        job = job_here()
        assert job.home == home.root
        assert job.seconds_to_stop == 31
        assert job.log.parent.is_dir()

    @pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
    def test_what_cannot_be_is_told(self, platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "platform", platform)
        monkeypatch.delenv("SUDO_USER", raising=False)
        with pytest.raises(ServiceError, match="sudo" if platform == "darwin" else "under any supervisor"):
            service_here(system=True)

    def test_the_right_manager(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "platform", "darwin")
        assert isinstance(service_here(), LaunchAgent)
        monkeypatch.setattr(sys, "platform", "linux")
        assert isinstance(service_here(), UserUnit)

    def test_commands_run_and_missing_ones_are_named(self) -> None:
        assert run([sys.executable, "-c", "print('hello'); raise SystemExit(3)"]) == Outcome(3, "hello")
        with pytest.raises(ServiceError, match="Cannot run no-such-command: No such file"):
            run(["no-such-command"])

    @pytest.mark.skipif(sys.platform != "linux", reason="asks the system's own service manager")
    def test_the_command(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        tool = tmp_path / "bin/systemctl"
        tool.parent.mkdir()
        tool.write_text("#!/bin/sh\necho 0\n")
        tool.chmod(0o755)
        monkeypatch.setenv("PATH", str(tool.parent))
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
        result: subprocess.CompletedProcess[str] = ominix("service", "status")
        assert (result.returncode, result.stdout) == (1, "not installed, not running\n")
