"""A newer registry arrives only whole, checked and newer; anything else leaves the last good one and says why."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ominix_core import paths
from ominix_core.errors import RegistryError
from ominix_core.events import HubEvent, RegistryChanged
from ominix_core.hub import Hub
from ominix_core.paths import Home
from ominix_core.registry import update as update_module
from ominix_core.registry.catalogue import Registry
from ominix_core.registry.signing import generate_key, sign
from ominix_core.registry.update import Update, update
from ominix_core.settings import Settings
from ominix_core.states import NotDownloaded, Unsupported
from tests.registry.web import Answer, Request, Site

PATH = "/models_registry.json"
NEW = {"id": "brand-new", "name": "Brand New", "category": "LLM", "source": {"repo": "owner/new"}}


def edition(*entries: Any, **fields: Any) -> bytes:
    return json.dumps({"version": "1.0.0", "models": entries or [NEW], **fields}).encode()


@pytest.fixture
def url(site: Site) -> str:
    return site.url + PATH


@pytest.fixture
def publish(site: Site) -> Callable[..., None]:
    """Put an edition on the server, with an ETag that it honours and, given a key, a signature."""

    def put(data: bytes, key: Path | None = None, etag: str = '"1"') -> None:
        def answer(request: Request) -> Answer:
            if request.headers.get("if-none-match") == etag:
                return Answer(status=304)
            return Answer(data, headers={"ETag": etag})

        site.routes[PATH] = answer
        site.routes.pop(f"{PATH}.sig", None)
        if key is not None:
            site.routes[f"{PATH}.sig"] = Answer(sign(data, key))

    return put


@pytest.fixture
def key(tmp_path: Path) -> Path:
    private = tmp_path / "keys" / "publisher.key"
    private.parent.mkdir()
    generate_key(private)
    return private


def public(key: Path) -> str:
    return key.with_suffix(".pub").read_text()


def test_new_models_arrive_and_the_user_s_file_stays(
    home: Home, url: str, publish: Callable[..., None], write_override: Callable[..., Path]
) -> None:
    mine = write_override({"id": "brand-new", "name": "Mine"})
    before = mine.read_bytes()
    publish(edition(serial=7))
    assert update(home, url) == Update(changed=True, signed=False, serial=7)
    registry = Registry.load(home)
    assert registry.resolve("brand-new").name == "Mine"
    assert registry.resolve("brand-new").repo == "owner/new"
    assert mine.read_bytes() == before


def test_what_has_not_changed_is_not_sent_again(home: Home, url: str, publish: Callable[..., None], site: Site) -> None:
    publish(edition(serial=7))
    update(home, url)
    assert update(home, url) == Update(changed=False, signed=False, serial=7)
    assert site.requests[-1].headers["if-none-match"] == '"1"'


def test_a_lost_or_altered_file_is_fetched_again(home: Home, url: str, publish: Callable[..., None]) -> None:
    publish(edition())
    update(home, url)
    stored = home.registry / "fetched.json"
    stored.write_text("{")
    assert Registry.load(home).problems
    assert update(home, url).changed
    stored.unlink()
    assert update(home, url).changed
    assert Registry.load(home).get("brand-new")


def test_the_same_bytes_under_a_new_tag_are_no_change(home: Home, url: str, publish: Callable[..., None]) -> None:
    publish(edition(), etag='"1"')
    update(home, url)
    publish(edition(), etag='"2"')
    assert not update(home, url).changed


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer(b"<html>captive portal</html>"), "not valid JSON"),
        (Answer(b'{"models": 3}'), "no list 'models'"),
        (Answer(edition({"id": "BAD"})), "No entry of the fetched registry can be used"),
        (Answer(edition(version="2.0.0")), "too new"),
        (Answer(edition(min_app_version="99.0")), "needs Ominix 99.0"),
        (Answer(b"x" * (8 * 2**20 + 10)), "larger than"),
        (Answer(edition(), headers={"Content-Encoding": "gzip"}), "compressed"),
        (Answer(status=500), "answered 500"),
        (Answer(status=404), "answered 404"),
        (Answer(status=302, headers={"Location": "http://169.254.169.254/x"}), "inside this machine"),
        (Answer(status=302, headers={"Location": "http://example.com/x"}), "not encrypted"),
        (Answer(edition()[:40], headers={"Content-Length": "500"}), "cannot be reached"),
        (Answer(status=304), "answered 304"),
    ],
)
def test_a_bad_answer_leaves_the_last_good_one_and_says_why(
    home: Home, url: str, site: Site, publish: Callable[..., None], answer: Answer, why: str
) -> None:
    publish(edition(serial=3))
    update(home, url)
    good = (home.registry / "fetched.json").read_bytes()
    (home.registry / "fetched.receipt.json").unlink()
    site.routes[PATH] = answer
    with pytest.raises(RegistryError, match=why):
        update(home, url)
    assert (home.registry / "fetched.json").read_bytes() == good
    assert Registry.load(home).get("brand-new")


def test_an_older_edition_is_refused(home: Home, url: str, publish: Callable[..., None]) -> None:
    publish(edition(serial=5))
    update(home, url)
    publish(edition(serial=4), etag='"older"')
    with pytest.raises(RegistryError, match=r"serial 4.*\(5\)"):
        update(home, url)
    publish(edition(), etag='"without"')
    with pytest.raises(RegistryError, match="serial 0"):
        update(home, url)


def test_an_expired_edition_is_used_with_a_warning(home: Home, url: str, publish: Callable[..., None]) -> None:
    publish(edition(expires="2020-01-31"))
    outcome = update(home, url)
    assert outcome.changed
    assert "expired on 2020-01-31" in outcome.warnings[0]


def test_faulty_entries_are_warnings(home: Home, url: str, publish: Callable[..., None]) -> None:
    publish(edition(NEW, {"id": "BAD"}))
    assert any("models.1.id" in warning for warning in update(home, url).warnings)


def test_a_server_that_hangs_is_given_up(home: Home, url: str, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(update_module, "TIMEOUT_SECONDS", 0.2)
    let_go = threading.Event()

    def hang(_: Request) -> Answer:
        let_go.wait(60)
        return Answer(edition())

    site.routes[PATH] = hang
    with pytest.raises(RegistryError, match="cannot be reached"):
        update(home, url)
    let_go.set()


def test_no_server_at_all(home: Home, site: Site) -> None:
    with pytest.raises(RegistryError, match="cannot be reached"):
        update(home, "http://127.0.0.1:9/models_registry.json")


@pytest.mark.parametrize(
    "url", ["", "off", "http://example.com/x", "https://10.0.0.1/x", "file:///etc/passwd", "https://u:p@x.y/"]
)
def test_addresses_that_updates_do_not_use(home: Home, url: str) -> None:
    with pytest.raises(RegistryError):
        update(home, url)


# -- signatures


def test_a_known_key_demands_a_signature(home: Home, url: str, publish: Callable[..., None], key: Path) -> None:
    publish(edition())
    with pytest.raises(RegistryError, match=r"\.sig: the server answered 404"):
        update(home, url, public(key))
    assert not (home.registry / "fetched.json").exists()


def test_a_signed_edition_may_change_a_bundled_source(
    home: Home, url: str, publish: Callable[..., None], key: Path
) -> None:
    change = {"id": "qwen3-8b", "source": {"type": "HuggingFace", "repo": "owner/moved"}}
    publish(edition(change), key)
    assert update(home, url, public(key)).signed
    assert Registry.load(home, public(key)).resolve("qwen3-8b").repo == "owner/moved"


def test_without_the_key_the_same_file_may_not(home: Home, url: str, publish: Callable[..., None], key: Path) -> None:
    change = {"id": "qwen3-8b", "source": {"type": "HuggingFace", "repo": "owner/moved"}}
    publish(edition(change), key)
    update(home, url, public(key))
    assert Registry.load(home).resolve("qwen3-8b").repo == "mlx-community/Qwen3-8B-8bit"


def test_one_changed_byte_breaks_the_signature(
    home: Home, url: str, site: Site, publish: Callable[..., None], key: Path
) -> None:
    publish(edition(), key)
    site.routes[PATH] = Answer(edition().replace(b"owner/new", b"owner/evi"))
    with pytest.raises(RegistryError, match="the file was changed"):
        update(home, url, public(key))


def test_another_publisher_s_signature_is_refused(
    home: Home, url: str, publish: Callable[..., None], key: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.key"
    generate_key(other)
    publish(edition(), other)
    with pytest.raises(RegistryError, match="unknown key"):
        update(home, url, public(key))


@pytest.mark.parametrize("signature", [b"", b"\xff\xfe", b"ed25519 0 AA==", b"rsa " + b"0" * 16 + b" AAAA", b"a b c"])
def test_garbage_is_no_signature(
    home: Home, url: str, site: Site, publish: Callable[..., None], key: Path, signature: bytes
) -> None:
    publish(edition())
    site.routes[f"{PATH}.sig"] = Answer(signature)
    with pytest.raises(RegistryError, match="signature"):
        update(home, url, public(key))


def test_an_unsigned_file_from_before_is_not_used_once_a_key_is_known(
    home: Home, url: str, publish: Callable[..., None], key: Path
) -> None:
    publish(edition())
    update(home, url)
    registry = Registry.load(home, public(key))
    assert registry.get("brand-new") is None
    assert "no valid signature" in str(registry.problems[0])
    publish(edition(), key)
    assert update(home, url, public(key)).changed
    assert Registry.load(home, public(key)).get("brand-new")


def test_a_file_altered_on_disk_loses_its_signature(
    home: Home, url: str, publish: Callable[..., None], key: Path
) -> None:
    publish(edition(), key)
    update(home, url, public(key))
    (home.registry / "fetched.json").write_bytes(edition({**NEW, "name": "Altered"}))
    assert Registry.load(home, public(key)).get("brand-new") is None


def test_keys_that_ship_with_ominix_count(
    home: Home, url: str, publish: Callable[..., None], key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue = tmp_path / "wheel" / "models_registry.json"
    (catalogue.parent / "keys").mkdir(parents=True)
    catalogue.write_bytes(paths.bundled_registry().read_bytes())
    (catalogue.parent / "keys" / "publisher.pub").write_text(public(key))
    monkeypatch.setattr("ominix_core.registry.fetched.bundled_registry", lambda: catalogue)
    publish(edition())
    with pytest.raises(RegistryError):
        update(home, url)
    publish(edition(), key)
    assert update(home, url).signed


def test_a_private_key_stays_private(tmp_path: Path) -> None:
    private = tmp_path / "publisher.key"
    generate_key(private)
    assert private.stat().st_mode & 0o777 == 0o600
    with pytest.raises(RegistryError, match="exists already"):
        generate_key(private)
    (tmp_path / "repo" / ".git").mkdir(parents=True)
    with pytest.raises(RegistryError, match="Git repository"):
        generate_key(tmp_path / "repo" / "publisher.key")
    assert not (tmp_path / "repo" / "publisher.key").exists()


# -- in a running program


def test_new_models_appear_in_a_running_hub(home: Home, url: str, publish: Callable[..., None]) -> None:
    publish(edition(NEW, {"id": "gguf", "source": "owner/model-GGUF"}, {"id": "flux-klein", "hidden": True}))
    events: list[HubEvent] = []
    with Hub(home, Settings(isolation="thread", registry_url=url)) as hub:
        assert hub.registry.get("brand-new") is None
        hub.subscribe(events.append)
        assert hub.update_registry().result(60).changed
        assert hub.state("brand-new") == NotDownloaded()
        assert isinstance(hub.state("gguf"), Unsupported)
        assert hub.registry.get("flux-klein") is None
    assert RegistryChanged(("brand-new", "gguf"), (), ("flux-klein",)) in events
    with Hub(home, Settings(isolation="thread", registry_url=url)) as later:
        assert later.resolve("brand-new").name == "Brand New"


def test_what_another_ominix_fetched_appears_too(home: Home, url: str, publish: Callable[..., None]) -> None:
    publish(edition())
    with Hub(home, Settings(isolation="thread", registry_url=url)) as hub:
        update(home, url)
        assert not hub.update_registry().result(60).changed
        assert hub.registry.get("brand-new")


def test_errors_hold_nothing_that_drives_a_terminal(
    home: Home, url: str, site: Site, publish: Callable[..., None], key: Path
) -> None:
    publish(edition())
    site.routes[f"{PATH}.sig"] = Answer(b"ed25519 \x1b[31mred " + b"A" * 86 + b"==")
    with pytest.raises(RegistryError) as caught:
        update(home, url, public(key))
    assert "\x1b" not in str(caught.value)


def test_a_failed_update_tells_the_hub_s_caller_why(home: Home, url: str, site: Site) -> None:
    site.routes[PATH] = Answer(b"{")
    with Hub(home, Settings(isolation="thread", registry_url=url)) as hub:
        before = hub.registry
        error = hub.update_registry().exception(10)
        assert isinstance(error, RegistryError)
        assert hub.registry is before


def test_two_updates_at_once_end_well(home: Home, url: str, publish: Callable[..., None]) -> None:
    publish(edition())
    with Hub(home, Settings(isolation="thread", registry_url=url)) as hub:
        outcomes = [hub.update_registry() for _ in range(3)]
        changed = [outcome.result(60).changed for outcome in outcomes]
    assert sorted(changed) == [False, False, True]
