"""`ominix pull`, `rm`, `verify` and `du` as their users see them."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from ominix_core.paths import Home
from tests.downloads.conftest import SHARD_BYTES, same_files
from tests.support.command import COMMAND, ominix
from tests.support.fixture_hub import FixtureHub


@pytest.fixture(autouse=True)
def entries(add_models: Callable[..., None], fixture_hub: FixtureHub) -> None:
    """The models "model" and "second", both of acme/model."""
    source = {"type": "HuggingFace", "repo": "acme/model"}
    add_models(
        *({"id": name, "name": name.title(), "category": "LLM", "source": source} for name in ("model", "second"))
    )


def test_pull_says_one_line_a_model_when_not_on_a_terminal(home: Home, fixture_hub: FixtureHub) -> None:
    result = ominix("pull", "model", "second")
    assert result.returncode == 0, result.stderr
    assert result.stdout == ""
    first, second = result.stderr.splitlines()
    assert first.startswith("Model is ready (")
    assert second.endswith('ominix run second "Hello"')
    assert same_files(home.model("model"), fixture_hub.root / "acme/model")


def test_pull_fails_in_clear_words(fixture_hub: FixtureHub) -> None:
    fixture_hub.repos["acme/model"].is_gated = True
    result = ominix("pull", "model")
    assert result.returncode == 1
    assert result.stderr.startswith("ominix: acme/model is gated: ask for access")
    assert len(result.stderr.splitlines()) == 1


def test_ctrl_c_pauses_and_pull_goes_on(home: Home, fixture_hub: FixtureHub) -> None:
    arriving = fixture_hub.fault("slow", path="*.safetensors", rate=200_000)
    process = subprocess.Popen([*COMMAND, "pull", "model"], stderr=subprocess.PIPE, text=True)
    fixture_hub.wait_for_bytes(SHARD_BYTES // 4)
    process.send_signal(signal.SIGINT)
    _, narration = process.communicate(timeout=60)
    assert process.returncode == 130
    assert narration == "Paused. `ominix pull model` goes on from here.\n"
    assert "paused at" in ominix("list").stdout
    arriving.times = 0
    fixture_hub.forget()
    assert ominix("pull", "model").returncode == 0
    assert fixture_hub.body_bytes < 2 * SHARD_BYTES
    assert same_files(home.model("model"), fixture_hub.root / "acme/model")


def test_rm(home: Home) -> None:
    ominix("pull", "model")
    result = ominix("rm", "model")
    assert (result.returncode, result.stderr) == (0, "Model: 2 MB freed\n")
    assert not home.model("model").exists()


@pytest.mark.slow
def test_verify_and_repair(home: Home, fixture_hub: FixtureHub) -> None:
    ominix("pull", "model")
    result = ominix("verify", "model")
    assert (result.returncode, result.stderr) == (0, "Model: 7 files match their checksums\n")
    (home.model("model") / "config.json").write_text("{}")
    result = ominix("verify", "model")
    assert result.returncode == 1
    assert result.stdout.startswith("model\tconfig.json\thas 2 bytes instead of")
    assert "ominix verify --repair model" in result.stderr
    assert ominix("verify", "--repair", "model").returncode == 0
    assert same_files(home.model("model"), fixture_hub.root / "acme/model")


def test_du() -> None:
    ominix("pull", "model")
    lines: list[Any] = [line.split() for line in ominix("du").stdout.splitlines()]
    assert lines == [["ID", "SIZE"], ["model", "2", "MB"], ["total", "2", "MB"]]
