"""Reading logs as they grow."""

from __future__ import annotations

import json
from pathlib import Path

from ominix_core.logbook import MOST_BYTES, Level, Logbook


def test_lines_of_every_log_by_their_time(tmp_path: Path) -> None:
    (tmp_path / "ominix.log").write_text(
        "2026-01-02 10:00:00,500 INFO ominix_core.hub: began\n"
        "2026-01-02 10:00:02,000 ERROR ominix_core.hub: failed\nTraceback: it\n"
    )
    book = Logbook(tmp_path)
    began, failed, trace = book.read()
    line = {"time": began.time + 1, "status": 404, "method": "GET", "path": "/x", "seconds": 0.01, "client": "::1"}
    (tmp_path / "server.jsonl").write_text(json.dumps(line) + "\n")
    (request,) = book.read()
    assert (failed.level, trace.level, request.level) == (Level.ERROR, Level.ERROR, Level.WARNING)
    assert request.text == "404 GET /x · 0.010 s · ::1"
    assert [line.text for line in Logbook(tmp_path).read()] == [began.text, request.text, failed.text, trace.text]


def test_only_whole_lines_and_only_once(tmp_path: Path) -> None:
    log = tmp_path / "worker-x.log"
    log.write_bytes(b"one\ntw")
    book = Logbook(tmp_path)
    assert [line.text for line in book.read()] == ["one"]
    assert book.read() == []
    with log.open("ab") as file:
        file.write(b"o\n 10%\r 50%\r100%\n\xff\n")
    assert [line.text for line in book.read()] == ["two", "100%", "\ufffd"]


def test_a_rotated_log_is_read_from_its_beginning(tmp_path: Path) -> None:
    log = tmp_path / "ominix.log"
    log.write_text("old line\n")
    book = Logbook(tmp_path)
    book.read()
    log.rename(tmp_path / "ominix.log.1")
    log.write_text("new\n")
    assert [line.text for line in book.read()] == ["new"]


def test_of_a_huge_log_only_the_end_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("x" * 99 + "\n" + ("y" * 99 + "\n") * (MOST_BYTES // 50))
    lines = Logbook(tmp_path).read()
    assert MOST_BYTES // 100 - 2 <= len(lines) <= MOST_BYTES // 100


def test_a_line_without_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    log, book = tmp_path / "a.log", Logbook(tmp_path)
    for _ in range(3):
        with log.open("ab") as file:
            file.write(b"z" * MOST_BYTES)
        assert book.read() == []
    with log.open("ab") as file:
        file.write(b"\n")
    (line,) = book.read()
    assert len(line.text) <= MOST_BYTES


def test_no_folder_is_no_lines(tmp_path: Path) -> None:
    assert Logbook(tmp_path / "none").read() == []
