"""Files that are replaced in one step."""

from __future__ import annotations

from pathlib import Path

import pytest

from ominix_core import atomic
from ominix_core.downloads.tickets import Tickets
from ominix_core.paths import Home
from ominix_core.server.keys import KeyStore, KeyStoreError
from ominix_core.voice_clips import VoiceError
from ominix_core.voices import VoiceBook


def test_a_file_is_replaced_and_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file"
    atomic.write(path, "first")
    path.chmod(0o640)
    atomic.write(path, b"second")
    assert path.read_bytes() == b"second"
    assert path.stat().st_mode & 0o777 == 0o640
    assert [each.name for each in path.parent.iterdir()] == ["file"]


def test_a_private_file_is_its_owner_s_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("public")
    atomic.write(path, "private", private=True)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_failure_leaves_the_old_content_and_no_draft(tmp_path: Path) -> None:
    taken = tmp_path / "here" / "taken"
    taken.mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        atomic.write(taken, "text")
    assert list(taken.parent.iterdir()) == [taken]


class TestAHomeThatCannotBeWritten:
    @pytest.fixture
    def home(self, tmp_path: Path) -> Home:
        (tmp_path / "file").write_text("")
        return Home(tmp_path / "file")

    def test_a_key_that_cannot_be_kept_is_told(self, home: Home) -> None:
        with pytest.raises(KeyStoreError, match=r"keys\.json"):
            KeyStore(home.api_keys).create("laptop")

    def test_a_voice_that_cannot_be_kept_is_told(self, home: Home) -> None:
        with pytest.raises(VoiceError, match="cannot be changed"):
            VoiceBook(home).add("me", Path("clip.wav"))

    def test_a_ticket_that_cannot_be_kept_costs_no_download(self, home: Home) -> None:
        tickets = Tickets(home.downloads)
        tickets.ask("model")
        assert tickets.all() == []
