"""What models that see keep on disk: prefixes with their images, found again after the next load."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ominix_core.generation import ChatMessage
from tests.support.tiny_vision_models import make_tiny_vlm, picture
from tests.vision.conftest import Driver, asking, turn

RED, BLUE = picture("red"), picture("blue")
FAMILIES = ["qwen3_vl", "gemma3", "smolvlm", "gemma4"]

Drive = Callable[..., Driver]


@pytest.fixture
def options(tmp_path: Path) -> dict[str, object]:
    return {"cache_folder": str(tmp_path / "cache"), "cache_bytes": 100_000_000}


def kept(options: dict[str, object]) -> list[Path]:
    return sorted(Path(str(options["cache_folder"])).glob("*"))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_conversation_goes_on_after_the_next_load(family: str, drive: Drive, options: dict[str, object]) -> None:
    before = drive(family, **options)
    first = before.ask(asking(turn("Look", RED)))
    before.close()
    history = (turn("Look", RED), ChatMessage("assistant", first.text), turn("and now?", BLUE))
    warm = drive(family, **options).ask(asking(*history))
    assert warm.end.usage.cached_tokens >= first.end.usage.prompt_tokens - 1
    assert warm.tokens == drive(family).ask(asking(*history)).tokens


def test_the_same_words_about_another_image_find_no_cache_of_it(drive: Drive, options: dict[str, object]) -> None:
    before = drive(**options)
    before.ask(asking(turn("What is this?", RED)))
    before.close()
    other = drive(**options).ask(asking(turn("What is this?", BLUE)))
    # what comes before the image may be shared, the image not
    assert other.end.usage.cached_tokens < other.end.usage.prompt_tokens - 10
    assert other.tokens == drive().ask(asking(turn("What is this?", BLUE))).tokens


def test_quantized_caches_are_kept_too(tmp_path: Path, drive: Drive, options: dict[str, object]) -> None:
    text = {"hidden_size": 64, "head_dim": 32, "num_attention_heads": 2, "num_key_value_heads": 1}
    folder = make_tiny_vlm(tmp_path / "model", "smolvlm", text=text)
    before = drive(folder, kv_bits=8, **options)
    first = before.ask(asking(turn("Look", RED)))
    history = (turn("Look", RED), ChatMessage("assistant", first.text), turn("and now?"))
    same = before.ask(asking(*history))
    before.close()
    after = drive(folder, kv_bits=8, **options).ask(asking(*history))
    assert after.end.usage.cached_tokens >= same.end.usage.cached_tokens
    assert len(after.tokens) == len(same.tokens)


def test_no_more_of_the_disk_is_taken_than_allowed(drive: Drive, options: dict[str, object]) -> None:
    driver = drive(**options | {"cache_bytes": 1000})
    driver.ask(asking(turn("Look", RED)))
    driver.close()
    assert kept(options) == []


def test_a_damaged_cache_is_dropped(drive: Drive, options: dict[str, object]) -> None:
    before = drive(**options)
    before.ask(asking(turn("Look", RED)))
    before.close()
    (path,) = kept(options)
    path.write_bytes(path.read_bytes()[:100])
    told = drive(**options).ask(asking(turn("Look", RED)))
    assert told.end.usage.cached_tokens == 0
    assert kept(options) == []


def test_what_is_more_than_keys_and_values_is_not_kept(
    drive: Drive, options: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = drive(**options)
    driver.ask(asking(turn("Look", RED)))
    monkeypatch.setattr("ominix_core.engines.vision_caches._plain_caches", dict)
    driver.close()
    assert kept(options) == []
