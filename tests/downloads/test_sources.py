"""What each source makes of an entry: which files, from where, and what a refusal says."""

from __future__ import annotations

import hashlib
import json
import resource
from pathlib import Path
from typing import Any

import psutil
import pytest

from ominix_core.downloads.manager import DownloadManager
from ominix_core.errors import DownloadError
from ominix_core.paths import Home
from tests.downloads.conftest import SHARD_BYTES, entry_for, same_files
from tests.support.fixture_hub import TOKEN, FixtureHub
from tests.support.fixture_repo import Repo, make_model

MODELSCOPE = {"type": "ModelScope", "repo": "acme/model"}


def refresh(hub: FixtureHub) -> None:
    """Let the hub see files that were added to acme/model."""
    hub.repos["acme/model"] = Repo("acme/model", hub.root / "acme/model")


def names_in(folder: Path) -> set[str]:
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {path.as_posix() for path in paths if path.parts[0] != ".ominix"}


class TestHuggingFace:
    def test_only_weights_that_the_index_names(
        self, manager: DownloadManager, fixture_hub: FixtureHub, home: Home
    ) -> None:
        repo = fixture_hub.root / "acme/model"
        (repo / "model-00001-of-00007.safetensors").write_bytes(b"of another sharding")
        (repo / "modeling.py").write_text("print()")
        (repo / "pytorch_model.bin").write_bytes(b"pickle")
        refresh(fixture_hub)
        manager.start(entry_for()).result(30)
        assert names_in(home.model("model")) == {
            "chat_template.jinja",
            "config.json",
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            "model.safetensors.index.json",
            "tokenizer.json",
            "tokenizer_config.json",
        }

    def test_patterns_narrow_the_weights_only(
        self, manager: DownloadManager, fixture_hub: FixtureHub, home: Home
    ) -> None:
        repo = fixture_hub.root / "acme/model"
        (repo / "model.safetensors.index.json").unlink()
        (repo / "vae").mkdir()
        (repo / "vae/weights.safetensors").write_bytes(b"vae")
        refresh(fixture_hub)
        source = {"type": "HuggingFace", "repo": "acme/model", "files": ["model-00001-*.safetensors", "vae/*"]}
        manager.start(entry_for(source)).result(30)
        assert names_in(home.model("model")) == {
            "chat_template.jinja",
            "config.json",
            "model-00001-of-00002.safetensors",
            "tokenizer.json",
            "tokenizer_config.json",
            "vae/weights.safetensors",
        }

    def test_of_an_image_pipeline_only_its_parts(
        self, manager: DownloadManager, fixture_hub: FixtureHub, home: Home
    ) -> None:
        repo = fixture_hub.root / "acme/model"
        for path in repo.iterdir():
            path.unlink()
        parts = {
            "model_index.json",
            "transformer/config.json",
            "transformer/diffusion_pytorch_model.safetensors",
            "text_encoder/model-00001-of-00001.safetensors",
            "text_encoder/model.safetensors.index.json",
            "vae/diffusion_pytorch_model.safetensors",
            "tokenizer/tokenizer.json",
            "tokenizer/merges.txt",
            "scheduler/scheduler_config.json",
        }
        for name in (*parts, "flux-2-klein-4b.safetensors", "assets/teaser.png", "transformer/flux.py"):
            (repo / name).parent.mkdir(exist_ok=True)
            (repo / name).write_bytes(b"content of " + name.encode())
        index = {"weight_map": {"a": "model-00001-of-00001.safetensors"}}
        (repo / "text_encoder/model.safetensors.index.json").write_text(json.dumps(index))
        refresh(fixture_hub)
        manager.start(entry_for(category="ImageGen", runtime={"engine": "z-image"})).result(30)
        assert names_in(home.model("model")) == parts

    def test_a_long_listing_is_read_page_by_page(
        self, manager: DownloadManager, fixture_hub: FixtureHub, home: Home
    ) -> None:
        fixture_hub.page_size = 2
        manager.start(entry_for()).result(30)
        assert same_files(home.model("model"), fixture_hub.root / "acme/model")

    def test_goes_on_at_the_commit_that_it_began_with(
        self, manager: DownloadManager, fixture_hub: FixtureHub, home: Home
    ) -> None:
        begun_with = fixture_hub.repos["acme/model"].commit
        fixture_hub.fault("status", path="*00002-of*", code=404)
        with pytest.raises(DownloadError):
            manager.start(entry_for()).result(30)
        fixture_hub.mend()
        fixture_hub.forget()
        fixture_hub.fault("status", path="/api/*", code=500)  # the list of files is known already
        manager.start(entry_for()).result(30)
        assert fixture_hub.asked("/api/*") == []
        assert all(f"/resolve/{begun_with}/" in each.path for each in fixture_hub.asked("/acme/*"))

    def test_gated(self, manager: DownloadManager, fixture_hub: FixtureHub, monkeypatch: pytest.MonkeyPatch) -> None:
        fixture_hub.repos["acme/model"].is_gated = True
        with pytest.raises(DownloadError, match=r"acme/model is gated: ask for access on .*/acme/model, then sign in"):
            manager.start(entry_for()).result(30)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        manager.start(entry_for()).result(30)

    def test_private(self, manager: DownloadManager, fixture_hub: FixtureHub, monkeypatch: pytest.MonkeyPatch) -> None:
        fixture_hub.repos["acme/model"].is_private = True
        with pytest.raises(DownloadError, match="does not exist or is private"):
            manager.start(entry_for()).result(30)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        manager.start(entry_for()).result(30)

    def test_no_such_revision(self, manager: DownloadManager, fixture_hub: FixtureHub) -> None:
        source = {"type": "HuggingFace", "repo": "acme/model", "revision": "v9"}
        with pytest.raises(DownloadError, match="no revision 'v9'"):
            manager.start(entry_for(source)).result(30)

    def test_no_weights(self, manager: DownloadManager, fixture_hub: FixtureHub) -> None:
        for weights in (fixture_hub.root / "acme/model").glob("*.safetensors*"):
            weights.unlink()
        refresh(fixture_hub)
        with pytest.raises(DownloadError, match="no weights as safetensors"):
            manager.start(entry_for()).result(30)

    @pytest.mark.parametrize(
        ("config", "why"),
        [(None, r"acme/model has no config\.json"), ({"model_type": "zzz_new"}, "architecture 'zzz_new'")],
    )
    def test_what_cannot_be_loaded_is_refused_before_its_weights_come(
        self, manager: DownloadManager, fixture_hub: FixtureHub, home: Home, config: Any, why: str
    ) -> None:
        path = fixture_hub.root / "acme/model/config.json"
        path.unlink() if config is None else path.write_text(json.dumps(config))
        refresh(fixture_hub)
        with pytest.raises(DownloadError, match=why + r".*Nothing was fetched"):
            manager.start(entry_for()).result(30)
        assert fixture_hub.asked("*.safetensors") == []
        assert names_in(home.model("model")) == set()

    def test_older_names_of_weights_that_mlx_lm_does_not_read(
        self, manager: DownloadManager, fixture_hub: FixtureHub
    ) -> None:
        repo = fixture_hub.root / "acme/model"
        for number in (1, 2):
            (repo / f"model-0000{number}-of-00002.safetensors").rename(repo / f"weights.0{number}.safetensors")
        index = repo / "model.safetensors.index.json"
        index.write_text(index.read_text().replace("model-0000", "weights.0").replace("-of-00002", ""))
        refresh(fixture_hub)
        with pytest.raises(DownloadError, match=r"weights\.01\.safetensors; mlx-lm reads model\*\.safetensors only"):
            manager.start(entry_for()).result(30)

    def test_a_config_that_is_damaged_is_for_the_engine_to_tell(
        self, manager: DownloadManager, fixture_hub: FixtureHub
    ) -> None:
        (fixture_hub.root / "acme/model/config.json").write_text("{")
        refresh(fixture_hub)
        manager.start(entry_for()).result(30)

    def test_an_engine_of_another_package_knows_best(self, manager: DownloadManager, fixture_hub: FixtureHub) -> None:
        (fixture_hub.root / "acme/model/config.json").unlink()
        refresh(fixture_hub)
        manager.start(entry_for(runtime={"engine": "of-a-plugin"})).result(30)

    def test_leftovers_of_training_are_not_fetched(
        self, manager: DownloadManager, fixture_hub: FixtureHub, home: Home
    ) -> None:
        repo = fixture_hub.root / "acme/model"
        before = names_in(repo) - {"README.md"}
        for name in ("checkpoint-500/model.safetensors", "fp16/model.safetensors", "consolidated.safetensors"):
            (repo / name).parent.mkdir(exist_ok=True)
            (repo / name).write_bytes(b"a copy")
        refresh(fixture_hub)
        manager.start(entry_for()).result(30)
        assert names_in(home.model("model")) == before

    def test_incomplete_repository(self, manager: DownloadManager, fixture_hub: FixtureHub) -> None:
        (fixture_hub.root / "acme/model/model-00002-of-00002.safetensors").unlink()
        refresh(fixture_hub)
        with pytest.raises(DownloadError, match=r"names model-00002-of-00002\.safetensors, which it does not hold"):
            manager.start(entry_for()).result(30)


