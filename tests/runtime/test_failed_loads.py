"""Failed loads: which file of which model, why, and the step that helps."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ominix_core.engines.base import LoadOptions
from ominix_core.engines.chat import ChatEngine
from ominix_core.engines.load_errors import explained
from ominix_core.errors import DamagedModelError, LoadError, NotReadyError
from ominix_core.hub import Hub
from ominix_core.paths import Home
from ominix_core.settings import Settings
from ominix_core.states import Error
from tests.conftest import local_entry
from tests.support.tiny_models import make_tiny_llm

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "ab" * 32 + "\nsize 531243\n"
PAGE = "\n<!DOCTYPE html>\n<html><body>Please sign in</body></html>"
AGAIN = " Get the model again."


def write(name: str, content: str | bytes) -> Callable[[Path], Any]:
    return lambda folder: (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def configured(**values: Any) -> Callable[[Path], Any]:
    def change(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text()) | values
        kept = {name: value for name, value in config.items() if value is not None}
        (folder / "config.json").write_text(json.dumps(kept))

    return change


def sharded(folder: Path) -> None:
    import mlx.core as mx

    weights = mx.load(str(folder / "model.safetensors"))
    assert isinstance(weights, dict)
    names = sorted(weights)
    shards = [f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    for number, shard in enumerate(shards):
        mx.save_safetensors(str(folder / shard), {name: weights[name] for name in names[number::2]})
    index = {"weight_map": {name: shards[number % 2] for number, name in enumerate(names)}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "model.safetensors").unlink()


def without_a_shard(folder: Path) -> None:
    sharded(folder)
    (folder / "model-00002-of-00002.safetensors").unlink()


def without_a_named_shard(folder: Path) -> None:
    without_a_shard(folder)
    (folder / "model.safetensors.index.json").unlink()


def without_an_array(folder: Path) -> None:
    import mlx.core as mx

    weights = mx.load(str(folder / "model.safetensors"))
    assert isinstance(weights, dict)
    del weights["model.norm.weight"]
    mx.save_safetensors(str(folder / "model.safetensors"), weights)


def cut(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-5000])


def double(folder: Path) -> None:
    header = json.dumps({"model.norm.weight": {"dtype": "F64", "shape": [2], "data_offsets": [0, 16]}}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(16))


def renamed(name: str) -> Callable[[Path], Any]:
    return lambda folder: (folder / "model.safetensors").rename(folder / name)


def newer(folder: Path) -> None:
    configured(model_type="zzz_new")(folder)
    (folder / "README.md").write_text("converted to MLX format using mlx-lm version **99.1.0**.")


CASES: dict[str, tuple[Callable[[Path], Any], str, bool]] = {
    # what is done to the files, what is said, whether the same files may be right when fetched again
    "weights in Git LFS": (
        write("model.safetensors", POINTER),
        "model.safetensors of sick is a Git LFS pointer",
        False,
    ),
    "tokenizer in Git LFS": (write("tokenizer.json", POINTER), "tokenizer.json of sick is a Git LFS pointer", False),
    "configuration in Git LFS": (write("config.json", POINTER), "Run `git lfs pull` in its folder.", False),
    "a page for the configuration": (write("config.json", PAGE), "config.json of sick holds a web page", True),
    "a page for the weights": (write("model.safetensors", PAGE), "model.safetensors of sick holds a web page", True),
    "a page for the tokenizer": (write("tokenizer.json", PAGE), "tokenizer.json of sick holds a web page", True),
    "a byte order mark": (
        lambda folder: (folder / "config.json").write_text((folder / "config.json").read_text(), "utf-8-sig"),
        "config.json of sick begins with a byte order mark, as some editors write it. Save it as UTF-8 without one.",
        False,
    ),
    "UTF-16": (
        write("config.json", '{"model_type": "llama"}'.encode("utf-16")),
        "begins with a byte order mark",
        False,
    ),
    "half a configuration": (
        write("config.json", '{"model_type":\n "llama", '),
        "config.json of sick is no valid JSON: Expecting property name enclosed in double quotes in line 2, column 11.",
        True,
    ),
    "Latin-1": (
        write("config.json", b'{"model_type": "\xe9"}'),
        "config.json of sick is no valid JSON: it is not UTF-8",
        True,
    ),
    "no configuration": (lambda folder: (folder / "config.json").unlink(), "config.json of sick is missing.", True),
    "a shard": (without_a_shard, "model-00002-of-00002.safetensors of sick is missing.", True),
    "a shard that no index names": (
        without_a_named_shard,
        "model-00002-of-00002.safetensors of sick is missing.",
        True,
    ),
    "an array": (without_an_array, "weights of sick do not fit its config.json: they lack one array: model.norm", True),
    "other sizes": (configured(num_hidden_layers=3), "do not fit its config.json: they lack 9 arrays, such as", True),
    "cut weights": (cut, "model.safetensors of sick is cut short: it has", True),
    "empty weights": (write("model.safetensors", b""), "model.safetensors of sick is empty.", True),
    "noise for weights": (
        write("model.safetensors", b"\x00" * 99),
        "model.safetensors of sick is cut short or damaged",
        True,
    ),
    "64-bit weights": (double, "holds weights of the type F64, which MLX cannot read. Convert", False),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "sick has no weights", True),
    "names of old conversions": (
        renamed("weights.00.safetensors"),
        "are called weights.00.safetensors, but only",
        False,
    ),
    "PyTorch's weights": (renamed("pytorch_model.bin"), "it has pytorch_model.bin. Convert the model", False),
    "an unknown architecture": (
        configured(model_type="zzz_new"),
        "cannot run 'zzz_new', the architecture of sick. A later one may: update Ominix.",
        False,
    ),
    "an architecture of a later library": (newer, "It was made with mlx-lm 99.1.0: update Ominix to a version", False),
    "a model that sees": (
        configured(model_type="florence2"),
        "mlx-vlm can: let its entry in the registry be of the category VLM.",
        False,
    ),
    "a value of another kind": (configured(eos_token_id="x"), "of sick has a value for 'eos_token_id' that", False),
    "a value left out": (
        configured(hidden_size=None, rms_norm_eps=None),
        "config.json of sick lacks 'hidden_size' and more, which its architecture needs.",
        False,
    ),
    "no architecture": (configured(model_type=None), "config.json of sick names no model_type", False),
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_llm(tmp_path_factory.mktemp("sound") / "sound", "llama")


@pytest.mark.parametrize("local", [True, False], ids=["Local", "fetched"])
@pytest.mark.parametrize("case", CASES)
def test_what_a_failed_load_says(sound: Path, tmp_path: Path, case: str, local: bool) -> None:
    change, words, fetch_again = CASES[case]
    folder = shutil.copytree(sound, tmp_path / "sick")
    change(folder)
    with pytest.raises(LoadError) as raised:
        ChatEngine().load(folder, LoadOptions(local=local), lambda *_: None)
    said = str(raised.value)
    assert words in said
    assert said.endswith(AGAIN) == (fetch_again and not local)
    assert len(said) < 600
    assert "\n" not in said
    assert ".." not in said.replace("…", "")
    assert str(tmp_path) not in said


def test_a_leftover_index_hinders_nobody(sound: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(sound, tmp_path / "whole")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "model-1-of-1.safetensors"}}))
    ChatEngine().load(folder, LoadOptions(), lambda *_: None)
    both = shutil.copytree(sound, tmp_path / "both")
    sharded(both)
    ChatEngine().load(both, LoadOptions(), lambda *_: None)


def test_what_a_library_says_at_length_is_shortened(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    with pytest.raises(LoadError) as raised, explained(tmp_path / "m", LoadOptions(), "mlx-lm"):
        raise RuntimeError(f"it went\nwrong in {tmp_path / 'm'}/x: " + "many words, " * 100)
    assert str(raised.value).startswith("The files of m cannot be read: it went wrong in x: many words,")
    assert len(str(raised.value)) < 320
    said = r"^m has no voices\. Get the model again\.$"
    with pytest.raises(LoadError, match=said), explained(tmp_path / "m", LoadOptions(), "mlx-lm"):
        raise DamagedModelError("m has no voices.")


def test_the_list_tells_pointers_in_place_of_weights(
    home: Home, add_models: Callable[..., None], sound: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(sound, tmp_path / "pointed")
    (folder / "model.safetensors").write_text(POINTER)
    add_models(local_entry("pointed", folder))
    with Hub(home, Settings(isolation="thread")) as hub:
        state = hub.state("pointed")
        assert isinstance(state, Error)
        assert "git lfs pull" in state.message
        with pytest.raises(NotReadyError, match="git lfs pull"):
            hub.load("pointed")
        shutil.copy(sound / "model.safetensors", folder)
        hub.load("pointed").result(60)


LORA = {"fine_tune_type": "lora", "num_layers": 1, "lora_parameters": {"rank": 4, "scale": 2.0, "dropout": 0.0}}
PEFT = {"peft_type": "LORA", "r": 4, "lora_alpha": 8}


class TestAdapters:
    @pytest.mark.parametrize(
        ("config", "arrays", "words"),
        [
            (PEFT, {}, "it is a PEFT adapter, which MLX cannot read."),
            (None, {"adapter_model.safetensors": {}}, "it is a PEFT adapter"),
            (None, {"adapters.safetensors": {}}, "it has no adapter_config.json."),
            (LORA, {}, "it has no adapters.safetensors."),
            ({"fine_tune_type": "lora"}, {"adapters.safetensors": {}}, "does not say over how many layers"),
            (LORA | {"num_layers": 99}, {"adapters.safetensors": {}}, "it does not fit the model, or is damaged"),
            (LORA, {"adapters.safetensors": {"model.x.lora_a": (4, 4)}}, "it does not fit the model, or is damaged"),
            (LORA, {"adapters.safetensors": POINTER}, "adapters.safetensors of mine is a Git LFS pointer"),
        ],
    )
    def test_a_bad_one_is_told_by_its_path(
        self, sound: Path, tmp_path: Path, config: Any, arrays: dict[str, Any], words: str
    ) -> None:
        import mlx.core as mx

        adapter = tmp_path / "mine"
        adapter.mkdir()
        if config is not None:
            (adapter / "adapter_config.json").write_text(json.dumps(config))
        for file, content in arrays.items():
            if isinstance(content, str):
                (adapter / file).write_text(content)
            else:
                shapes = {"placeholder.lora_a": (2, 2)} | content
                mx.save_safetensors(str(adapter / file), {name: mx.zeros(shape) for name, shape in shapes.items()})
        self.check(sound, adapter, words)

    def test_one_that_is_not_there(self, sound: Path, tmp_path: Path) -> None:
        self.check(sound, tmp_path / "nowhere", "there is no such folder.")

    def check(self, sound: Path, adapter: Path, words: str) -> None:
        with pytest.raises(LoadError) as raised:
            ChatEngine().load(sound, LoadOptions(adapter_folder=str(adapter)), lambda *_: None)
        said = str(raised.value)
        assert said.startswith(f"The adapter {adapter} cannot be used with sound: ")
        assert words in said
        assert "[adapters] in config.toml" in said
        assert "\n" not in said
        assert "Get the model again" not in said


def test_a_bad_draft_model_is_told_by_its_own_name(sound: Path, tmp_path: Path) -> None:
    draft = shutil.copytree(sound, tmp_path / "helper")
    (draft / "model.safetensors").write_text(POINTER)
    with pytest.raises(LoadError, match=r"model\.safetensors of helper is a Git LFS pointer"):
        ChatEngine().load(sound, LoadOptions(draft_folder=str(draft)), lambda *_: None)
