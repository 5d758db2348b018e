"""A speech on its way from the model to a file."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from ominix_core.errors import OminixError
from ominix_core.generation import Finished
from ominix_core.media import AudioChunk
from ominix_core.stream import Generation
from ominix_tui.speech_take import SpeechTake


@pytest.fixture
def take() -> SpeechTake:
    generation = Generation("speech", lambda _: None)
    generation.put(AudioChunk(struct.pack("<100f", *[0.5] * 100), 24_000))
    generation.put(Finished("stop"))
    take = SpeechTake(generation)
    take.receive()
    return take


def test_it_is_saved_under_a_name_of_its_time(take: SpeechTake, tmp_path: Path) -> None:
    path = take.save(tmp_path / "outputs")
    assert path.name.startswith("speech-2")
    assert path.read_bytes().startswith(b"RIFF")


def test_a_folder_that_cannot_be_written_is_told(take: SpeechTake, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OminixError, match=r"file/speech-.*\.wav cannot be written"):
        take.save(tmp_path / "file")
