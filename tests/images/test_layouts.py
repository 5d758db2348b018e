"""The layouts in which image models are published: quantized saves, and the names that OminiX gave FLUX.2's weights."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ominix_core.engines.base import LoadOptions
from ominix_core.engines.diffusion.ominix_names import common_name
from ominix_core.engines.diffusion.plans import plan_for
from ominix_core.engines.image import Flux2Engine, ImageEngine, ZImageEngine
from ominix_core.errors import LoadError
from tests.images.test_engine import asked

_OMINIX_NAMES = [
    (r"^transformer_blocks\.(\d+)\.attn\.to_([qkv])\.", r"double_blocks.\1.img_to_\2."),
    (r"^transformer_blocks\.(\d+)\.attn\.to_out\.0\.", r"double_blocks.\1.img_to_out."),
    (r"^transformer_blocks\.(\d+)\.attn\.norm_([qk])\.", r"double_blocks.\1.img_norm_\2."),
    (r"^transformer_blocks\.(\d+)\.attn\.add_([qkv])_proj\.", r"double_blocks.\1.txt_to_\2."),
    (r"^transformer_blocks\.(\d+)\.attn\.to_add_out\.", r"double_blocks.\1.txt_to_out."),
    (r"^transformer_blocks\.(\d+)\.attn\.norm_added_([qk])\.", r"double_blocks.\1.txt_norm_\2."),
    (r"^transformer_blocks\.(\d+)\.ff\.linear_", r"double_blocks.\1.img_mlp_"),
    (r"^transformer_blocks\.(\d+)\.ff_context\.linear_", r"double_blocks.\1.txt_mlp_"),
    (r"^single_transformer_blocks\.(\d+)\.attn\.to_qkv_mlp_proj\.", r"single_blocks.\1.to_qkv_mlp."),
    (r"^single_transformer_blocks\.(\d+)\.attn\.", r"single_blocks.\1."),
    (r"^double_stream_modulation_", "double_mod_"),
    (r"^single_stream_modulation\.", "single_mod."),
    (r"^time_guidance_embed\.timestep_embedder\.linear_", "time_embed_"),
    (r"^norm_out\.linear\.", "norm_out."),
]


def ominix_name(name: str) -> str:
    for pattern, replacement in _OMINIX_NAMES:
        name, found = re.subn(pattern, replacement, name)
        if found:
            return name
    return name


def load(engine: ImageEngine, folder: Path, **options: Any) -> ImageEngine:
    engine.load(folder, LoadOptions(**options), lambda *_: None)
    return engine


def pixels(engine: ImageEngine) -> np.ndarray[Any, np.dtype[np.int32]]:
    work = engine._model.make(plan_for(asked(), engine._model.limits, 5))
    while True:
        try:
            next(work)
        except StopIteration as made:
            return np.array(made.value).astype(np.int32)


def rewrite(folder: Path, change: Any) -> None:
    """Write the weights of a part anew, under the names and in the form that `change` gives them."""
    import mlx.core as mx

    (file,) = folder.glob("*.safetensors")
    weights: Any = mx.load(str(file))
    changed: dict[str, mx.array] = {}
    for name, array in weights.items():
        changed.update(change(name, array))
    mx.eval(changed)
    file.unlink()
    mx.save_safetensors(str(folder / "quantized_8bit.safetensors"), changed)


def quantized(name: str, array: Any, bits: int, group: int = 64) -> dict[str, Any]:
    """A matrix as packed weight, scales and biases; what cannot be quantized stays."""
    import mlx.core as mx

    if array.ndim != 2 or array.shape[-1] % group or not name.endswith(".weight"):
        return {name: array}
    stem = name.removesuffix(".weight")
    packed, scales, biases = mx.quantize(array, group, bits)
    return {f"{stem}.weight": packed, f"{stem}.scales": scales, f"{stem}.biases": biases}


@pytest.mark.parametrize("bits", [4, 8])
def test_a_quantized_save_without_configurations(tmp_path: Path, tiny_flux2: Path, bits: int) -> None:
    folder = Path(shutil.copytree(tiny_flux2, tmp_path / "quantized"))
    rewrite(folder / "transformer", lambda name, array: quantized(name, array, bits))
    dense, small = load(Flux2Engine(), tiny_flux2), load(Flux2Engine(), folder)
    same = load(Flux2Engine(), tiny_flux2, bits=bits)
    assert np.abs(pixels(small) - pixels(dense)).mean() < (64 if bits == 4 else 16)
    assert np.array_equal(
        np.array(small._model._transformer.proj_out.scales),  # type: ignore[attr-defined]
        np.array(same._model._transformer.proj_out.scales),  # type: ignore[attr-defined]
    )


def test_ominix_names(tmp_path: Path, tiny_flux2: Path) -> None:
    """As in moxin-org/FLUX.2-klein-4B-8bit-mlx: other names, 8 bits in groups of 64, scales in float32."""
    common, ominix = (Path(shutil.copytree(tiny_flux2, tmp_path / name)) for name in ("common", "ominix"))
    rewrite(common / "transformer", lambda name, array: quantized(name, array, 8))
    seen: list[str] = []

    def rename(name: str, array: Any) -> dict[str, Any]:
        seen.append(name)
        return quantized(ominix_name(name), array, 8)

    rewrite(ominix / "transformer", rename)
    changed = [name for name in seen if ominix_name(name) != name]
    assert len(changed) > len(seen) * 0.9
    for name in changed:
        expected = name.replace("timestep_embedder.", "").replace(".to_out.0.", ".to_out.")
        assert common_name(ominix_name(name)) == expected
    assert np.array_equal(pixels(load(Flux2Engine(), ominix)), pixels(load(Flux2Engine(), common)))


def test_z_image_without_configurations_is_taken_for_the_usual_size(tmp_path: Path, tiny_z_image: Path) -> None:
    folder = Path(shutil.copytree(tiny_z_image, tmp_path / "bare"))
    for config in folder.glob("*/config.json"):
        config.unlink()
    with pytest.raises(LoadError, match=r"do not fit|lack"):  # this one is tiny
        load(ZImageEngine(), folder)


def test_weights_of_no_such_model_are_told(tmp_path: Path, tiny_flux2: Path) -> None:
    folder = Path(shutil.copytree(tiny_flux2, tmp_path / "odd"))
    rewrite(folder / "transformer", lambda name, array: {name: array, f"{name}.odd": array})
    with pytest.raises(LoadError, match=r"hold .*odd, which this kind of model does not have"):
        load(Flux2Engine(), folder)
