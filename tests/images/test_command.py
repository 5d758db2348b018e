"""`ominix image` as its users see it."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from ominix_core.hub import Hub
from ominix_core.paths import Home
from ominix_core.settings import Settings
from tests.images.conftest import image_entry
from tests.images.test_engine import one, picture
from tests.support.command import COMMAND, ominix

SMALL = ("--size", "64x64", "--steps", "2", "--seed", "5")


@pytest.fixture(autouse=True)
def models(add_models: Callable[..., None], tiny_flux2: Path, tiny_z_image: Path) -> None:
    add_models(image_entry("flux", tiny_flux2, "flux2", "klein-4b"), image_entry("z", tiny_z_image, "z-image", "turbo"))


@pytest.mark.slow
def test_the_image_is_saved_and_its_path_printed(tmp_path: Path) -> None:
    first, second = tmp_path / "a.png", tmp_path / "b.png"
    result = ominix("image", "a red fox", "-o", str(first), "--model", "flux", *SMALL)
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"{first}\n"
    assert "seed 5, 2 steps" in result.stderr
    assert Image.open(io.BytesIO(first.read_bytes())).info["prompt"] == "a red fox"
    ominix("image", "a red fox", "-o", str(second), "--model", "flux", *SMALL)
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.slow
def test_images_are_combined_in_their_order(tmp_path: Path, home: Home) -> None:
    images, out = [], tmp_path / "out.png"
    for color in ("teal", "orange"):
        (tmp_path / f"{color}.png").write_bytes(picture(color=color))
        images += ["--image", str(tmp_path / f"{color}.png")]
    result = ominix("image", "a red fox", "-o", str(out), "--model", "flux", *images, *SMALL)
    assert result.returncode == 0, result.stderr
    with Hub(home, Settings(isolation="thread")) as hub:
        hub.load("flux").result()
        assert out.read_bytes() == one(hub, sources=(picture(color="teal"), picture(color="orange"))).png


def test_the_name_s_ending_decides_on_the_format(tmp_path: Path) -> None:
    out = tmp_path / "fox.JPG"
    result = ominix("image", "a red fox", "-o", str(out), "--model", "flux", "--seed", "-1", *SMALL[:4])
    assert result.returncode == 0, result.stderr
    assert Image.open(io.BytesIO(out.read_bytes())).format == "JPEG"


def test_several_images_of_a_source(tmp_path: Path) -> None:
    (tmp_path / "in.png").write_bytes(picture())
    out = tmp_path / "out.png"
    arguments = ("--model", "z", "--image", str(tmp_path / "in.png"), "--strength", "0.5", "-n", "2", *SMALL)
    result = ominix("image", "a red fox", "-o", str(out), *arguments)
    assert result.stdout == f"{out}\n{tmp_path / 'out-2.png'}\n"
    assert (tmp_path / "out-2.png").read_bytes() != out.read_bytes()


def test_a_format_that_is_not_written_is_told_before_the_work() -> None:
    result = ominix("image", "a red fox", "-o", "fox.gif", "--model", "nothing")
    assert result.returncode == 2
    assert "should end with .png, .jpg, .jpeg, .webp" in " ".join(result.stderr.replace("│", " ").split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--model", "nothing"), "no model called 'nothing'"),
        (("--model", "flux", "--image", "/nowhere.png"), "/nowhere.png: There is no such file"),
        (("--model", "flux", "--size", "65x64"), "multiple of 16"),
        (("--model", "smollm2-135m"), "makes no images"),
        (("--model", "flux", "--guidance", "7.5", *SMALL), "always works with guidance 1"),
    ],
)
def test_failures_are_one_clear_line(arguments: tuple[str, ...], words: str) -> None:
    result = ominix("image", "a red fox", *arguments)
    assert result.returncode == 1
    assert words in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr


def test_a_size_that_is_none_is_wrong_usage() -> None:
    result = ominix("image", "a red fox", "--size", "big")
    assert result.returncode == 2
    assert "WIDTHxHEIGHT" in result.stderr


@pytest.mark.parametrize(("setting", "mark"), [("half", "▀"), ("sixel", "\x1bP"), ("off", "")])
@pytest.mark.slow
def test_a_terminal_shows_the_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str, mark: str) -> None:
    monkeypatch.setenv("OMINIX_IMAGES", setting)
    ours, theirs = pty.openpty()
    command = [*COMMAND, "image", "a red fox", "--model", "flux", "-o", str(tmp_path / "a.png"), *SMALL]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE) as process:
        os.close(theirs)
        shown = b""
        while data := _read(ours):
            shown += data
    os.close(ours)
    text = shown.decode()
    assert process.returncode == 0
    assert "a.png" in text
    assert mark in text
    assert ("▀" in text) == (setting == "half")


def _read(terminal: int) -> bytes:
    """What the terminal gets; nothing once the program has ended."""
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux tells the end of a terminal so
        assert sys.platform == "linux"
        return b""