class TestModelScope:
    def test_fetches_and_verifies(self, manager: DownloadManager, fixture_hub: FixtureHub, home: Home) -> None:
        manager.start(entry_for(MODELSCOPE)).result(30)
        assert same_files(home.model("model"), fixture_hub.root / "acme/model")
        assert manager.verify(entry_for(MODELSCOPE)).checked == 7

    def test_more_files_than_one_answer_lists(
        self, manager: DownloadManager, fixture_hub: FixtureHub, home: Home
    ) -> None:
        repo = fixture_hub.root / "acme/model"
        for number in range(3100):  # they come first in the list, and fill it
            (repo / f"a/{number // 2000}").mkdir(parents=True, exist_ok=True)
            (repo / f"a/{number // 2000}/{number}.txt2").touch()
        refresh(fixture_hub)
        manager.start(entry_for(MODELSCOPE)).result(30)
        assert "config.json" in names_in(home.model("model"))
        assert len(names_in(home.model("model"))) == 7

    def test_a_folder_that_cannot_be_listed_whole_is_told(
        self, manager: DownloadManager, fixture_hub: FixtureHub
    ) -> None:
        repo = fixture_hub.root / "acme/model"
        (repo / "voices").mkdir()
        for number in range(3001):
            (repo / f"voices/{number}.txt2").touch()
        refresh(fixture_hub)
        with pytest.raises(DownloadError, match=r"lists only 3,000 of the files in the folder voices of acme/model"):
            manager.start(entry_for(MODELSCOPE)).result(30)

    def test_no_such_repository(self, manager: DownloadManager, fixture_hub: FixtureHub) -> None:
        with pytest.raises(DownloadError, match="does not exist on ModelScope"):
            manager.start(entry_for({"type": "ModelScope", "repo": "acme/other"})).result(30)


