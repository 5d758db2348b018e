"""The commands against a server, as a user runs them."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from ominix_core.hub import Hub
from ominix_core.memory import Machine
from ominix_core.paths import Home
from ominix_core.server.discovery import announced_in
from ominix_core.server.keys import KeyStore
from ominix_core.server.run import ApiServer
from ominix_core.states import Downloaded, Loaded
from tests.downloads.conftest import SHARD_BYTES
from tests.remote.conftest import Events
from tests.server.conftest import api_server, running
from tests.support.command import COMMAND, ominix
from tests.support.fixture_hub import FixtureHub


@pytest.fixture
def elsewhere(server: ApiServer, near: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of the server, as a user sees it whose own home knows nothing of its models."""
    monkeypatch.setenv("OMINIX_HOME", str(tmp_path / "another home"))
    return server.url


@pytest.mark.slow
def test_the_life_of_a_model_on_another_machine(elsewhere: str, near: Hub, fixture_hub: FixtureHub) -> None:
    def there(*arguments: str) -> subprocess.CompletedProcess[str]:
        result = ominix("--connect", elsewhere, *arguments)
        assert result.returncode == 0, result.stderr
        return result

    assert "acme/model" in there("list", "--json").stdout
    assert there("pull", "model").stderr.startswith("A Model is ready")
    assert near.state("model") == Downloaded()
    assert there("du").stdout.splitlines()[1].split()[0] == "model"
    assert "match their checksums" in there("verify", "model").stderr
    assert "freed" in there("rm", "model").stderr

    assert there("load", "tiny").stderr.splitlines()[-1] == "Tiny is loaded."
    assert isinstance(near.state("tiny"), Loaded)
    answer = there("run", "tiny", "Hello", "--max-tokens", "4", "--temperature", "0")
    assert answer.stdout.strip()
    assert there("ps").stdout.splitlines()[1].split()[:2] == ["tiny", "loaded"]
    assert "loaded" in next(row for row in there("list").stdout.splitlines() if row.startswith("tiny "))
    there("unload", "tiny")
    assert near.state("tiny") == Downloaded()


def test_speech_and_images_of_another_machine(elsewhere: str, near: Hub, clip: Path) -> None:
    near.voices.add("Ada", clip, "Good morning.")
    assert "Ada" in ominix("--connect", elsewhere, "voices", "list").stdout
    for command, kind, file in (("speak", "speech", "a.wav"), ("image", "image", "a.png")):
        result = ominix("--connect", elsewhere, command, "Hello", "-o", file)
        assert result.returncode == 1
        assert f"No {kind} model is on localhost" in result.stderr


def test_a_key_comes_from_the_option_or_the_environment(
    elsewhere: str, near: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = KeyStore(near.home.api_keys).create("admin", ("use", "manage"))[1]
    refused = ominix("--connect", elsewhere, "ps")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "wants an API key. Give it with --key KEY or in the variable OMINIX_KEY" in refused.stderr
    assert ominix("--connect", elsewhere, "--key", secret, "ps").returncode == 0
    monkeypatch.setenv("OMINIX_KEY", secret)
    assert ominix("--connect", elsewhere, "ps").returncode == 0


@pytest.mark.parametrize("command", ["serve", "keys", "stop", "logs", "demo", "registry", "service"])
def test_what_only_this_machine_can_do(command: str) -> None:
    result = ominix("--connect", "http://mac.local", command)
    assert result.returncode == 2
    assert f"`ominix {command}` works on this machine alone. Leave --connect out." in " ".join(result.stderr.split())


def test_an_address_that_is_none() -> None:
    result = ominix("--connect", "mac.local", "ps")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        "ominix: 'mac.local' is not the address of a server. Give it like this: https://mac.local:8080\n"
    )


def test_nobody_there() -> None:
    result = ominix("--connect", "http://127.0.0.1:9", "list")
    assert result.returncode == 1
    assert result.stderr.startswith("ominix: No Ominix server answers at http://127.0.0.1:9.")


def test_who_can_read_along_is_said_once(near: Hub) -> None:
    KeyStore(near.home.api_keys).create("another")
    with running(api_server(near, host="0.0.0.0")) as server:
        port = server.url.rpartition(":")[2]
        result = ominix("--connect", f"http://0.0.0.0:{port}", "ps")
    assert result.stderr.count("can be read by others") == 1


def test_run_uses_the_server_that_is_here(server: ApiServer, near: Hub) -> None:
    assert ominix("run", "tiny", "Hello", "--max-tokens", "2").returncode == 0
    assert isinstance(near.state("tiny"), Loaded), "it stays in the server's memory"


@pytest.mark.slow
def test_run_does_without_a_server_that_died(home: Home, models: None) -> None:
    with announced_in(home.server_file, "http://127.0.0.1:9", "key"):
        assert ominix("run", "tiny", "Hello", "--max-tokens", "2").returncode == 0
    gone = subprocess.Popen(["true"])
    gone.wait()
    home.server_file.write_text(json.dumps({"url": "http://127.0.0.1:9", "key": "", "pid": gone.pid, "version": "0"}))
    assert ominix("run", "tiny", "Hello", "--max-tokens", "2").returncode == 0


def test_a_refused_load_says_the_numbers_and_force_overrides(server: ApiServer, near: Hub) -> None:
    near._guard.read_machine = lambda: Machine(64 << 30, 1 << 28)
    refused = ominix("load", "tiny")
    assert refused.returncode == 1
    assert "Needs 0.5 GB, only 0.3 GB available." in refused.stderr
    assert ominix("load", "tiny", "--force").stderr.splitlines()[-1] == "Tiny is loaded."


def test_ctrl_c_pauses_a_download_there(elsewhere: str, near: Hub, fixture_hub: FixtureHub) -> None:
    fixture_hub.fault("slow", path="*.safetensors", rate=SHARD_BYTES // 8)
    events = Events(near)
    pull = subprocess.Popen([*COMMAND, "--connect", elsewhere, "pull", "model"], stderr=subprocess.PIPE, text=True)
    try:
        events.until_state("model", lambda state: getattr(state, "done_bytes", 0) > 0)
        pull.send_signal(signal.SIGINT)
        assert pull.wait(60) == 130
        assert [str(item.stage) for item in near.download_queue()] == ["paused"]
    finally:
        pull.kill()
        pull.communicate()
