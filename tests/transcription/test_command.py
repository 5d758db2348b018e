"""`ominix transcribe` as its users see it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import local_entry
from tests.support.command import COMMAND, ominix
from tests.support.sounds import silence, tone, write_audio
from tests.transcription.conftest import SPEECH

TEXT = "hello big world"


@pytest.fixture(autouse=True)
def model(add_models: Callable[..., None], tiny_whisper: Path) -> None:
    add_models(local_entry("tiny-whisper", tiny_whisper, **SPEECH))


def test_text_goes_to_standard_output(clip: Path) -> None:
    result = ominix("transcribe", str(clip))
    assert (result.returncode, result.stdout) == (0, f"{TEXT}\n")


def test_subtitles(clip: Path) -> None:
    result = ominix(
        "transcribe", str(clip), "--format", "srt", "--language", "en", "--model", "tiny-whisper", "--prompt", "big"
    )
    assert result.stdout == f"1\n00:00:00,000 --> 00:00:01,000\n{TEXT}\n"


def test_several_files(clip: Path, tmp_path: Path) -> None:
    quiet = write_audio(tmp_path / "quiet.wav", silence(2))
    result = ominix("transcribe", str(clip), str(quiet), "--format", "json")
    first, second = map(json.loads, result.stdout.splitlines())
    assert (first["file"], first["text"], first["language"]) == (str(clip), TEXT, "english")
    assert (second["file"], second["text"], second["duration"]) == (str(quiet), "", 2.0)


def test_a_file_for_each(clip: Path, tmp_path: Path) -> None:
    other = write_audio(tmp_path / "other.flac", tone(1.5))
    result = ominix("transcribe", str(clip), str(other), "--format", "vtt", "-o", str(tmp_path / "subtitles"))
    assert (result.returncode, result.stdout) == (0, "")
    for name in ("clip.vtt", "other.vtt"):
        assert (tmp_path / "subtitles" / name).read_text().startswith("WEBVTT\n\n00:00:00.000")


@pytest.mark.slow
def test_standard_input(clip: Path) -> None:
    result = subprocess.run([*COMMAND, "transcribe", "-"], input=clip.read_bytes(), capture_output=True, check=True)
    assert result.stdout.decode() == f"{TEXT}\n"


def test_one_bad_file_does_not_cost_the_others(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.wav").write_text("Dear reader, " * 50)
    result = ominix("transcribe", str(tmp_path / "letter.wav"), str(clip))
    assert result.returncode == 1
    assert result.stdout.endswith(f"==> {clip} <==\n{TEXT}\n")
    assert "letter.wav is not an audio file" in result.stderr
    assert result.stderr.endswith("ominix: 1 of 2 files could not be transcribed.\n")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["none.wav"], 1, "There is no file none.wav"),
        (["a", "b", "--format", "srt"], 2, "-o FOLDER"),
        (["pyproject.toml", "./pyproject.toml", "-o", "texts"], 1, "would have the same name"),
        (["a", "--format", "docx"], 2, "none of text, srt, vtt, json"),
        (["pyproject.toml", "--model", "smollm2-135m"], 1, "does not transcribe"),
        (["pyproject.toml", "--language", "klingon"], 1, "does not know the language 'klingon'"),
    ],
)
def test_what_cannot_be(arguments: list[str], code: int, words: str) -> None:
    result = ominix("transcribe", *arguments)
    assert result.returncode == code
    assert "Traceback" not in result.stderr
    assert words in " ".join(result.stderr.split())


def test_without_a_model(add_models: Callable[..., None], clip: Path) -> None:
    add_models()
    result = ominix("transcribe", str(clip))
    assert result.returncode == 1
    assert "No transcription model is on this machine. Get one first: ominix pull " in result.stderr
