"""The guard against what tests leave behind sees it."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

from tests.support.leftovers import children, listening, running_below


def test_programs_are_found_by_their_home(tmp_path: Path) -> None:
    environment = {**os.environ, "OMINIX_HOME": str(tmp_path / "home")}
    with subprocess.Popen(["sleep", "60"], env=environment, start_new_session=True) as program:
        try:
            assert [each.pid for each in running_below(tmp_path)] == [program.pid]
            assert program.pid in [each.pid for each in children()]
            assert running_below(tmp_path / "home" / "elsewhere") == []
        finally:
            program.kill()
    assert running_below(tmp_path) == []


def test_ports_are_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        assert address in listening()
    assert address not in listening()
