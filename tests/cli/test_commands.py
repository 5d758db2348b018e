"""The `ominix` command as its users see it: output, messages, exit codes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from ominix_core import __version__
from ominix_core.paths import Home
from tests.conftest import local_entry
from tests.support.command import COMMAND, ominix


@pytest.fixture
def tiny(add_models: Callable[..., None], tiny_llm: Path) -> str:
    """A model on this machine, by its id."""
    add_models(local_entry("tiny", tiny_llm))
    return "tiny"


def assert_one_clear_line(result: subprocess.CompletedProcess[str], *words: str, code: int = 1) -> None:
    assert result.returncode == code, result
    assert "Traceback" not in result.stderr + result.stdout
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("ominix: ")
    for word in words:
        assert word in last


def test_a_shell_is_told_how_a_word_goes_on() -> None:
    asked = {"_OMINIX_COMPLETE": "complete_bash", "COMP_WORDS": "ominix reg", "COMP_CWORD": "1"}
    script = "import sys; sys.argv = ['ominix']; from ominix_tui.main import main; main()"
    result = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | asked, capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == ["registry"]


def test_version() -> None:
    result = ominix("--version")
    assert (result.returncode, result.stdout) == (0, f"ominix {__version__}\n")


def test_help_lists_every_command() -> None:
    result = ominix("--help")
    assert result.returncode == 0
    for command in ("demo", "list", "pull", "run", "serve"):
        assert command in result.stdout


def test_list_shows_the_state_of_each_model(tiny: str) -> None:
    result = ominix("list")
    assert result.returncode == 0
    lines = {line.split()[0]: line for line in result.stdout.splitlines()[1:]}
    assert "not downloaded" in lines["smollm2-135m"]
    assert "not downloaded" not in lines[tiny]


def test_a_broken_registry_file_is_told_and_costs_nothing_else(home: Home) -> None:
    home.registry_override.write_text('{"models": [')
    result = ominix("list")
    assert result.returncode == 1
    assert "smollm2-135m" in result.stdout
    (line,) = result.stderr.strip().splitlines()
    assert str(home.registry_override) in line
    assert "line 1" in line


class TestRun:
    def test_the_answer_is_all_of_standard_output(self, tiny: str) -> None:
        first = ominix("run", tiny, "hello", "--temperature", "0", "--max-tokens", "12")
        again = ominix("run", tiny, "hello", "--temperature", "0", "--max-tokens", "12")
        assert first.returncode == 0, first.stderr
        assert first.stdout == again.stdout
        assert first.stdout.endswith("\n")
        assert "loading weights" in first.stderr

    @pytest.mark.slow
    def test_a_seed_repeats_an_answer(self, tiny: str) -> None:
        def sampled(seed: str) -> str:
            return ominix("run", tiny, "hello", "--temperature", "1", "--max-tokens", "12", "--seed", seed).stdout

        assert sampled("5") == sampled("5") != sampled("6")

    @pytest.mark.slow
    def test_the_prompt_comes_from_standard_input_when_piped(self, tiny: str) -> None:
        piped = ominix("run", tiny, "--temperature", "0", "--max-tokens", "12", stdin="hello\n")
        given = ominix("run", tiny, "hello", "--temperature", "0", "--max-tokens", "12")
        assert piped.returncode == 0, piped.stderr
        assert piped.stdout == given.stdout

    def test_no_prompt_at_all(self, tiny: str) -> None:
        assert_one_clear_line(ominix("run", tiny, stdin=""), "empty")

    def test_unknown_model_names_the_nearest(self, tiny: str) -> None:
        assert_one_clear_line(ominix("run", "smolm2", "hello"), "'smolm2'", "smollm2-135m")

    def test_a_model_that_is_not_here(self) -> None:
        assert_one_clear_line(ominix("run", "smollm2-135m", "hello"), "not on this machine", "ominix pull smollm2-135m")

    def test_a_truncated_safetensors_file(
        self, add_models: Callable[..., None], tiny_llm: Path, tmp_path: Path
    ) -> None:
        folder = tmp_path / "cut"
        folder.mkdir()
        for file in tiny_llm.iterdir():
            content = file.read_bytes()
            (folder / file.name).write_bytes(content[:-5000] if file.suffix == ".safetensors" else content)
        add_models(local_entry("cut", folder))
        assert_one_clear_line(ominix("run", "cut", "hello"), "cut", "is cut short")

    def test_ctrl_c_ends_it_with_130_and_leaves_no_process(self, tiny: str) -> None:
        process = subprocess.Popen(
            [*COMMAND, "run", tiny, "hello", "--max-tokens", "4000", "--seed", "1"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert process.stdout is not None
        with process.stdout:
            assert process.stdout.read(1)
            workers = psutil.Process(process.pid).children(recursive=True)
            assert workers
            process.send_signal(signal.SIGINT)
            process.stdout.read()
        assert process.wait(60) == 130
        assert not any(worker.is_running() for worker in workers)

    def test_the_worker_ends_when_the_program_is_killed(self, tiny: str) -> None:
        process = subprocess.Popen(
            [*COMMAND, "run", tiny, "hello", "--max-tokens", "4000", "--seed", "1"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert process.stdout is not None
        with process.stdout:
            assert process.stdout.read(1)
            workers = psutil.Process(process.pid).children(recursive=True)
            process.kill()
        process.wait()
        _, alive = psutil.wait_procs(workers, timeout=60)
        assert not alive


def test_no_terminal() -> None:
    assert_one_clear_line(ominix(), "needs a terminal", "--help")
    assert_one_clear_line(ominix("demo"), "needs a terminal")


def test_a_home_that_cannot_be_made(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    file = home.root / "file"
    file.write_text("")
    monkeypatch.setenv("OMINIX_HOME", str(file / "home"))
    assert_one_clear_line(ominix("list"), "cannot write", "OMINIX_HOME")


def test_a_broken_setting_names_the_nearest(home: Home) -> None:
    home.config.write_text("isolatoin = 'thread'\n")
    assert_one_clear_line(ominix("list"), "isolatoin", "'isolation'", str(home.config))


def test_an_unexpected_failure_is_one_line_and_goes_to_the_log(home: Home, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import ominix_core.registry.catalogue as c\ndef load(*_): raise RuntimeError('boom')\nc.Registry.load = load\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.getcwd()])}
    result = subprocess.run(
        [*COMMAND, "list"], capture_output=True, text=True, stdin=subprocess.DEVNULL, env=environment, check=False
    )
    assert_one_clear_line(result, "boom", str(home.log_file), code=3)
    assert "Traceback" in home.log_file.read_text()


def test_wrong_usage_exits_with_2(tiny: str) -> None:
    result = ominix("run", tiny, "hello", "--temperature", "9")
    assert result.returncode == 2
    assert "--temperature" in result.stderr


def test_a_closed_pipe_is_no_error_message(tiny: str) -> None:
    command = " ".join(COMMAND) + f" run {tiny} hello --max-tokens 200 --seed 1 | head -c 1"
    result = subprocess.run(
        command, shell=True, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, timeout=60
    )
    assert "Traceback" not in result.stderr
    assert "Exception ignored" not in result.stderr