class TestDirectUrl:
    @pytest.fixture
    def weights(self, root: Path) -> bytes:
        content = (root / "acme/model/model-00001-of-00002.safetensors").read_bytes()
        (root / "_static/mirror").mkdir(parents=True)
        (root / "_static/model.safetensors").write_bytes(content)
        (root / "_static/mirror/model.safetensors").write_bytes(content)
        return content

    def source(self, hub: FixtureHub, weights: bytes, **fields: Any) -> dict[str, Any]:
        return {
            "type": "DirectUrl",
            "url": f"{hub.url}/_static/model.safetensors",
            "backup_urls": [f"{hub.other_host}/_static/mirror/model.safetensors"],
            "sha256": hashlib.sha256(weights).hexdigest(),
            **fields,
        }

    def test_one_file(self, weights: bytes, manager: DownloadManager, fixture_hub: FixtureHub, home: Home) -> None:
        manager.start(entry_for(self.source(fixture_hub, weights))).result(30)
        assert (home.model("model") / "model.safetensors").read_bytes() == weights
        assert fixture_hub.asked("/_static/mirror/*") == []

    @pytest.mark.parametrize("code", [404, 500])
    def test_a_backup_steps_in_at_the_start(
        self, code: int, weights: bytes, manager: DownloadManager, fixture_hub: FixtureHub, home: Home
    ) -> None:
        fixture_hub.fault("status", path="/_static/model.safetensors", code=code)
        manager.start(entry_for(self.source(fixture_hub, weights))).result(30)
        assert (home.model("model") / "model.safetensors").read_bytes() == weights

    def test_a_backup_steps_in_midway_and_no_byte_is_lost(
        self, weights: bytes, manager: DownloadManager, fixture_hub: FixtureHub, home: Home
    ) -> None:
        fixture_hub.fault("drop", path="/_static/model.safetensors", after=100_000, times=4)
        fixture_hub.fault("drop", path="/_static/model.safetensors", after=0)
        manager.start(entry_for(self.source(fixture_hub, weights))).result(30)
        assert (home.model("model") / "model.safetensors").read_bytes() == weights
        assert fixture_hub.asked("/_static/mirror/*")
        assert fixture_hub.body_bytes <= len(weights) + 1

    def test_a_backup_of_another_size_is_not_mixed_in(
        self, weights: bytes, manager: DownloadManager, fixture_hub: FixtureHub, root: Path, home: Home
    ) -> None:
        (root / "_static/mirror/model.safetensors").write_bytes(b"something else")
        fixture_hub.fault("drop", path="/_static/model.safetensors", after=100_000, times=3)
        manager.start(entry_for(self.source(fixture_hub, weights))).result(30)
        assert (home.model("model") / "model.safetensors").read_bytes() == weights

    def test_a_damaged_first_address_is_made_good_by_the_backup(
        self, weights: bytes, manager: DownloadManager, fixture_hub: FixtureHub, home: Home
    ) -> None:
        fixture_hub.fault("corrupt", path="/_static/model.safetensors", at=10)
        manager.start(entry_for(self.source(fixture_hub, weights))).result(30)
        assert (home.model("model") / "model.safetensors").read_bytes() == weights

    def test_without_a_checksum_only_one_address_is_used(
        self, weights: bytes, manager: DownloadManager, fixture_hub: FixtureHub, home: Home
    ) -> None:
        fixture_hub.fault("status", path="/_static/model.safetensors", code=404)
        source = self.source(fixture_hub, weights, sha256=None)
        manager.start(entry_for(source)).result(30)
        assert manager.verify(entry_for(source)).unverified == 1

    def test_all_addresses_fail(self, weights: bytes, manager: DownloadManager, fixture_hub: FixtureHub) -> None:
        fixture_hub.fault("status", path="/_static/*", code=404)
        with pytest.raises(DownloadError, match=r"127\.0\.0\.1 answers 404\. localhost answers 404\."):
            manager.start(entry_for(self.source(fixture_hub, weights))).result(30)


