"""A registry may come from a stranger: whatever it says, the program stays up, stays home and says what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ominix_core.errors import RegistryError
from ominix_core.paths import Home
from ominix_core.registry import document
from ominix_core.registry.catalogue import Registry
from ominix_core.registry.document import parse_document
from ominix_core.registry.entry import DirectUrlSource, HuggingFaceSource
from ominix_core.registry.entry_json import all_fields
from ominix_core.registry.layers import Layer, merge, restrain
from ominix_core.registry.rules import check_file, check_id, clean_text, select_files
from tests.registry.conftest import BUNDLED

FILE = Path("stranger.json")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(
    [
        *("id", "name", "category", "source", "extra_sources", "storage", "runtime", "defaults", "ui", "tags"),
        *("size_bytes", "size_gb", "hidden", "license", "verified", "subfolder", "repo", "url", "type", "kind"),
        *("files", "memory_gb", "memory_required_mb", "api_type", "panel_type", "engine", "color", "platforms"),
    ]
)
ENTRIES = st.recursive(JSON, lambda inner: st.dictionaries(NAMES, inner, max_size=8), max_leaves=12)
TERMINAL = frozenset({*range(0x20), 0x7F, *range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)})


def read(entries: list[Any]) -> Any:
    """What a stranger's fetched registry makes of the bundled one."""
    base = parse_document(json.dumps(BUNDLED).encode(), Path("bundled.json"))
    stranger = parse_document(json.dumps({"models": entries}).encode(), FILE)
    return merge([Layer("bundled", base), restrain(Layer("fetched", stranger), base)])


def entry(**fields: Any) -> dict[str, Any]:
    return {"id": "m", "category": "LLM", "source": {"repo": "owner/m"}, **fields}


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ENTRIES | st.fixed_dictionaries({"id": st.just("m") | st.just("qwen3-8b")}, optional={}), max_size=4))
def test_any_json_at_all_leaves_the_bundled_models_as_they_come_from(entries: list[Any]) -> None:
    merged = read(entries)
    sources = {e.id: e.repo for e in merged.entries}
    for model in BUNDLED["models"]:
        if model["id"] not in merged.hidden:
            assert sources[model["id"]] == model["source"]["repo"]


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(NAMES, JSON, max_size=10))
@example({"memory_required_mb": 10**400})
@example({"memory_gb": 10**400})
@example({"size_gb": 10**400})
@example({"runtime": {"memory_gb": "NaN"}, "source": {"owner/m": {}}})
@example({"category": ["LLM"], "ui": {"panel_type": {}}})
@example({"extra_sources": [[], {"source": 3}, {"source": {"url": "x"}, "storage": 1}]})
def test_one_entry_of_any_shape_is_read_or_reported(fields: dict[str, Any]) -> None:
    merged = read([{**fields, "id": "m"}])
    assert any(e.id == "m" for e in merged.entries) or merged.problems or "m" in merged.hidden


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
@example(b"\xff\xfe")
@example(b"[" * 100_000)
@example(b'{"a":' * 100_000)
@example(b'{"models": [{"id": "m", "x": ' + b"[" * 10_000 + b"]" * 10_000 + b"}]}")
@example(b'{"models": [], "serial": -1}')
@example(b'{"models": [], "serial": 1e999}')
@example(b'{"models": [], "expires": "soon"}')
@example(b'{"models": [], "version": "' + b"9" * 5000 + b'"}')
@example(b'{"models": ' + b"1" * 5000 + b"}")
def test_any_bytes_are_read_or_refused_by_name(data: bytes) -> None:
    fault = ""
    try:
        parse_document(data, FILE)
    except RegistryError as error:
        fault = str(error)
    assert not fault or fault.startswith("stranger.json")


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_truncated_registry_is_refused_by_name(data: st.DataObject) -> None:
    whole = json.dumps(BUNDLED).encode()
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(RegistryError, match=r"stranger\.json"):
        parse_document(whole[:cut], FILE)


def test_a_huge_file_is_refused_without_being_read_whole(home: Home) -> None:
    with home.registry_override.open("wb") as stream:
        stream.truncate(50 * 2**20)
    registry = Registry.load(home)
    assert "larger than 8 MB" in str(registry.problems[0])
    assert registry.entries == Registry.bundled().entries


def test_too_many_entries_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "MAX_ENTRIES", 3)
    with pytest.raises(RegistryError, match="4 models; the most is 3"):
        parse_document(json.dumps({"models": [{"id": f"m{n}"} for n in range(4)]}).encode(), FILE)


