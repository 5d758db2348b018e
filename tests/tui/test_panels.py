"""Which panel a model gets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ominix_tui import panels
from ominix_tui.panels.base import ModelPanel
from ominix_tui.panels.facts import FactsPanel

PANEL = """
from ominix_tui.panels.base import ModelPanel

class VideoPanel(ModelPanel):
    pass
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Another package with a panel for the category "Video", and one for "Music" that cannot be imported."""
    facts = tmp_path / "odd_panels-1.0.dist-info"
    facts.mkdir()
    (tmp_path / "odd_panels.py").write_text(PANEL)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: odd_panels\nVersion: 1.0\n")
    points = "[ominix.panels]\nVideo = odd_panels:VideoPanel\nMusic = odd_panels_of_old:MusicPanel\n"
    (facts / "entry_points.txt").write_text(points)
    monkeypatch.syspath_prepend(tmp_path)
    panels._of_other_packages.cache_clear()
    yield
    panels._of_other_packages.cache_clear()


def test_other_packages_bring_panels_of_their_own(package: None) -> None:
    assert panels.panel_class("Video").__name__ == "VideoPanel"
    assert issubclass(panels.panel_class("Video"), ModelPanel)


@pytest.mark.parametrize("panel_type", ["Music", "Unknown"])
def test_without_one_that_works_the_facts_are_shown(package: None, panel_type: str) -> None:
    assert panels.panel_class(panel_type) is FactsPanel
