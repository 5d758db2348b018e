"""Text on its way to where the user sits, beyond what the terminal's own OSC 52 reaches; and to a file."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from ominix_core.errors import OminixError
from ominix_core.paths import typed_path

PATIENCE = 2.0


def hand_over(text: str, environment: Mapping[str, str] = os.environ) -> None:
    """Give the text to tmux and to this machine's clipboard, where they are the user's. Call it on a thread."""
    for command in _commands(environment):
        try:
            subprocess.run(command, input=text.encode(), timeout=PATIENCE, capture_output=True, check=False)
        except (OSError, subprocess.TimeoutExpired):
            continue  # the terminal's own way is left


def _commands(environment: Mapping[str, str]) -> Iterator[list[str]]:
    if environment.get("TMUX"):
        yield ["tmux", "load-buffer", "-w", "-"]
    # Over SSH this would fill the clipboard of the machine that nobody sits at.
    if "SSH_CONNECTION" not in environment and shutil.which("pbcopy", path=environment.get("PATH")):
        yield ["pbcopy"]


def save(text: str, name: str) -> Path:
    """Write the text to a new file and return its full path; `~` is the user's folder.

    Raises:
        OminixError: There is such a file already, or it cannot be written.
    """
    file = typed_path(name)
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError as error:
        raise OminixError(f"{file} exists already. Choose another name.") from error
    except OSError as error:
        raise OminixError(f"{file} cannot be written: {error.strerror}.") from error
    return file