def test_deep_nesting_costs_one_entry() -> None:
    deep: Any = "x"
    for _ in range(60):
        deep = [deep]
    merged = read([entry(id="deep", notes=deep), entry(id="good")])
    assert [e.id for e in merged.entries][2:] == ["good"]
    assert "nested more than 32" in merged.problems[0].reason


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1", "0.0000", "1e12"])
def test_numbers_that_are_none_cost_one_entry(number: str) -> None:
    text = '{"models": [{"id": "m", "memory_gb": NUMBER}, {"id": "good", "source": "a/b"}]}'.replace("NUMBER", number)
    merged = merge([Layer("user", parse_document(text.encode(), FILE))])
    ids = {e.id for e in merged.entries}
    assert "good" in ids
    assert number == "0.0000" or [problem.where for problem in merged.problems] == ["models.0.runtime.memory_gb"]


# -- rule 1: where files go


@given(st.text(max_size=80) | st.from_regex(r"[a-z0-9._/\\~-]{1,70}", fullmatch=True))
@example("..")
@example("a/b")
@example("a\n")
@example("ａ")
def test_an_id_is_one_folder_below_models(model_id: str) -> None:
    try:
        check_id(model_id)
    except ValueError:
        return
    home = Home(Path("/home/x/.ominix"))
    folder = home.model(model_id)
    assert folder.resolve().parent == home.models
    assert model_id == model_id.lower()


def test_paths_in_an_entry_are_ignored() -> None:
    hostile = entry(storage={"local_path": "../../.ssh"}, load_endpoint="http://x", endpoint="http://evil")
    found = next(e for e in read([hostile]).entries if e.id == "m")
    assert ".ssh" not in json.dumps(all_fields(found))
    assert "evil" not in json.dumps(all_fields(found))


# -- rules 2 and 3: file names, programs, pickles


@given(st.text(max_size=60) | st.from_regex(r"[.A-Za-z0-9/\\~*:_-]{1,40}", fullmatch=True))
@example("../x.json")
@example("a/../../x.json")
@example("/etc/passwd")
@example("C:/x.json")
@example("a\\..\\x.json")
@example(".git/config")
@example("a//b.json")
@example("x" * 600)
def test_a_file_name_stays_below_its_folder(name: str) -> None:
    try:
        check_file(name)
    except ValueError:
        return
    folder = Path("/models/m")
    assert (folder / name).resolve().is_relative_to(folder)
    assert "\\" not in name
    assert clean_text(name) == name


def test_programs_and_pickles_are_never_selected_by_a_pattern() -> None:
    names = ["config.json", "model.safetensors", "modeling.py", "pytorch_model.bin", "sub/x.pth", "a.so", "../b.json"]
    assert select_files(names, ["*"]) == ["config.json", "model.safetensors"]
    assert select_files(names) == ["config.json", "model.safetensors"]
    assert select_files(names, ["*", "sub/x.pth", "modeling.py"]) == ["config.json", "model.safetensors", "sub/x.pth"]


def test_names_that_differ_by_case_are_one_file() -> None:
    assert select_files(["Config.json", "config.json"]) == ["Config.json"]


@pytest.mark.parametrize("name", ["model.py", "x/../../y.json", "/abs.json", "~/x.json", "run.sh"])
def test_an_entry_that_names_a_program_or_leaves_its_folder_is_refused(name: str) -> None:
    merged = read([entry(source={"repo": "owner/m", "files": [name]})])
    assert not [e for e in merged.entries if e.id == "m"]
    assert merged.problems[0].where == "models.0.source.files.0"


# -- rule 4: addresses


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/m.safetensors",
        "file:///etc/passwd",
        "ftp://example.com/x",
        "https://user:secret@example.com/x",
        "https://localhost/x",
        "https://127.0.0.1/x",
        "https://2130706433/x",
        "https://0x7f.1/x",
        "https://0177.0.0.1/x",
        "https://[::1]/x",
        "https://[::ffff:10.0.0.1]/x",
        "https://[64:ff9b::a9fe:a9fe]/x",
        "https://10.1.2.3/x",
        "https://192.168.1.1/x",
        "https://169.254.169.254/latest/meta-data",
        "https://[fe80::1]/x",
        "https://[fd00:ec2::254]/x",
        "https://100.64.0.1/x",
        "https://224.0.0.1/x",
        "https://0.0.0.0/x",
        "https://metadata.google.internal/x",
        "https://printer.local/x",
        "https:///x",
        "https://exa mple.com/x",
        "https://example.com\\@evil.com/x",
        "javascript:alert(1)",
        "https://example.com/" + "x" * 3000,
        "https://example.com:99999/x",
    ],
)
def test_an_address_inside_or_unencrypted_is_refused(url: str) -> None:
    merged = read([entry(source={"type": "DirectUrl", "url": url})])
    assert not [e for e in merged.entries if e.id == "m"]
    backup = read([entry(source={"type": "DirectUrl", "url": "https://example.com/x", "backup_urls": [url]})])
    assert not [e for e in backup.entries if e.id == "m"]
    assert "secret" not in str(merged.problems[0])


def test_a_public_https_address_passes() -> None:
    url = "https://example.com/models/m.safetensors?download=true"
    found = next(e for e in read([entry(source={"type": "DirectUrl", "url": url})]).entries if e.id == "m")
    assert found.source == DirectUrlSource(url=url)


