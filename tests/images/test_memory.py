"""What the guard and the engine think that images take."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ominix_core.guard import MemoryGuard
from ominix_core.image_memory import ImageMemory, is_image_model, need_of_images
from ominix_core.memory import GB, Machine
from ominix_core.registry.entry_json import read_entry
from ominix_core.settings import Settings
from tests.images.conftest import image_entry

KLEIN = ImageMemory()


def fake_model(folder: Path, number_type: str, sizes: dict[str, int]) -> Path:
    """Weights of these sizes, as far as headers and the disk tell."""
    for part, size in sizes.items():
        (folder / part).mkdir(parents=True)
        header = json.dumps({"a": {"dtype": number_type, "shape": [1], "data_offsets": [0, 2]}}).encode()
        with (folder / part / "model.safetensors").open("wb") as file:
            file.write(len(header).to_bytes(8, "little") + header)
            file.truncate(size)
    return folder


SIZES = {"transformer": 7_750_000_000, "text_encoder": 8_050_000_000, "vae": 170_000_000}


def test_larger_images_take_more_and_pieces_less() -> None:
    sides = (256, 512, 1024, 2048)
    needs = [KLEIN.bytes_for(side, side) for side in sides]
    assert needs == sorted(needs)
    assert KLEIN.bytes_for(1024, 1024, sources=[1024 * 1024]) >= needs[2]
    assert KLEIN.bytes_for(2048, 2048, tiled=True) < needs[3] / 3
    assert 3 * GB < needs[2] < 6 * GB


def test_the_guard_counts_every_part_and_an_image(tmp_path: Path) -> None:
    folder = fake_model(tmp_path / "klein", "BF16", SIZES)
    assert is_image_model(folder)
    whole = need_of_images(folder, 0, dense_float32=False)
    assert whole.weights == pytest.approx(1.05 * sum(SIZES.values()))
    assert whole.kv_cache == KLEIN.bytes_for(1024, 1024)
    assert need_of_images(folder, 4, dense_float32=False).weights < whole.weights / 3
    assert need_of_images(folder, 0, dense_float32=True).weights == pytest.approx(2 * whole.weights)
    assert need_of_images(folder, 0, dense_float32=False, floor=40 * GB).total == 40 * GB


def test_quantized_weights_stay_as_they_are(tmp_path: Path) -> None:
    folder = fake_model(tmp_path / "klein", "U32", SIZES)
    assert need_of_images(folder, 4, dense_float32=True).weights == pytest.approx(1.05 * sum(SIZES.values()))


def test_the_guard_refuses_what_cannot_fit_and_lets_in_what_is_quantized(tmp_path: Path) -> None:
    folder = fake_model(tmp_path / "klein", "BF16", SIZES)
    entry = read_entry(image_entry("klein", folder, "flux2", "klein-4b"))
    machine = Machine(24 * GB, 16 * GB)
    refused = MemoryGuard(Settings(), read_machine=lambda: machine).weigh(entry, folder, 0)
    assert not refused.fits
    assert "only 15.4 GB available" in refused.message
    taken = MemoryGuard(Settings(quantize={"klein": 4}), read_machine=lambda: machine).weigh(entry, folder, 0)
    assert taken.need.weights < refused.need.weights / 3
