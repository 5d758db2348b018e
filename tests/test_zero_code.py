"""To add a model, add one JSON entry: the screen, the API and the command line then get it, load it and use it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from ominix_core.hub import Hub
from ominix_core.paths import Home
from ominix_core.settings import Settings
from ominix_core.states import Downloaded, Loaded, NotDownloaded
from ominix_tui.app import OminixApp
from tests.server.conftest import api_server, running
from tests.support.command import ominix
from tests.support.fixture_hub import FixtureHub
from tests.tui.support import answer_of, type_prompt, until, until_connected

ENTRY = {
    "id": "brand-new",
    "name": "Brand New",
    "category": "LLM",
    "source": {"type": "HuggingFace", "repo": "acme/brand-new"},
}


@pytest.fixture(autouse=True)
def one_new_entry(home: Home, tiny_llm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FixtureHub]:
    """The model lies on a hub; all that Ominix is told of it is the entry in the user's file."""
    shutil.copytree(tiny_llm, tmp_path / "hub" / "acme" / "brand-new")
    for variable in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_CACHE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "user" / "hf"))
    home.registry_override.write_text(json.dumps({"models": [ENTRY]}))
    with FixtureHub(tmp_path / "hub") as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


@pytest.fixture
def hub(home: Home) -> Iterator[Hub]:
    with Hub(home, Settings(isolation="thread")) as hub:
        yield hub


async def test_on_the_screen(hub: Hub) -> None:
    app = OminixApp(lambda: hub, "brand-new", load_initial=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await until_connected(pilot)
        assert isinstance(hub.state("brand-new"), NotDownloaded)
        await pilot.press("g")
        await until(pilot, lambda: isinstance(hub.state("brand-new"), Downloaded))
        await pilot.press("escape", "l")
        await until(pilot, lambda: isinstance(hub.state("brand-new"), Loaded))
        await type_prompt("Hello")(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: answer_of(pilot))


def test_over_the_api(hub: Hub) -> None:
    hub.download("brand-new").result(60)
    with (
        running(api_server(hub)) as server,
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="unused", max_retries=0) as client,
    ):
        assert client.models.retrieve("brand-new").id == "brand-new"
        client.post("/models/brand-new/load", cast_to=str)
        answer = client.chat.completions.create(
            model="acme/brand-new", messages=[{"role": "user", "content": "Hello"}], max_tokens=8
        )
    assert answer.choices[0].message.content


def test_on_the_command_line() -> None:
    assert "brand-new" in ominix("list").stdout
    pulled = ominix("pull", "brand-new")
    assert pulled.returncode == 0, pulled.stderr
    answer = ominix("run", "brand-new", "Hello", "--max-tokens", "8", "--temperature", "0")
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.strip()
