"""The registry on the command line: what it prints, what it writes, how it ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from ominix_core.errors import OminixError
from ominix_core.paths import Home
from ominix_core.registry.catalogue import Registry
from ominix_tui.commands.registry import list_models, registry_app
from tests.registry.test_registry_repository import QWEN_CONFIG, QWEN_FILES, add_repository
from tests.registry.web import Answer, Site

app = typer.Typer()
app.add_typer(registry_app, name="registry")
app.command("list")(list_models)


def run(*arguments: str, answer: str = "") -> Result:
    result = CliRunner().invoke(app, list(arguments), input=answer)
    if result.exception is not None and not isinstance(result.exception, SystemExit | OminixError):
        raise result.exception
    return result


@pytest.fixture(autouse=True)
def no_log_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command opens the program's log for as long as its process lives; this process lives for many."""
    monkeypatch.setattr("ominix_tui.commands.session.open_log", lambda home: None)


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str], str]:
    def write(text: str) -> str:
        path = tmp_path / "registry.json"
        path.write_text(text)
        return str(path)

    return write


class TestList:
    def test_every_model_with_its_state(self) -> None:
        result = run("list", "--json")
        rows = {row["id"]: row for row in json.loads(result.stdout)}
        assert rows.keys() == {entry.id for entry in Registry.bundled().entries}
        assert rows["smollm2-135m"]["state"] == "not downloaded"

    def test_filters(self, write_override: Callable[..., Path]) -> None:
        write_override({"id": "old", "name": "Old GGUF", "category": "LLM", "source": "owner/old-GGUF"})
        asr = json.loads(run("list", "--category", "asr", "--json").stdout)
        assert {row["category"] for row in asr} == {"ASR"}
        (old,) = json.loads(run("list", "--search", "old gguf", "--state", "unsupported", "--json").stdout)
        assert old["id"] == "old"
        assert "GGUF" in old["reason"]
        assert json.loads(run("list", "--state", "not-downloaded", "--search", "smollm2", "--json").stdout)

    def test_filters_that_match_nothing_or_make_no_sense(self) -> None:
        assert "No model matches" in run("list", "--category", "video").stderr
        assert "notdownloaded, downloading" in str(run("list", "--state", "asleep").exception)

    def test_the_table_shows_text_as_text_and_whole(self, write_override: Callable[..., Path]) -> None:
        name = "[bold red]Alarm[/] [link=https://evil.example.com]click[/link] " + "x" * 80
        write_override({"id": "m", "name": name + "\x1b[31m", "source": "owner/m"})
        output = run("list", "--search", "alarm").stdout
        assert name in output
        assert "\x1b" not in output

    def test_problems_are_told_on_standard_error(self, write_override: Callable[..., Path]) -> None:
        write_override({"id": "BAD"})
        result = run("list")
        assert "models.0.id" in result.stderr
        assert "qwen3-8b" in result.stdout


class TestShow:
    def test_an_entry_as_json(self) -> None:
        entry = json.loads(run("registry", "show", "mlx-community/Qwen3-8B-8bit").stdout)
        assert entry["id"] == "qwen3-8b"

    def test_the_origin_of_every_value(self, write_override: Callable[..., Path]) -> None:
        write_override({"id": "qwen3-8b", "runtime": {"memory_gb": 12.5}})
        lines = run("registry", "show", "qwen3-8b", "--origin").stdout.splitlines()
        assert "user     runtime.memory_gb = 12.5" in lines
        assert 'bundled  source.repo = "mlx-community/Qwen3-8B-8bit"' in lines

    def test_an_unknown_model(self) -> None:
        result = run("registry", "show", "qwen3-9b")
        assert result.exit_code == 1
        assert "qwen3-8b?" in str(result.exception)


