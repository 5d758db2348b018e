"""Downloads in a process of their own, killed with `kill -9` at a chosen moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FETCH = """
import sys
from pathlib import Path
from ominix_core.downloads.job import Job, Options
from ominix_core.paths import Home
from ominix_core.registry.entry_json import read_entry
home, repo, segment_bytes = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
source = {"type": "HuggingFace", "repo": repo}
entry = read_entry({"id": "model", "name": "A Model", "source": source})
def report(state):
    print(state.done_bytes, flush=True)
Job(entry, Home(home), lambda *_: None, report, lambda: 0, Options(segment_bytes=segment_bytes)).run()
"""


def fetch_and_kill(home: Path, repo: str, segment_bytes: int, after_bytes: int | None) -> None:
    """Run a download and kill it once so many bytes have arrived; None: let it finish."""
    command = [sys.executable, "-c", FETCH, str(home), repo, str(segment_bytes)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if after_bytes is not None and int(line) >= after_bytes:
                os.kill(process.pid, signal.SIGKILL)
                break
    assert after_bytes is not None or process.returncode == 0
