"""Whole pipelines against diffusers, by arrays that `tests/support/golden_images.py` recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ominix_core.engines.diffusion.family import Plan, as_pixels
from ominix_core.engines.diffusion.plans import plan_for
from ominix_core.media import ImageRequest
from tests.support import golden_images as golden
from tests.support.odd_images import encoded

Array = np.ndarray[Any, np.dtype[np.float32]]
TOLERANCE = 1e-3


@pytest.fixture(scope="module")
def recorded() -> dict[str, Array]:
    with np.load(Path(golden.__file__).with_suffix(".npz")) as arrays:
        return dict(arrays)


def plan(steps: int, **asked: Any) -> Plan:
    settings: dict[str, Any] = {
        "prompt": golden.PROMPT,
        "negative_prompt": "",
        "width": golden.WIDTH,
        "height": golden.HEIGHT,
        "steps": steps,
        "guidance": 1.0,
        "seed": golden.SEED,
        "sources": (),
        "strength": 1.0,
        "previews": False,
        "keep_encoder": True,
        "tiled": False,
    }
    return Plan(**(settings | asked))


def make(model: Any, asked: Plan, monkeypatch: pytest.MonkeyPatch) -> Array:
    """The image in 0..1, before it is rounded."""
    import mlx.core as mx

    decoded: list[mx.array] = []

    def keeping(array: mx.array) -> mx.array:
        decoded.append(array)
        return as_pixels(array)

    monkeypatch.setattr(f"{type(model).__module__}.as_pixels", keeping)
    for _ in model.make(asked):
        pass
    return np.array(mx.clip(decoded[-1][0].transpose(1, 2, 0) / 2 + 0.5, 0, 1))


def as_png(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    return encoded(Image.fromarray(pixels))


def flux2(folder: Path, variant: str) -> Any:
    import mlx.core as mx

    from ominix_core.engines.diffusion.flux2 import Flux2

    model = Flux2(folder, variant, mx.float32)
    model.load(0, lambda *_: None)
    return model


def z_image(folder: Path, variant: str) -> Any:
    import mlx.core as mx

    from ominix_core.engines.diffusion.z_image import ZImage

    model = ZImage(folder, variant, mx.float32)
    model.load(0, lambda *_: None)
    return model


@pytest.mark.parametrize(
    ("name", "variant", "guidance", "pictures"),
    [
        ("flux2", "klein-4b", 1.0, []),
        ("flux2_base", "klein-base-4b", golden.BASE_GUIDANCE, []),
        ("flux2_edit", "klein-4b", 1.0, [golden.source_picture()]),
        ("flux2_combined", "klein-4b", 1.0, [golden.source_picture(), *golden.further_pictures()]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_flux2(
    tiny_flux2: Path,
    recorded: dict[str, Array],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    variant: str,
    guidance: float,
    pictures: list[np.ndarray[Any, np.dtype[np.uint8]]],
) -> None:
    model = flux2(tiny_flux2, variant)
    request = ImageRequest(prompt=golden.PROMPT, sources=tuple(map(as_png, pictures)))
    sources = plan_for(request, model.limits, golden.SEED).sources
    asked = plan(golden.FLUX2_STEPS, guidance=guidance, sources=sources)
    image = make(model, asked, monkeypatch)
    np.testing.assert_allclose(image, recorded[name], atol=TOLERANCE)


@pytest.mark.parametrize(
    ("name", "variant", "guidance"), [("z_image", "turbo", 0.0), ("z_image_base", "base", golden.BASE_GUIDANCE)]
)
def test_z_image(
    tiny_z_image: Path,
    recorded: dict[str, Array],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    variant: str,
    guidance: float,
) -> None:
    asked = plan(golden.Z_IMAGE_STEPS, guidance=guidance, negative_prompt=golden.NEGATIVE if guidance else "")
    image = make(z_image(tiny_z_image, variant), asked, monkeypatch)
    np.testing.assert_allclose(image, recorded[name], atol=TOLERANCE)