class TestValidate:
    def test_a_good_file(self, file: Callable[[str], str]) -> None:
        result = run("registry", "validate", file('{"models": [{"id": "m", "source": "owner/m"}]}'))
        assert (result.exit_code, result.stdout) == (0, "")
        assert "1 models, 0 faults" in result.stderr

    def test_every_fault_with_its_line(self, file: Callable[[str], str]) -> None:
        path = file(
            """{"models": [
  {"id": "a", "source": "owner/a"},
  {"id": "b",
   "runtime": {
     "memory_gb": -1,
     "context": "long"
   },
   "ui": {"color": "blue"}
  },
  {"id": "a"}
]}"""
        )
        result = run("registry", "validate", path)
        assert result.exit_code == 1
        places = [line.partition(": ")[0].rpartition(":")[2] for line in result.stdout.splitlines()]
        assert sorted(places) == ["10", "5", "6", "8"]
        assert "models.1.runtime.memory_gb" in result.stdout

    @pytest.mark.parametrize(
        ("text", "why"), [('{"models": [\n{"id": }]}', "line 2"), ("[1", "line 1"), ('{"a": 1}', "no list 'models'")]
    )
    def test_a_file_that_is_no_registry(self, file: Callable[[str], str], text: str, why: str) -> None:
        result = run("registry", "validate", file(text))
        assert result.exit_code == 1
        assert why in str(result.exception)

    def test_a_missing_file(self, tmp_path: Path) -> None:
        assert "Cannot read" in str(run("registry", "validate", str(tmp_path / "none.json")).exception)

    def test_what_cannot_run_is_a_note(self, file: Callable[[str], str]) -> None:
        result = run("registry", "validate", file('{"models": [{"id": "m", "source": "owner/m-GGUF"}]}'))
        assert result.exit_code == 0
        assert "m is listed as unsupported" in result.stderr

    def test_the_readme_s_example_is_valid(self, file: Callable[[str], str]) -> None:
        readme = (Path(__file__).parents[2] / "registry" / "README.md").read_text()
        start = readme.index('    {\n      "models"')
        result = run("registry", "validate", file(readme[start : readme.index("\n\n", start)]))
        assert result.exit_code == 0