def test_many_files_need_few_descriptors(
    root: Path, manager: DownloadManager, fixture_hub: FixtureHub, home: Home
) -> None:
    make_model(root / "acme/many", shards=120, shard_bytes=4096)
    fixture_hub.repos["acme/many"] = Repo("acme/many", root / "acme/many")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    open_now = psutil.Process().num_fds()
    resource.setrlimit(resource.RLIMIT_NOFILE, (open_now + 60, limits[1]))
    try:
        manager.start(entry_for({"type": "HuggingFace", "repo": "acme/many"})).result(60)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert same_files(home.model("model"), root / "acme/many")


def test_extra_sources_are_parts_of_one_model(
    root: Path, manager: DownloadManager, fixture_hub: FixtureHub, home: Home
) -> None:
    make_model(root / "acme/encoder", shards=1, shard_bytes=SHARD_BYTES, seed=7)
    fixture_hub.repos["acme/encoder"] = Repo("acme/encoder", root / "acme/encoder")
    extra = {"source": {"type": "HuggingFace", "repo": "acme/encoder"}, "folder": "text_encoder"}
    manager.start(entry_for(extra_sources=[extra])).result(30)
    assert same_files(home.model("model"), root / "acme/model")
    assert same_files(home.model("model") / "text_encoder", root / "acme/encoder")


@pytest.mark.parametrize("kind", ["HuggingFace", "ModelScope"])
def test_another_source_means_other_files(
    kind: str, root: Path, manager: DownloadManager, fixture_hub: FixtureHub, home: Home
) -> None:
    fixture_hub.fault("status", path="*00002-of*", code=404)
    with pytest.raises(DownloadError):
        manager.start(entry_for()).result(30)
    make_model(root / "acme/newer", seed=3)
    fixture_hub.repos["acme/newer"] = Repo("acme/newer", root / "acme/newer")
    fixture_hub.mend()
    manager.start(entry_for({"type": kind, "repo": "acme/newer"})).result(30)
    assert same_files(home.model("model"), root / "acme/newer")
    manifest = json.loads((home.model("model") / ".ominix/manifest.json").read_text())
    assert manifest["origin"].startswith("acme/newer ")
