"""A setting that singles out a model of a kind that cannot honour it is refused by name, not ignored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ominix_core.engines import ENGINES, create_engine
from ominix_core.engines.base import LoadOptions
from ominix_core.errors import LoadError

DRAFT, ADAPTER, BITS = (
    ("draft_models", "draft_folder", "/d"),
    ("adapters", "adapter_folder", "/a"),
    ("quantize", "bits", 4),
)
REFUSED = {
    "mlx-lm": [BITS],
    "mlx-lm-embedding": [DRAFT, BITS],
    "mlx-vlm": [DRAFT, ADAPTER, BITS],
    "moxin-vlm": [DRAFT, ADAPTER, BITS],
    "mlx-audio": [DRAFT, ADAPTER, BITS],
    "paraformer": [DRAFT, ADAPTER, BITS],
    "mlx-audio-tts": [DRAFT, ADAPTER, BITS],
    "flux2": [DRAFT, ADAPTER],
    "z-image": [DRAFT, ADAPTER],
}


def test_every_engine_is_looked_at() -> None:
    assert REFUSED.keys() == ENGINES.keys()


@pytest.mark.parametrize(
    ("engine", "setting", "option", "value"),
    [(engine, *refused) for engine, settings in REFUSED.items() for refused in settings],
)
def test_what_it_cannot_honour(engine: str, setting: str, option: str, value: Any, tmp_path: Path) -> None:
    folder = tmp_path / "some-model"
    folder.mkdir()
    options = LoadOptions(**{option: value})
    with pytest.raises(LoadError, match=f"The setting '{setting}' cannot be used with some-model") as refusal:
        create_engine(engine).load(folder, options, lambda *_: None)
    assert "config.toml" in str(refusal.value)
