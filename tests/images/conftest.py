"""Tiny image models, and hubs that know them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ominix_core.hub import Hub
from ominix_core.paths import Home
from ominix_core.settings import Settings
from tests.conftest import local_entry
from tests.support.tiny_images import make_tiny_flux2, make_tiny_z_image


@pytest.fixture(scope="session")
def tiny_flux2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random FLUX.2 klein. Tests must not change it."""
    return make_tiny_flux2(tmp_path_factory.mktemp("models") / "tiny-flux2")


@pytest.fixture(scope="session")
def tiny_z_image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Z-Image-Turbo. Tests must not change it."""
    return make_tiny_z_image(tmp_path_factory.mktemp("models") / "tiny-z-image")


def image_entry(model_id: str, folder: Path, engine: str, variant: str, **fields: Any) -> dict[str, Any]:
    """A registry entry for an image model in this folder."""
    runtime = {"engine": engine, "variant": variant, "api_type": "image_generation", "parameters": "0.1M"}
    defaults = {"steps": 2, "sizes": ["64x64", "96x64"]}
    ui = {"panel_type": "ImageGeneration", "color": "#ec4899"}
    return local_entry(model_id, folder, category="ImageGen", runtime=runtime, defaults=defaults, ui=ui) | fields


@pytest.fixture
def image_hub(home: Home, add_models: Callable[..., None], tiny_flux2: Path, tiny_z_image: Path) -> Iterator[Hub]:
    """A hub that knows "flux", its undistilled twin "flux-base" and "z", with workers on threads."""
    add_models(
        image_entry("flux", tiny_flux2, "flux2", "klein-4b"),
        image_entry("flux-base", tiny_flux2, "flux2", "klein-base-4b"),
        image_entry("z", tiny_z_image, "z-image", "turbo"),
    )
    with Hub(home, Settings(isolation="thread")) as hub:
        yield hub
