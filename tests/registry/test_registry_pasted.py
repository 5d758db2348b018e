"""What people paste for a repository: addresses of its pages, names with a revision, and what is neither."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ominix_core.errors import RegistryError, UnknownModelError
from ominix_core.registry.catalogue import Registry
from ominix_core.registry.pasted import Pasted, read

MIRROR = "https://mirror.example/hf"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("org/name", Pasted("org/name")),
        (" org/name/ ", Pasted("org/name")),
        ("\u200borg/name\u2060", Pasted("org/name")),
        ("org/name@", Pasted("org/name")),
        ("org/name@v1.0", Pasted("org/name", "v1.0")),
        ("org/name@refs/pr/3", Pasted("org/name", "refs/pr/3")),
        ("https://huggingface.co/org/name", Pasted("org/name")),
        ("<https://huggingface.co/org/name/>", Pasted("org/name")),
        ("HTTP://HuggingFace.co/org/name", Pasted("org/name")),
        ("huggingface.co/org/name", Pasted("org/name")),
        ("www.huggingface.co/org/name", Pasted("org/name")),
        ("hf.co/org/name", Pasted("org/name")),
        ("https://hf.co/org/name.git", Pasted("org/name")),
        ("https://huggingface.co/org/name?library=mlx#files", Pasted("org/name")),
        ("https://huggingface.co/org/name/discussions/12", Pasted("org/name")),
        ("https://huggingface.co/org/name/tree/main", Pasted("org/name", "main")),
        ("https://huggingface.co/org/name/tree/refs%2Fpr%2F3", Pasted("org/name", "refs/pr/3")),
        ("https://huggingface.co/org/name/tree/v2/4bit/mlx", Pasted("org/name", "v2", "4bit/mlx")),
        ("https://huggingface.co/org/name/blob/main/config.json", Pasted("org/name", "main")),
        ("https://huggingface.co/org/name/resolve/main/a.safetensors?download=true", Pasted("org/name", "main")),
        ("https://huggingface.co/org/name/commit/0123abc", Pasted("org/name", "0123abc")),
        ("https://huggingface.co/api/models/org/name", Pasted("org/name")),
        ("https://user:hf_secret@huggingface.co/org/name", Pasted("org/name")),
        ("https://mirror.example/hf/org/name/tree/main", Pasted("org/name", "main")),
        ("hf://org/name", Pasted("org/name")),
        ("hf://models/org/name@v2/config.json", Pasted("org/name", "v2")),
        ("hf://org/name/config.json", Pasted("org/name")),
        ("hf://org/name@refs/pr/3/config.json", Pasted("org/name", "refs/pr/3")),
        ("https://modelscope.cn/models/org/name", Pasted("org/name", is_modelscope=True)),
        ("www.modelscope.cn/models/org/name/files", Pasted("org/name", is_modelscope=True)),
    ],
)
def test_what_names_a_repository(text: str, expected: Pasted) -> None:
    assert read(text, MIRROR) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("name", "owner/name"),
        ("", "owner/name"),
        ("a/b/c", "owner/name"),
        ("../x/y", "owner/name"),
        ("org/name@../x", "revision"),
        ("https://huggingface.co/org", "owner/name"),
        ("https://huggingface.co/datasets/org/name", "a data set, not a model"),
        ("hf.co/spaces/org/name", "a space, not a model"),
        ("hf://datasets/org/name", "a data set, not a model"),
        ("https://github.com/ml-explore/mlx-lm", "no address of a model"),
        ("https://[broken", "no address of a model"),
        ("file:///etc/passwd", "no address of a model"),
    ],
)
def test_what_names_none_is_told(text: str, why: str) -> None:
    with pytest.raises(RegistryError, match=why):
        read(text, MIRROR)


def test_a_token_in_an_address_is_not_shown() -> None:
    with pytest.raises(RegistryError) as refusal:
        read("https://user:hf_secret@example.com/org/name", MIRROR)
    assert "hf_secret" not in str(refusal.value)


class TestLookingUp:
    @pytest.mark.parametrize(
        "name",
        [
            "https://huggingface.co/mlx-community/Qwen3-8B-8bit",
            "hf.co/mlx-community/Qwen3-8B-8bit/tree/main",
            "hf://mlx-community/qwen3-8b-8bit",
            "mlx-community/Qwen3-8B-8bit@main",
        ],
    )
    def test_the_address_of_a_model_in_the_registry_names_it(self, layered: Callable[..., Registry], name: str) -> None:
        assert layered().resolve(name).id == "qwen3-8b"

    @pytest.mark.parametrize(
        ("name", "command"),
        [
            ("https://huggingface.co/org/brand-new-model", "ominix registry add org/brand-new-model"),
            ("org/brand-new-model", "ominix registry add org/brand-new-model"),
            ("hf.co/mlx-community/Qwen3-8B-8bit/tree/v9", "ominix registry add mlx-community/Qwen3-8B-8bit@v9"),
        ],
    )
    def test_of_another_repository_it_says_how_to_add_it(
        self, layered: Callable[..., Registry], name: str, command: str
    ) -> None:
        with pytest.raises(UnknownModelError) as refusal:
            layered().resolve(name)
        assert str(refusal.value).endswith(command)

    @pytest.mark.parametrize("name", ["qwen", "https://example.com/x/y", "https://modelscope.cn/models/o/n", "a b/c"])
    def test_other_names_are_unknown_as_ever(self, layered: Callable[..., Registry], name: str) -> None:
        with pytest.raises(UnknownModelError) as refusal:
            layered().resolve(name)
        assert "registry add" not in str(refusal.value)
