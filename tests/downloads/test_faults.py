"""Every fault of a network or a server ends in the right bytes, or in a refusal that says what to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ominix_core.board import StateBoard
from ominix_core.downloads.manager import DownloadManager
from ominix_core.errors import DownloadError, OminixError
from ominix_core.paths import Home
from ominix_core.states import Downloading, Error
from tests.downloads.conftest import OPTIONS, SEGMENT_BYTES, SHARD_BYTES, Watch, entry_for, leftovers, same_files
from tests.support.fixture_hub import FixtureHub

WEIGHTS = "*.safetensors"
FIRST_SHARD = "*00001-of-*.safetensors"

MENDED: dict[str, list[dict[str, Any]]] = {
    "the connection closes in the middle": [{"kind": "drop", "path": WEIGHTS, "after": 100_000, "times": 4}],
    "the connection is reset": [{"kind": "reset", "path": WEIGHTS, "after": 100_000, "times": 4}],
    "it closes again and again": [{"kind": "drop", "path": FIRST_SHARD, "after": 50_000, "times": 12}],
    "it stalls": [{"kind": "stall", "path": WEIGHTS, "after": 70_000, "times": 2}],
    "500 twice": [{"kind": "status", "path": WEIGHTS, "code": 500, "times": 2}],
    "503 twice": [{"kind": "status", "path": WEIGHTS, "code": 503, "times": 2}],
    "408 once": [{"kind": "status", "path": WEIGHTS, "code": 408, "times": 1}],
    "429 without a time": [
        {"kind": "status", "path": WEIGHTS, "code": 429, "headers": {"Retry-After": "0"}, "times": 2}
    ],
    "the listing answers 503 three times": [{"kind": "status", "path": "/api/*", "code": 503, "times": 3}],
    "the listing answers 429": [
        {"kind": "status", "path": "/api/*", "code": 429, "headers": {"Retry-After": "0"}, "times": 3}
    ],
    "ranges are ignored": [{"kind": "no_range", "path": "*"}],
    "ranges are ignored and the connection drops": [
        {"kind": "no_range", "path": "*"},
        {"kind": "drop", "path": WEIGHTS, "after": 600_000, "times": 2},
    ],
    "one byte is flipped, once": [{"kind": "corrupt", "path": FIRST_SHARD, "at": 300_000, "times": 1}],
    "an answer is one byte short, twice": [{"kind": "short", "path": WEIGHTS, "times": 2}],
    "an answer is of another range, once": [
        {"kind": "lie_range", "path": FIRST_SHARD, "value": f"bytes 5-9/{SHARD_BYTES}", "times": 1}
    ],
    "an answer claims to be compressed, once": [{"kind": "compress", "path": WEIGHTS, "times": 1}],
    "the CDN refuses a signed address, once": [{"kind": "status", "path": "/_cdn/*", "code": 403, "times": 1}],
    "the ETag is hostile": [{"kind": "etag", "path": "*", "value": '"../../../../tmp/x"'}],
}

REFUSED: dict[str, tuple[list[dict[str, Any]], str]] = {
    "a byte is flipped every time": ([{"kind": "corrupt", "path": FIRST_SHARD, "at": 300_000}], "checksum"),
    "the server never recovers": ([{"kind": "status", "path": WEIGHTS, "code": 500}], "gave up after"),
    "every answer is short": ([{"kind": "short", "path": WEIGHTS}], "less than it was asked for"),
    "every range is wrong": (
        [{"kind": "lie_range", "path": WEIGHTS, "value": f"bytes 7-9/{SHARD_BYTES}"}],
        "another range",
    ),
    "the file has another size": (
        [{"kind": "lie_range", "path": FIRST_SHARD, "value": f"bytes 0-{SEGMENT_BYTES - 1}/99999999999"}],
        "99999999999",
    ),
    "everything is compressed": ([{"kind": "compress", "path": WEIGHTS}], "compressed"),
    "the listing is not JSON": ([{"kind": "body", "path": "*/tree/*", "value": "<html>"}], "not valid JSON"),
    "the listing is not a list": ([{"kind": "body", "path": "*/tree/*", "value": "{}"}], "not a list"),
    "the commit is no commit": (
        [{"kind": "body", "path": "*/revision/*", "value": '{"sha": "../.."}'}],
        "which commit",
    ),
    "the file is gone": ([{"kind": "status", "path": FIRST_SHARD, "code": 404}], "does not exist or is private"),
    "redirects never end": ([{"kind": "redirect", "path": "/acme/*", "value": "/acme/again"}], "redirects more than"),
}


@pytest.mark.parametrize("faults", MENDED.values(), ids=MENDED)
def test_fault_is_mended(
    faults: list[dict[str, Any]], manager: DownloadManager, fixture_hub: FixtureHub, home: Home
) -> None:
    for fault in faults:
        fixture_hub.fault(**fault)
    manager.start(entry_for()).result(30)
    assert same_files(home.model("model"), fixture_hub.root / "acme/model")
    assert leftovers(home.model("model")) == []


@pytest.mark.parametrize(("faults", "words"), REFUSED.values(), ids=REFUSED)
def test_fault_is_refused_and_the_next_try_succeeds(
    faults: list[dict[str, Any]],
    words: str,
    manager: DownloadManager,
    board: StateBoard,
    fixture_hub: FixtureHub,
    home: Home,
) -> None:
    for fault in faults:
        fixture_hub.fault(**fault)
    with pytest.raises(OminixError, match=words) as refusal:
        manager.start(entry_for()).result(30)
    assert board.get("model") == Error(str(refusal.value))
    assert not (home.model("model") / "model-00001-of-00002.safetensors").exists()
    fixture_hub.mend()
    manager.start(entry_for()).result(30)
    assert same_files(home.model("model"), fixture_hub.root / "acme/model")


def test_a_drop_loses_no_byte(manager: DownloadManager, fixture_hub: FixtureHub) -> None:
    fixture_hub.fault("drop", path=WEIGHTS, after=100_000, times=6)
    manager.start(entry_for()).result(30)
    repo = fixture_hub.repos["acme/model"]
    # Read once to choose and check the files, once to keep.
    twice = sum(repo.files[name].size for name in ("model.safetensors.index.json", "config.json"))
    wanted = repo.total_bytes - repo.files["README.md"].size + twice
    assert fixture_hub.body_bytes == wanted


def test_ranges_ignored_costs_one_pass(manager: DownloadManager, fixture_hub: FixtureHub) -> None:
    fixture_hub.fault("no_range")
    manager.start(entry_for()).result(30)
    # one thread takes the file, the others that were already asking for a segment hang up, and nobody asks again
    for shard in ("00001", "00002"):
        assert len(fixture_hub.asked(f"/_cdn/*-{shard}-of-*")) <= OPTIONS.connections


def test_a_rate_limit_is_waited_out_aloud(manager: DownloadManager, board: StateBoard, fixture_hub: FixtureHub) -> None:
    watch = Watch(board)
    fixture_hub.fault("status", path="/api/*", code=429, headers={"RateLimit": '"api";r=0;t=1'}, times=1)
    manager.start(entry_for()).result(30)
    assert any(isinstance(state, Downloading) and state.note == "rate limited, 1 s" for state in watch.states)


def test_a_transfer_says_why_it_waits(
    new_manager: Callable[..., DownloadManager], board: StateBoard, fixture_hub: FixtureHub
) -> None:
    manager = new_manager(board, options=replace(OPTIONS, retry=replace(OPTIONS.retry, patience=60.0)))
    watch = Watch(board)
    fault = fixture_hub.fault("status", path=WEIGHTS, code=429, headers={"Retry-After": "3"})
    download = manager.start(entry_for())
    watch.until(lambda state: isinstance(state, Downloading) and state.note.startswith("rate limited, "))
    fault.times = 0
    download.result(30)


def test_nothing_listens(manager: DownloadManager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(DownloadError, match=r"no connection to 127\.0\.0\.1.*kept"):
        manager.start(entry_for()).result(30)