class TestAdd:
    @pytest.fixture(autouse=True)
    def hub_site(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HF_ENDPOINT", site.url)
        add_repository(site, "owner/Qwen3-8B-4bit", QWEN_CONFIG, QWEN_FILES)

    def test_it_shows_and_writes_the_entry(self, home: Home) -> None:
        result = run("registry", "add", "owner/Qwen3-8B-4bit", "--yes", "--id", "my-qwen")
        assert result.exit_code == 0
        assert json.loads(result.stdout)["source"]["repo"] == "owner/Qwen3-8B-4bit"
        assert Registry.load(home).resolve("my-qwen").repo == "owner/Qwen3-8B-4bit"

    @pytest.mark.parametrize("end", ["", "/tree/main", "/blob/main/config.json", "/tree/main/4bit"])
    def test_a_pasted_address(self, home: Home, end: str) -> None:
        result = run("registry", "add", f"https://huggingface.co/owner/Qwen3-8B-4bit{end}", "-y")
        assert result.exit_code == 0
        assert Registry.load(home).resolve("qwen3-8b-4bit").repo == "owner/Qwen3-8B-4bit"
        assert ("not its folder 4bit alone" in result.stderr) == end.endswith("4bit")

    def test_a_revision_behind_the_name(self, home: Home, site: Site) -> None:
        site.routes["/api/models/owner/Qwen3-8B-4bit/revision/refs%2Fpr%2F1"] = site.routes[
            "/api/models/owner/Qwen3-8B-4bit/revision/main"
        ]
        assert run("registry", "add", "owner/Qwen3-8B-4bit@refs/pr/1", "-y").exit_code == 0
        refused = run("registry", "add", "owner/Qwen3-8B-4bit@refs/pr/1", "--revision", "main", "-y")
        assert "Give one of them" in str(refused.exception)

    def test_an_address_on_modelscope_says_what_to_write(self, home: Home) -> None:
        said = str(run("registry", "add", "https://modelscope.cn/models/iic/asr", "-y").exception)
        assert '{"type": "ModelScope", "repo": "iic/asr"}' in said

    def test_without_a_yes_nothing_is_written(self, home: Home) -> None:
        result = run("registry", "add", "owner/Qwen3-8B-4bit")
        assert "Nothing was written" in str(result.exception)
        assert not home.registry_override.exists()

    def test_the_rest_of_the_file_stays(self, home: Home) -> None:
        rest = {"id": "qwen3-8b", "repo_id": "owner/x", "my_notes": "★"}
        home.registry_override.write_text(json.dumps({"version": "1.0.0", "mine": [1], "models": [rest]}))
        run("registry", "add", "owner/Qwen3-8B-4bit", "-y")
        document: dict[str, Any] = json.loads(home.registry_override.read_text())
        assert (document["mine"], document["models"][0]) == ([1], rest)
        run("registry", "add", "owner/Qwen3-8B-4bit", "-y")
        assert len(json.loads(home.registry_override.read_text())["models"]) == 2

    def test_a_broken_file_is_not_overwritten(self, home: Home) -> None:
        home.registry_override.write_text("{ my notes")
        assert "was not changed" in str(run("registry", "add", "owner/Qwen3-8B-4bit", "-y").exception)
        assert home.registry_override.read_text() == "{ my notes"

    @pytest.mark.parametrize("model_id", ["Bad Id", "../x"])
    def test_an_id_that_is_none(self, home: Home, model_id: str) -> None:
        result = run("registry", "add", "owner/Qwen3-8B-4bit", "-y", "--id", model_id)
        assert "id: an id is" in str(result.exception)
        assert not home.registry_override.exists()


class TestRemove:
    def test_an_own_entry_goes(self, home: Home, write_override: Callable[..., Path]) -> None:
        write_override({"id": "mine", "source": "owner/mine"}, {"id": "other", "source": "owner/other"})
        run("registry", "remove", "mine")
        registry = Registry.load(home)
        assert registry.get("mine") is None
        assert registry.get("other")

    def test_a_bundled_model_is_hidden(self, home: Home) -> None:
        assert "hidden now" in run("registry", "remove", "qwen3-8b").stderr
        assert Registry.load(home).get("qwen3-8b") is None
        assert "hidden already" in str(run("registry", "remove", "qwen3-8b").exception)

    def test_an_own_change_to_a_bundled_model_goes_first(self, home: Home, write_override: Callable[..., Path]) -> None:
        write_override({"id": "qwen3-8b", "name": "Mine"})
        assert "in use again" in run("registry", "remove", "qwen3-8b").stderr
        assert Registry.load(home).resolve("qwen3-8b").name == "Qwen3 8B"

    def test_an_own_entry_that_is_faulty_can_go(self, home: Home, write_override: Callable[..., Path]) -> None:
        write_override({"id": "mine", "size_bytes": "large"})
        run("registry", "remove", "mine")
        assert Registry.load(home).problems == ()

    def test_a_linked_file_stays_a_link(self, home: Home, tmp_path: Path) -> None:
        target = tmp_path / "dotfiles.json"
        target.write_text('{"models": []}')
        home.registry_override.symlink_to(target)
        run("registry", "remove", "qwen3-8b")
        assert home.registry_override.is_symlink()
        assert "qwen3-8b" in target.read_text()

    def test_an_unknown_model(self) -> None:
        assert "There is no model" in str(run("registry", "remove", "nothing-like-it").exception)


class TestUpdateAndPublish:
    def test_update_tells_what_is_new(self, home: Home, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        models = [{"id": "new", "source": "owner/new"}, {"id": "qwen3-8b", "name": "Qwen3 8B!", "source": "a/b"}]
        site.routes["/r.json"] = Answer(json.dumps({"models": models, "serial": 2}).encode())
        monkeypatch.setenv("OMINIX_REGISTRY_URL", f"{site.url}/r.json")
        result = run("registry", "update")
        assert result.stdout.splitlines() == ["+ new", "~ qwen3-8b"]
        assert "updated (unsigned, serial 2)" in result.stderr
        assert "cannot change where a bundled model comes from" in result.stderr
        assert run("registry", "update").stdout == ""

    def test_diff_tells_what_the_layers_change(self, write_override: Callable[..., Path]) -> None:
        write_override(
            {"id": "new", "source": "owner/new"},
            {"id": "qwen3-8b", "runtime": {"memory_gb": 12.5}},
            {"id": "qwen3-0.6b", "hidden": True},
        )
        assert run("registry", "diff").stdout.splitlines() == [
            "+ new (user)",
            "~ qwen3-8b runtime.memory_gb: 10.8 → 12.5 (user)",
            "- qwen3-0.6b (hidden)",
        ]

    def test_what_keygen_and_sign_make_an_update_accepts(
        self, home: Home, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        catalogue = tmp_path / "models_registry.json"
        catalogue.write_text(json.dumps({"models": [{"id": "new", "source": "owner/new"}], "serial": 1}))
        key = tmp_path / "publisher.key"
        public = run("registry", "keygen", str(key)).stdout.strip()
        assert "serial 1" in run("registry", "sign", str(catalogue), "--key", str(key)).stderr
        site.routes["/r.json"] = Answer(catalogue.read_bytes())
        site.routes["/r.json.sig"] = Answer((tmp_path / "models_registry.json.sig").read_bytes())
        monkeypatch.setenv("OMINIX_REGISTRY_URL", f"{site.url}/r.json")
        monkeypatch.setenv("OMINIX_REGISTRY_KEY", public)
        assert "(signed, serial 1)" in run("registry", "update").stderr

    def test_a_faulty_registry_is_not_signed(self, tmp_path: Path) -> None:
        key = tmp_path / "publisher.key"
        run("registry", "keygen", str(key))
        faulty = tmp_path / "r.json"
        faulty.write_text('{"models": [{"id": "BAD"}]}')
        assert "was not signed" in str(run("registry", "sign", str(faulty), "--key", str(key)).exception)

    @pytest.mark.parametrize("content", [None, "not base64!", "AAAA"])
    def test_a_key_that_is_none(self, tmp_path: Path, content: str | None) -> None:
        registry, key = tmp_path / "r.json", tmp_path / "x.key"
        registry.write_text('{"models": []}')
        if content is not None:
            key.write_text(content)
        result = run("registry", "sign", str(registry), "--key", str(key))
        assert str(key) in str(result.exception)
