"""What the tests of the screen share: a hub with fixed models, an app on it, and where snapshots lie."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_textual_snapshot
from syrupy.location import PyTestLocation
from textual.widgets import Input, TextArea

from ominix_core.hub import Hub
from ominix_core.memory import Machine
from ominix_core.paths import Home
from ominix_core.registry.catalogue import Registry
from ominix_core.registry.entry import RegistryEntry
from ominix_core.registry.entry_json import read_entry
from ominix_core.settings import Settings
from ominix_core.system import System
from ominix_tui.app import OminixApp
from tests.conftest import local_entry
from tests.support.leftovers import running_below
from tests.tui.support import PATIENCE

SNAPSHOTS = Path(__file__).parents[2] / "snapshots"


class TopLevelSnapshots(pytest_textual_snapshot.SVGImageExtension):
    """One folder for every picture of the program, one folder below it per test file."""

    @classmethod
    def dirname(cls, *, test_location: PyTestLocation) -> str:
        return str(SNAPSHOTS / test_location.basename)


@pytest.fixture
def top_level_snapshots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pytest_textual_snapshot, "SVGImageExtension", TopLevelSnapshots)


@pytest.fixture
def snap_compare(top_level_snapshots: None, snap_compare: Callable[..., bool]) -> Callable[..., bool]:
    return snap_compare


@pytest.fixture(autouse=True)
def usual_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Colours and Unicode, whatever the terminal that the tests run on has."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.fixture(autouse=True)
def steady_cursors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text cursors do not blink, so that a picture does not depend on its moment."""
    for field in (Input, TextArea):
        monkeypatch.setattr(field.cursor_blink, "_default", False)


@pytest.fixture
def no_server(monkeypatch: pytest.MonkeyPatch, home: Home) -> Iterator[None]:
    """A server that some key starts finds no address to listen on, and ends at once; it would outlive the program."""
    monkeypatch.setenv("OMINIX_HOST", "192.0.2.1")
    yield
    _, alive = psutil.wait_procs(running_below(home.root.parent), timeout=PATIENCE)
    assert alive == []


@pytest.fixture
def endless_hub(home: Home, add_models: Callable[..., None], endless_llm: Path) -> Iterator[Hub]:
    """A hub with the model "endless" in a worker process."""
    add_models(local_entry("endless", endless_llm))
    with Hub(home, Settings(isolation="process")) as hub:
        yield hub


@pytest.fixture
def catalogue_hub(home: Home, tmp_path: Path) -> Iterator[Hub]:
    """A hub with models of every category. "qwen3-8b" and "glm4-9b" are on this machine, as far as names tell."""
    here = tmp_path / "here"
    here.mkdir()
    (here / "config.json").write_text("{}")
    entries = [
        _entry("qwen3-8b", "Qwen3 8B", "LLM", 9.5, "8B", folder=here),
        _entry("glm4-9b", "GLM-4 9B", "LLM", 10.2, "9B", folder=here),
        _entry("qwen3-235b-moe", "Qwen3 235B A22B Instruct 2507", "LLM", 132.0, "235B"),
        _entry("moxin-7b-vlm", "Moxin-7B VLM", "VLM", 9.0, "7B", panel_type="VLMChat", color="#8b5cf6"),
        _entry("paraformer", "Paraformer ASR", "ASR", 1.2, "", panel_type="ASRTranscription", color="#10b981"),
        _entry("gpt-sovits", "GPT-SoVITS TTS", "TTS", 2.0, "", panel_type="TTSSynthesis", color="#f59e0b"),
        _entry("flux-klein", "FLUX.2-klein", "ImageGen", 13.0, "4B", panel_type="ImageGeneration", color="#ec4899"),
    ]
    machine = Machine(32_000_000_000, 20_400_000_000)
    with Hub(home, Settings(isolation="thread"), Registry(entries)) as hub:
        system = System(machine, {"glm4-9b": 5_100_000_000}, 1_000_000_000_000, 412_000_000_000, "balanced")
        hub.system = lambda: system  # type: ignore[method-assign]
        hub._guard.read_machine = lambda: machine
        yield hub


def _entry(
    model_id: str,
    name: str,
    category: str,
    memory_gb: float,
    parameters: str,
    *,
    folder: Path | None = None,
    **ui: Any,
) -> RegistryEntry:
    source = {"type": "Local", "path": str(folder)} if folder else {"type": "HuggingFace", "repo": f"mlx/{model_id}"}
    facts = {"parameters": parameters, "quantization": "8-bit", "memory_gb": memory_gb, "context": 32768}
    return read_entry(
        {
            "id": model_id,
            "name": name,
            "description": f"{name}, as the catalogue describes it.",
            "category": category,
            "license": "Apache-2.0",
            "source": source,
            "runtime": {"engine": "mlx-lm", **facts},  # one that is there, so that every model is supported
            "ui": ui,
        }
    )


@pytest.fixture
def catalogue_app(catalogue_hub: Hub) -> OminixApp:
    """The app on `catalogue_hub`, with "qwen3-8b" selected."""
    return OminixApp(lambda: catalogue_hub, "qwen3-8b", load_initial=False)
