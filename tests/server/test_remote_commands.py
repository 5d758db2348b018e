"""The commands that talk to a running server, as an operator uses them."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from ominix_core.hub import Hub
from ominix_core.paths import Home
from ominix_core.server.discovery import announced_in
from ominix_core.server.keys import KeyStore
from ominix_core.server.run import ApiServer
from ominix_core.settings import Settings
from ominix_core.states import Downloaded, Loaded
from ominix_tui.commands.serve import _preload
from tests.conftest import local_entry
from tests.server.conftest import PATIENCE
from tests.support.command import COMMAND, ominix

NOBODY = "ominix: No Ominix server is running here. Start one: ominix serve\n"


def test_the_life_of_a_model(server: ApiServer, hub: Hub) -> None:
    KeyStore(hub.home.api_keys).create("editor")  # others need a key; the user's own programs find theirs

    loading = ominix("load", "tiny")
    assert (loading.returncode, loading.stdout) == (0, "")
    assert loading.stderr.splitlines()[-1] == "Tiny is loaded."
    assert isinstance(hub.state("tiny"), Loaded)

    listed = ominix("ps")
    assert listed.stderr.startswith(f"{server.url}, version ")
    head, row = (line.split() for line in listed.stdout.splitlines())
    assert head == ["MODEL", "STATE", "MEMORY", "REQUESTS"]
    assert (row[:2], row[-1]) == (["tiny", "loaded"], "0")

    assert ominix("unload", "tiny").stderr == "Tiny is not in memory any more.\n"
    assert hub.state("tiny") == Downloaded()


def test_a_refusal_is_told_in_the_server_s_words(server: ApiServer) -> None:
    result = ominix("load", "tinyy")
    assert result.returncode == 1
    assert result.stderr.startswith("ominix: There is no model called 'tinyy'. Did you mean tiny")


@pytest.mark.parametrize("command", [["ps"], ["load", "tiny"], ["unload", "tiny"], ["stop"]])
def test_without_a_server(command: list[str]) -> None:
    result = ominix(*command)
    assert (result.returncode, result.stdout, result.stderr) == (1, "", NOBODY)


def test_a_server_that_died_is_no_server(home: Home) -> None:
    with announced_in(home.server_file, "http://127.0.0.1:9", "key"):
        result = ominix("stop")  # what it must not do: end the process whose id the file has, which is this one
    assert (result.returncode, result.stderr) == (1, NOBODY)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A self-signed certificate and its key."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subject = ["-subj", "/CN=localhost", "-days", "1", "-nodes", "-newkey", "rsa:2048"]
    subprocess.run(
        ["openssl", "req", "-x509", *subject, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True
    )
    return cert, key


@pytest.mark.slow
def test_serve_takes_its_options_and_stop_ends_it(home: Home, process_hub: Hub, certificate: tuple[Path, Path]) -> None:
    """`process_hub` only writes the registry that the program reads."""
    options = ["--port", "0", "--preload", "tiny", "--jit", "--ttl", "5"]
    pem = ["--certfile", str(certificate[0]), "--keyfile", str(certificate[1])]
    program = subprocess.Popen([*COMMAND, "serve", *options, *pem], stderr=subprocess.PIPE, text=True)
    assert program.stderr is not None
    try:
        url = program.stderr.readline().split()[2].removesuffix("/v1")
        assert url.startswith("https://127.0.0.1:")
        body = {"model": "tiny", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}
        answer = httpx.post(f"{url}/v1/chat/completions", json=body, timeout=PATIENCE, verify=False)
        assert answer.status_code == 200, answer.text
        assert "tiny" in ominix("ps").stdout
        stopping = subprocess.Popen([*COMMAND, "stop"], stderr=subprocess.PIPE, text=True)
        assert program.wait(PATIENCE) == 0
        assert stopping.communicate(timeout=PATIENCE)[1] == "The server has stopped.\n"
        assert not home.server_file.exists()
    finally:
        program.kill()
        program.wait()
        program.stderr.close()


def test_a_preload_that_cannot_be_is_told_at_once() -> None:
    result = ominix("serve", "--port", "0", "--preload", "no-such-model")
    assert result.returncode == 1
    assert "There is no model called 'no-such-model'" in result.stderr


def test_a_preload_that_is_not_here_keeps_no_other_from_being_served(
    home: Home, add_models: Callable[..., None], tiny_llm: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_models(local_entry("gone", tiny_llm / "gone"), local_entry("tiny", tiny_llm))
    with Hub(home, Settings(isolation="thread", preload=("gone", "tiny"))) as hub:
        _preload(hub)
        hub.load("tiny").result(PATIENCE)
    assert "gone holds no model: there is no config.json in it." in capsys.readouterr().err


class TestLogs:
    def test_the_last_lines(self, home: Home, server: ApiServer) -> None:
        home.server_log.write_text("".join(f"line {index}\n" for index in range(100)))
        assert ominix("logs", "-n", "2").stdout == "line 98\nline 99\n"

    def test_of_a_model(self, home: Home, hub: Hub) -> None:
        home.logs.mkdir(exist_ok=True)
        (home.logs / "worker-tiny.log").write_text("loaded\n")
        assert ominix("logs", "tiny").stdout == "loaded\n"
        result = ominix("logs", "tiny-two")
        assert result.returncode == 1
        assert "There is no log" in result.stderr

    def test_following_goes_on_past_a_rotation(self, home: Home) -> None:
        home.logs.mkdir()
        home.server_log.write_text("one\n")
        follower = subprocess.Popen([*COMMAND, "logs", "-f"], stdout=subprocess.PIPE, text=True)
        assert follower.stdout is not None
        try:
            assert follower.stdout.readline() == "one\n"
            with home.server_log.open("a") as file:
                file.write("two\n")
            assert follower.stdout.readline() == "two\n"
            os.rename(home.server_log, home.logs / "server.jsonl.1")
            home.server_log.write_text("three\n")
            assert follower.stdout.readline() == "three\n"
            follower.send_signal(signal.SIGINT)
            assert follower.wait(PATIENCE) == 130
        finally:
            follower.kill()
            follower.wait()
            follower.stdout.close()
