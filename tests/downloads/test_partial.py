"""A partial file and its journal: what they still know after a crash, a power cut, or damage."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ominix_core.downloads import partial
from ominix_core.downloads.partial import PartialFile, arrived_bytes

SIZE, SEGMENT = 1000, 256
CONTENT = bytes(range(250)) * 4


def opened(folder: Path, identity: str = "one") -> PartialFile:
    return PartialFile(folder / "file", SIZE, identity, SEGMENT)


def test_goes_on_where_it_stopped(tmp_path: Path) -> None:
    part = opened(tmp_path)
    part.write(0, CONTENT[:100])
    part.write(512, CONTENT[512:700])
    part.close()
    again = opened(tmp_path)
    assert [again.position(segment) for segment in range(4)] == [100, 256, 700, 768]
    assert again.done_bytes == arrived_bytes(again.journal_path) == 288
    again.write(100, CONTENT[100:])
    assert again.first_missing is None
    again.install(tmp_path / "sub" / "finished")
    again.close()
    assert (tmp_path / "sub" / "finished").read_bytes() == CONTENT
    assert sorted(os.listdir(tmp_path)) == ["home", "sub"]


def test_bytes_that_are_there_are_not_written_again(tmp_path: Path) -> None:
    part = opened(tmp_path)
    part.write(0, CONTENT[:300])
    part.write(0, b"x" * 200 + CONTENT[200:])
    assert part.data_path.read_bytes() == CONTENT
    part.close()


def test_bytes_beyond_a_gap_are_not_counted(tmp_path: Path) -> None:
    part = opened(tmp_path)
    part.write(10, CONTENT[10:50])
    assert part.done_bytes == 0
    part.close()


def test_other_content_starts_from_zero(tmp_path: Path) -> None:
    part = opened(tmp_path)
    part.write(0, CONTENT)
    part.close()
    other = opened(tmp_path, "two")
    assert other.done_bytes == 0
    other.close()


def test_after_a_power_cut_only_synced_bytes_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = opened(tmp_path)
    part.write(0, CONTENT[:200])
    part.sync()
    part.write(200, CONTENT[200:600])
    part.close()
    monkeypatch.setattr(partial, "boot_session", lambda: b"restart!")
    assert arrived_bytes(tmp_path / "file.journal") == 200
    again = opened(tmp_path)
    assert again.done_bytes == 200
    again.close()


def test_a_damaged_journal_starts_from_zero(tmp_path: Path) -> None:
    part = opened(tmp_path)
    part.write(0, CONTENT)
    journal = part.journal_path
    part.close()
    content = bytearray(journal.read_bytes())
    content[64:72] = b"\xff" * 8
    journal.write_bytes(content)
    again = opened(tmp_path)
    assert again.done_bytes == 0
    again.close()
    journal.write_bytes(b"short")
    assert arrived_bytes(journal) == 0
    once_more = opened(tmp_path)
    assert once_more.done_bytes == 0
    once_more.close()


def test_data_that_vanished_starts_from_zero(tmp_path: Path) -> None:
    part = opened(tmp_path)
    part.write(0, CONTENT)
    part.close()
    (tmp_path / "file.part").unlink()
    again = opened(tmp_path)
    assert again.done_bytes == 0
    again.close()


def test_an_empty_file_is_complete(tmp_path: Path) -> None:
    part = PartialFile(tmp_path / "empty", 0, "one", SEGMENT)
    assert part.first_missing is None
    part.install(tmp_path / "done")
    part.close()
    assert (tmp_path / "done").read_bytes() == b""


@given(pieces=st.permutations(range(4)), cuts=st.lists(st.integers(0, SIZE), max_size=6))
def test_any_order_of_segments_gives_the_same_file(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[int], cuts: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("part")
    part = opened(folder)
    for segment in pieces:
        while not part.is_full(segment):
            start, end = part.position(segment), part.end_of(segment)
            stop = min([cut for cut in cuts if start < cut < end], default=end)
            part.write(start, CONTENT[start:stop])
    assert part.data_path.read_bytes() == CONTENT
    part.close()
