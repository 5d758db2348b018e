"""What a hostile hub, mirror or registry can not do: learn the token, write outside the model's folder, look inside."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ominix_core.downloads.manager import DownloadManager
from ominix_core.errors import DownloadError, OminixError
from ominix_core.paths import Home
from tests.downloads.conftest import entry_for, same_files
from tests.support.fixture_hub import TOKEN, FixtureHub
from tests.support.fixture_repo import make_model


@pytest.fixture(autouse=True)
def signed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)


@pytest.fixture
def other_hub(tmp_path: Path) -> Iterator[FixtureHub]:
    """A hub of somebody else."""
    make_model(tmp_path / "other/acme/model")
    with FixtureHub(tmp_path / "other") as hub:
        yield hub


def files_outside(tmp_path: Path, home: Home) -> set[Path]:
    """Every file of this test but those of the model and of the queue."""
    allowed = (home.model("model"), home.downloads, tmp_path / "hub", tmp_path / "other")
    return {path for path in tmp_path.rglob("*") if path.is_file() and not any(map(path.is_relative_to, allowed))}


def test_the_token_goes_to_the_endpoint_only(manager: DownloadManager, fixture_hub: FixtureHub) -> None:
    manager.start(entry_for()).result(30)
    endpoint = fixture_hub.url.removeprefix("http://")
    assert {request.authorization for request in fixture_hub.requests if request.host == endpoint} == {
        f"Bearer {TOKEN}"
    }
    others = [request for request in fixture_hub.requests if request.host != endpoint]
    assert others
    assert {request.authorization for request in others} == {None}


def test_the_token_does_not_follow_redirects(
    manager: DownloadManager, fixture_hub: FixtureHub, other_hub: FixtureHub
) -> None:
    fixture_hub.fault(
        "redirect", path="/acme/*/config.json", value=f"{other_hub.url}/acme/model/resolve/main/config.json"
    )
    fixture_hub.fault(
        "redirect", path="/api/*/revision/*", value=f"{other_hub.url}/api/models/acme/model/revision/main"
    )
    manager.start(entry_for()).result(30)
    assert len(other_hub.requests) == 3, "the revision, and config.json to look at and to keep"
    assert {request.authorization for request in other_hub.requests} == {None}


def test_the_token_does_not_go_to_direct_addresses(
    manager: DownloadManager, fixture_hub: FixtureHub, other_hub: FixtureHub
) -> None:
    (other_hub.root / "_static").mkdir()
    (other_hub.root / "_static/model.safetensors").write_bytes(b"weights")
    source = {"type": "DirectUrl", "url": f"{other_hub.url}/_static/model.safetensors"}
    manager.start(entry_for(source)).result(30)
    assert other_hub.requests
    assert {request.authorization for request in other_hub.requests} == {None}


HOSTILE_NAMES = [
    "../../escape.json",
    "/tmp/escape.json",
    "a/../../escape.json",
    "..\\escape.json",
    "C:\\escape.json",
    "~/escape.json",
    "config.json\x00.json",
    "a//b.json",
    ".git/config.json",
    "x" * 600 + ".json",
    "evil.py",
    "weights.bin",
]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_names_are_never_written(
    name: str, manager: DownloadManager, fixture_hub: FixtureHub, home: Home, tmp_path: Path
) -> None:
    repo = fixture_hub.repos["acme/model"]
    before = files_outside(tmp_path, home)
    repo.tree_extra.append({"type": "file", "oid": "0" * 40, "size": 3, "path": name})
    manager.start(entry_for()).result(30)
    assert files_outside(tmp_path, home) == before
    assert not [request for request in fixture_hub.requests if "escape" in request.path or "evil" in request.path]
    assert same_files(home.model("model"), fixture_hub.root / "acme/model")


HOSTILE_ITEMS: list[Any] = [
    {"type": "file", "oid": "0" * 40, "size": -1, "path": "a.json"},
    {"type": "file", "oid": "0" * 40, "size": 1 << 60, "path": "a.json"},
    {"type": "file", "oid": "0" * 40, "size": "12", "path": "a.json"},
    {"type": "file", "oid": "../../../etc/passwd", "size": 1, "path": "a.json"},
    {"type": "file", "oid": "0" * 40, "size": 1, "path": "a.safetensors", "lfs": {"oid": "/tmp/x", "size": 1}},
    {"type": "file", "oid": "0" * 40, "size": 1, "path": "config.json/inner.json"},
    {"type": "file", "oid": "0" * 40, "size": 1, "path": ".ominix/manifest.json"},
    {"type": "file"},
    "not an object",
]


@pytest.mark.parametrize("item", HOSTILE_ITEMS, ids=json.dumps)
def test_hostile_listings_are_refused(
    item: Any, manager: DownloadManager, fixture_hub: FixtureHub, home: Home, tmp_path: Path
) -> None:
    before = files_outside(tmp_path, home)
    fixture_hub.repos["acme/model"].tree_extra.append(item)
    with pytest.raises(DownloadError):
        manager.start(entry_for()).result(30)
    assert files_outside(tmp_path, home) == before
    assert not home.model("model").exists()


def test_names_that_differ_by_case_are_one_file(manager: DownloadManager, fixture_hub: FixtureHub, home: Home) -> None:
    fixture_hub.repos["acme/model"].tree_extra.append(
        {"type": "file", "oid": "0" * 40, "size": 1, "path": "CONFIG.json"}
    )
    manager.start(entry_for()).result(30)
    assert same_files(home.model("model"), fixture_hub.root / "acme/model")


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc/passwd",
        "http://169.254.169.254/latest/meta-data",
        "https://10.0.0.1/model",
        "https://user:secret@example.com/model",
        "ftp://example.com/model",
        "http://example.com/model",
    ],
)
def test_hostile_redirects_are_refused(address: str, manager: DownloadManager, fixture_hub: FixtureHub) -> None:
    fixture_hub.fault("redirect", path="*.safetensors", value=address)
    with pytest.raises(OminixError):
        manager.start(entry_for()).result(30)


def test_a_name_that_resolves_into_this_machine_is_refused(
    manager: DownloadManager, fixture_hub: FixtureHub, other_hub: FixtureHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMINIX_TEST_ALLOW_LOOPBACK")
    with pytest.raises(OminixError, match="localhost"):
        manager.start(entry_for()).result(30)  # the CDN's redirect leads to localhost


@pytest.mark.parametrize("length", ["99999999999999", "0", "-5", "many"])
def test_a_lying_content_length_is_refused_or_outlived(
    length: str, manager: DownloadManager, fixture_hub: FixtureHub, home: Home
) -> None:
    fixture_hub.fault("lie_length", path="*.safetensors", value=length, times=2)
    manager.start(entry_for()).result(30)
    assert same_files(home.model("model"), fixture_hub.root / "acme/model")


def test_an_endless_listing_is_refused(manager: DownloadManager, fixture_hub: FixtureHub) -> None:
    link = {"Link": f'<{fixture_hub.url}/api/models/acme/model/tree/main?cursor=1>; rel="next"'}
    fixture_hub.page_headers = link
    with pytest.raises(DownloadError, match="does not end"):
        manager.start(entry_for()).result(60)


def test_a_listing_that_continues_elsewhere_is_refused(
    manager: DownloadManager, fixture_hub: FixtureHub, other_hub: FixtureHub
) -> None:
    fixture_hub.page_headers = {"Link": f'<{other_hub.url}/api/models/acme/model/tree/main>; rel="next"'}
    with pytest.raises(OminixError, match="another host"):
        manager.start(entry_for()).result(30)
    assert other_hub.requests == []


def test_a_mirror_that_passes_on_the_hub_s_own_links_is_asked_itself(
    manager: DownloadManager, fixture_hub: FixtureHub, other_hub: FixtureHub, home: Home
) -> None:
    fixture_hub.page_size, fixture_hub.hub_url = 2, other_hub.url
    manager.start(entry_for()).result(30)
    assert same_files(home.model("model"), fixture_hub.root / "acme/model")
    assert len(fixture_hub.asked("*/tree/*")) == 4
    assert other_hub.requests == []


def test_a_mirror_in_a_folder_of_its_host(
    manager: DownloadManager, fixture_hub: FixtureHub, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    fixture_hub.page_size, fixture_hub.prefix = 2, "/hf"
    monkeypatch.setenv("HF_ENDPOINT", f"{fixture_hub.url}/hf")
    manager.start(entry_for()).result(30)
    assert same_files(home.model("model"), fixture_hub.root / "acme/model")
    assert fixture_hub.asked("/api/*") == []