# -- rules 8 and 12: text and colours


@given(st.text(max_size=40))
@example("\x1b[31mred\x1b[0m")
@example("\x9b31m")
@example("a\u202eb\u2066c")
@example("\ud800")
@example("two\nlines\r\tand a tab")
def test_text_that_drives_a_terminal_never_comes_through(text: str) -> None:
    hostile = entry(name="N" + text, description=text, tags=[text], license=text, notes={text or "k": text})
    for found in read([hostile]).entries:
        for value in (
            (found.name, found.description, *found.tags, found.license, *found.said["notes"]) if found.id == "m" else ()
        ):
            assert not {ord(character) for character in value} & TERMINAL
            value.encode()


@given(st.text(max_size=12))
@example("#fff\x1b")
@example("red")
@example("#ggg")
def test_a_colour_is_a_colour(color: str) -> None:
    for found in read([entry(ui={"color": color})]).entries:
        assert found.id != "m" or (found.ui.color[0] == "#" and len(found.ui.color) in (4, 7))


# -- rules 5, 6 and 10: what a fetched layer may not choose

OTHER = {"type": "HuggingFace", "repo": "evil/model"}


@pytest.mark.parametrize(
    "change",
    [
        {"source": OTHER},
        {"source": {"repo": "evil/model"}},
        {"source": {"revision": "evil-branch"}},
        {"source": {"files": ["*", "x.json"]}},
        {"source": None},
        {"source": {"type": "DirectUrl", "url": "https://evil.example.com/x"}},
        {"repo": "evil/model"},
        {"extra_sources": [{"source": OTHER}]},
    ],
)
def test_an_unsigned_registry_cannot_redirect_a_bundled_model(
    layered: Callable[..., Registry], change: dict[str, Any]
) -> None:
    change = {"id": "qwen3-8b", "name": "Renamed", **change}
    registry = layered(fetched=[change])
    found = registry.resolve("qwen3-8b")
    assert found.source == layered().resolve("qwen3-8b").source
    assert found.extra_sources == ()
    assert found.name == "Renamed"
    assert "cannot change where a bundled model comes from" in registry.problems[0].reason


def test_an_unsigned_registry_cannot_redirect_a_model_of_the_user_s_own(home: Home) -> None:
    home.registry.mkdir()
    own = {"id": "mine", "source": {"repo": "me/mine"}}
    home.registry_override.write_text(json.dumps({"models": [own]}))
    change = {"id": "mine", "tags": ["new"], "extra_sources": [{"source": OTHER}], "source": {"revision": "evil"}}
    (home.registry / "fetched.json").write_text(json.dumps({"models": [change]}))
    found = Registry.load(home).resolve("mine")
    assert (found.repo, found.extra_sources, found.tags) == ("me/mine", (), ("new",))
    assert found.source == HuggingFaceSource(repo="me/mine", revision="main")


def test_a_signed_registry_can(layered: Callable[..., Registry]) -> None:
    registry = layered(fetched=[{"id": "qwen3-8b", "source": OTHER}], signed=True)
    assert registry.resolve("qwen3-8b").repo == "evil/model"
    assert registry.problems == ()


def test_repeating_the_bundled_source_is_no_offence(layered: Callable[..., Registry]) -> None:
    registry = layered(fetched=[{"id": "qwen3-8b", "source": BUNDLED["models"][0]["source"]}])
    assert registry.problems == ()


@pytest.mark.parametrize("signed", [False, True])
def test_a_fetched_registry_cannot_name_a_folder_of_this_machine(
    layered: Callable[..., Registry], signed: bool
) -> None:
    local = {"type": "Local", "path": "/Users/me/private"}
    fetched = [entry(source=local), entry(id="part", extra_sources=[{"source": local}])]
    registry = layered(fetched=fetched, signed=signed)
    assert {e.id for e in registry.entries} == {"qwen3-8b", "flux-klein"}
    assert all("folder on this machine" in problem.reason for problem in registry.problems)


PACKAGE = {"type": "PyPI", "package": "evil", "version": "1", "files": ["evil/m.gguf"], "sha256": "0" * 64}


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (PACKAGE, "Python package"),
        ({"repo": "owner/m", "files": ["model.pt"]}, "pickle"),
        ({"repo": "owner/m", "files": ["pytorch_model.BIN"]}, "pickle"),
        ({"url": "https://example.com/m.ckpt?x=1"}, "pickle"),
    ],
)
def test_an_unsigned_registry_brings_no_packages_and_no_pickles(
    layered: Callable[..., Registry], source: dict[str, Any], reason: str
) -> None:
    registry = layered(fetched=[entry(source=source)])
    assert registry.get("m") is None
    assert reason in registry.problems[0].reason
    assert layered(fetched=[entry(source=source)], signed=True).get("m") is not None
    assert layered(user=[entry(source=source)]).get("m") is not None
