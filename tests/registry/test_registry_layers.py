"""Bundled, fetched and the user's own: later layers win field by field, and no layer can spoil another."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ominix_core.errors import UnknownModelError
from ominix_core.paths import Home
from ominix_core.registry.catalogue import Registry
from ominix_core.registry.entry import HuggingFaceSource, LocalSource
from ominix_core.registry.entry_json import all_fields, read_entry, said_fields

Layered = Callable[..., Registry]


def test_fields_merge_lists_replace_null_removes(layered: Layered) -> None:
    registry = layered(
        fetched=[{"id": "qwen3-8b", "runtime": {"memory_gb": 11.5}, "tags": ["new"]}],
        user=[{"id": "qwen3-8b", "name": "My Qwen", "runtime": {"context": None}}],
    )
    entry = registry.resolve("qwen3-8b")
    assert (entry.name, entry.runtime.memory_gb, entry.runtime.context) == ("My Qwen", 11.5, None)
    assert entry.tags == ("new",)
    assert entry.repo == "mlx-community/Qwen3-8B-8bit"


def test_every_value_knows_its_layer(layered: Layered) -> None:
    registry = layered(
        fetched=[{"id": "qwen3-8b", "runtime": {"memory_gb": 11.5}}], user=[{"id": "qwen3-8b", "name": "My Qwen"}]
    )
    origin = registry.origin("qwen3-8b")
    assert origin["name"] == "user"
    assert origin["runtime.memory_gb"] == "fetched"
    assert origin["runtime.context"] == origin["source.repo"] == "bundled"
    assert origin["ui.panel_type"] == "derived"


def test_an_override_in_another_dialect_changes_the_same_entry(layered: Layered) -> None:
    entry = layered(user=[{"id": "qwen3-8b", "category": "llm", "memory_required_mb": 2000}]).resolve("qwen3-8b")
    assert entry.runtime.memory_gb == pytest.approx(2.097, abs=0.001)
    assert entry.runtime.context == 32768


def test_another_source_starts_anew(layered: Layered) -> None:
    source = {"type": "HuggingFace", "repo": "me/other"}
    entry = layered(user=[{"id": "qwen3-8b", "source": source}]).resolve("qwen3-8b")
    assert entry.repo == "me/other"
    assert entry.source == HuggingFaceSource(repo="me/other", revision="main", files=())
    pinned = layered(user=[{"id": "qwen3-8b", "source": {"revision": "abc"}}]).resolve("qwen3-8b")
    assert pinned.source == HuggingFaceSource(repo="mlx-community/Qwen3-8B-8bit", revision="abc", files=("*.json",))


def test_hidden_models_are_in_no_list(layered: Layered) -> None:
    registry = layered(user=[{"id": "qwen3-8b", "hidden": True}])
    assert [entry.id for entry in registry.entries] == ["flux-klein"]
    assert registry.get("qwen3-8b") is None
    assert registry.hidden == {"qwen3-8b"}
    assert registry.search("qwen") == []
    with pytest.raises(UnknownModelError):
        registry.resolve("qwen3-8b")


def test_the_user_brings_back_what_a_fetched_layer_hides(layered: Layered) -> None:
    hides = [{"id": "qwen3-8b", "hidden": True}]
    assert layered(fetched=hides).get("qwen3-8b") is None
    assert layered(fetched=hides, user=[{"id": "qwen3-8b", "hidden": False}]).get("qwen3-8b") is not None


@pytest.mark.parametrize(
    ("entry", "where"),
    [
        ({"id": "bad", "runtime": {"memory_gb": -1}}, "models.1.runtime.memory_gb"),
        ({"id": "bad", "size_bytes": "much"}, "models.1.size_bytes"),
        ({"id": "bad", "ui": {"color": "red; x"}}, "models.1.ui.color"),
        ({"id": "Bad Id"}, "models.1.id"),
        ({"name": "no id"}, "models.1"),
        ("not an object", "models.1"),
        ({"id": "bad", "source": {"type": "HuggingFace", "repo": "../x"}}, "models.1.source.repo"),
        ({"id": "bad", "runtime": []}, ""),
    ],
)
def test_a_faulty_entry_is_reported_with_its_place_and_costs_no_other(layered: Layered, entry: Any, where: str) -> None:
    good = {"id": "good", "source": {"repo": "owner/good"}}
    registry = layered(user=[good, entry, {**good, "id": "good-2"}])
    assert {"good", "good-2", "qwen3-8b"} <= {entry.id for entry in registry.entries}
    if where:
        assert [problem.where for problem in registry.problems] == [where]
        assert registry.problems[0].reason
        assert "user.json" in str(registry.problems[0])


def test_every_fault_of_an_entry_is_told_with_what_stands_there(layered: Layered) -> None:
    faulty = {
        "id": "bad",
        "size_bytes": "much",
        "tags": "chat",
        "verified": 7,
        "source": {"type": "HuggingFace", "revision": "a b", "files": ["x.json", "../x.json", 3]},
        "extra_sources": [{"source": {"type": "IPFS"}}, {"folder": "VAE"}],
        "runtime": {"memory_gb": -1, "context": 0.5, "engine": ["mlx-lm"], "platforms": ["cpu"] * 21},
        "defaults": {"temperature": 9, "sizes": ["big"]},
        "ui": {"color": "red"},
    }
    assert {problem.where: problem.reason for problem in layered(user=[faulty]).problems} == {
        "models.0.size_bytes": 'must be a whole number from 0 to 1,125,899,906,842,624 (it is "much")',
        "models.0.tags": 'must be a list of at most 100 items (it is "chat")',
        "models.0.verified": "must be true or false (it is 7)",
        "models.0.source.repo": "is missing",
        "models.0.source.revision": "a revision is a branch, tag or commit without spaces or '..' (it is \"a b\")",
        "models.0.source.files.1": "'../x.json' leaves its folder or is not a plain path",
        "models.0.source.files.2": "must be text (it is 3)",
        "models.0.extra_sources.0.source.type": (
            'must be one of HuggingFace, ModelScope, DirectUrl, PyPI, Local, Unavailable (it is "IPFS")'
        ),
        "models.0.extra_sources.1.source.type": "is missing",
        "models.0.runtime.memory_gb": "must be a number above 0, at most 4,096 (it is -1)",
        "models.0.runtime.context": "must be a whole number from 1 to 100,000,000 (it is 0.5)",
        "models.0.runtime.engine": "must be text of at most 100 characters (it is a list of 1)",
        "models.0.runtime.platforms": "must be a list of at most 20 items (it is a list of 21)",
        "models.0.defaults.temperature": "must be a number from 0 to 5 (it is 9)",
        "models.0.defaults.sizes.0": 'a size is WIDTHxHEIGHT, for example 1024x1024 (it is "big")',
        "models.0.ui.color": 'a colour is #rgb or #rrggbb (it is "red")',
    }


def test_numbers_and_switches_may_stand_in_text(layered: Layered) -> None:
    fields = {"size_bytes": "5", "verified": "true", "runtime": {"memory_gb": "9.5"}, "defaults": {"top_k": "20"}}
    registry = layered(user=[{"id": "qwen3-8b", **fields}])
    entry = registry.resolve("qwen3-8b")
    assert registry.problems == ()
    assert (entry.size_bytes, entry.verified, entry.runtime.memory_gb, entry.defaults.top_k) == (5, True, 9.5, 20)
    assert said_fields(entry)["runtime"]["memory_gb"] == 9.5


def test_an_entry_tells_what_was_said_or_all(layered: Layered) -> None:
    entry = layered().resolve("qwen3-8b")
    said, everything = said_fields(entry), all_fields(entry)
    assert "revision" not in said["source"]
    assert "license" not in said
    assert (everything["source"]["revision"], everything["license"], everything["size_bytes"]) == ("main", "", None)
    assert said["runtime"].items() <= everything["runtime"].items()
    assert all_fields(read_entry(everything)) == everything


def test_a_layer_that_spoils_a_model_loses_its_say_on_it_alone(layered: Layered) -> None:
    registry = layered(
        fetched=[{"id": "qwen3-8b", "runtime": {"memory_gb": -5}, "name": "Broken"}],
        user=[{"id": "qwen3-8b", "tags": ["mine"]}],
    )
    entry = registry.resolve("qwen3-8b")
    assert (entry.name, entry.runtime.memory_gb, entry.tags) == ("Qwen3 8B", 10.8, ("mine",))
    assert [problem.where for problem in registry.problems] == ["models.0.runtime.memory_gb"]


def test_the_first_of_two_entries_with_one_id_counts(layered: Layered) -> None:
    registry = layered(user=[{"id": "m", "source": "owner/first"}, {"id": "m", "source": "owner/second"}])
    assert registry.resolve("m").repo == "owner/first"
    assert "models.0" in registry.problems[0].reason


def test_a_name_cannot_be_taken_over(layered: Layered) -> None:
    registry = layered(fetched=[{"id": "evil", "model_id_for_api": "qwen3-8b", "source": "owner/flux"}])
    assert registry.resolve("qwen3-8b").repo == "mlx-community/Qwen3-8B-8bit"
    assert registry.resolve("owner/flux").id == "flux-klein"


def test_near_names_are_suggested(layered: Layered) -> None:
    with pytest.raises(UnknownModelError, match="qwen3-8b"):
        layered().resolve("qwen-8b")


def test_search_prefers_names_and_forgives_gaps(layered: Layered) -> None:
    registry = layered(user=[{"id": "other", "name": "Other", "source": "x/y", "description": "like qwen3"}])
    assert [entry.id for entry in registry.search("qwen3")] == ["qwen3-8b", "other"]
    assert [entry.id for entry in registry.search("qwen multilingual")] == ["qwen3-8b"]
    assert [entry.id for entry in registry.search("fxkl")] == ["flux-klein"]
    assert registry.search("no such thing at all") == []
    assert len(registry.search("", limit=2)) == 2


def test_the_user_s_own_folder_is_used_in_place(home: Home, write_override: Callable[..., Path]) -> None:
    write_override({"id": "mine", "category": "LLM", "source": {"type": "Local", "path": "/abs/folder"}})
    entry = Registry.load(home).resolve("mine")
    assert entry.source == LocalSource(path="/abs/folder")
    assert entry.unsupported_reason() is None


@pytest.mark.parametrize("content", ["{", "[[", '{"models": 3}', "\x00", '{"version": "2.0", "models": []}'])
def test_a_broken_override_is_named_and_leaves_the_rest(home: Home, content: str) -> None:
    home.registry_override.write_text(content)
    registry = Registry.load(home)
    assert registry.entries == Registry.bundled().entries
    assert str(home.registry_override) in str(registry.problems[0])


def test_loading_is_the_same_whatever_the_order_of_files(home: Home, write_override: Callable[..., Path]) -> None:
    home.registry.mkdir()
    fetched = {"models": [{"id": "new", "name": "New", "source": "owner/new"}]}
    (home.registry / "fetched.json").write_text(json.dumps(fetched))
    file = write_override({"id": "new", "description": "mine"})
    before = file.read_bytes()
    entry = Registry.load(home).resolve("new")
    assert (entry.name, entry.description) == ("New", "mine")
    assert file.read_bytes() == before
