"""`ominix speak` and `ominix voices`, as their users run them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ominix_core.paths import Home
from tests.conftest import speech_entry
from tests.support.command import COMMAND, ominix


@pytest.fixture
def speaker(add_models: Callable[..., None], tiny_tts: Path) -> str:
    """A speech model on this machine, by its id."""
    add_models(speech_entry("speaker", tiny_tts))
    return "speaker"


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    soundfile.write(tmp_path / "clip.wav", 0.3 * np.sin(np.arange(16_000 * 4) / 20), 16_000)
    return tmp_path / "clip.wav"


def speak(stdout: int, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, "speak", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        check=False,
        timeout=120,
    )


@pytest.mark.usefixtures("speaker")
class TestSpeak:
    def test_into_a_file_whose_name_tells_the_format(self, tmp_path: Path) -> None:
        result = ominix("speak", "Hello there, my friend.", "--voice", "Ryan", "-o", str(tmp_path / "a.flac"))
        assert (result.returncode, result.stdout) == (0, ""), result.stderr
        assert result.stderr.splitlines()[-1] == f"Saved {tmp_path / 'a.flac'}."
        with soundfile.SoundFile(tmp_path / "a.flac") as file:
            assert (file.format, file.frames > 1000) == ("FLAC", True)

    def test_into_a_redirected_file_with_a_header_that_is_right(self, tmp_path: Path) -> None:
        with (tmp_path / "a.wav").open("wb") as file:
            assert speak(file.fileno(), "Hello there, my friend.", "--model", "speaker").returncode == 0
        with soundfile.SoundFile(tmp_path / "a.wav") as audio:
            assert audio.frames == ((tmp_path / "a.wav").stat().st_size - 44) / 2 > 1000

    @pytest.mark.slow
    def test_into_a_pipe(self) -> None:
        result = speak(subprocess.PIPE, "Hello there, my friend.")
        assert result.returncode == 0
        assert result.stdout.startswith(b"RIFF")
        assert len(result.stdout) > 2000

    @pytest.mark.slow
    def test_text_without_a_word_is_a_file_of_silence(self, tmp_path: Path) -> None:
        result = ominix("speak", "…", "-o", str(tmp_path / "a.wav"))
        assert result.returncode == 0
        assert 2000 < (tmp_path / "a.wav").stat().st_size < 20_000

    @pytest.mark.slow
    def test_from_a_pipe(self, tmp_path: Path) -> None:
        result = ominix("speak", "-o", str(tmp_path / "a.wav"), stdin="Hello there, my friend.\n")
        assert result.returncode == 0
        assert (tmp_path / "a.wav").stat().st_size > 2000

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["Hello", "-o", "a.aac"], ["a.aac", ".wav, .flac"]),
            (["Hello", "-o", "/no/such/folder/a.wav"], ["/no/such/folder/a.wav", "there is no folder"]),
            (["Hello", "-o", "-", "--voice", "alloy"], ["no voice 'alloy'", "vivian, ryan"]),
            (["Hello", "--model", "nothing"], ["no model called 'nothing'"]),
        ],
    )
    @pytest.mark.slow
    def test_what_fails_is_told_in_a_sentence(self, arguments: list[str], words: list[str]) -> None:
        result = ominix("speak", *arguments)
        assert (result.returncode, result.stdout) == (1, "")
        last = result.stderr.strip().splitlines()[-1]
        assert last.startswith("ominix: ")
        assert all(word in last for word in words), last


def test_without_a_speech_model() -> None:
    result = ominix("speak", "Hello", "-o", "-")
    assert result.returncode == 1
    assert "No speech model is on this machine. Get one" in result.stderr


def test_the_life_of_a_voice(home: Home, clip: Path) -> None:
    added = ominix("voices", "add", "Anna", str(clip), "--text", "Hello, I am Anna.")
    assert added.returncode == 0, added.stderr
    assert "--voice 'Anna'" in added.stderr
    assert "Anna" in ominix("voices", "list").stdout
    assert subprocess.run([*COMMAND, "voices", "preview", "anna"], capture_output=True).stdout.startswith(b"RIFF")
    assert ominix("voices", "rename", "ANNA", "Ann").returncode == 0
    assert ominix("voices", "remove", "ann").returncode == 0
    gone = ominix("voices", "remove", "ann")
    assert gone.returncode == 1
    assert gone.stderr == "ominix: There is no voice 'ann'. You have none yet: ominix voices add NAME CLIP\n"


def test_a_clip_that_is_no_good_is_told(tmp_path: Path) -> None:
    result = ominix("voices", "add", "Anna", str(tmp_path / "missing.wav"))
    assert result.returncode == 1
    assert "missing.wav cannot be read as audio" in result.stderr
