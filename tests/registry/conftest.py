"""Fixtures for the registry: files of each layer, and a loopback web server that the program may talk to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ominix_core.addresses import LOOPBACK_SWITCH
from ominix_core.paths import Home
from ominix_core.registry.catalogue import Registry
from ominix_core.registry.document import parse_document
from ominix_core.registry.layers import Layer, restrain
from tests.registry.web import Site, serve

BUNDLED: dict[str, Any] = {
    "version": "1.0.0",
    "models": [
        {
            "id": "qwen3-8b",
            "name": "Qwen3 8B",
            "category": "LLM",
            "tags": ["multilingual", "code"],
            "source": {"type": "HuggingFace", "repo": "mlx-community/Qwen3-8B-8bit", "files": ["*.json"]},
            "runtime": {"memory_gb": 10.8, "context": 32768},
        },
        {
            "id": "flux-klein",
            "name": "FLUX.2-klein",
            "category": "ImageGen",
            "source": {"type": "HuggingFace", "repo": "owner/flux"},
        },
    ],
}


@pytest.fixture
def layered() -> Callable[..., Registry]:
    """Make a registry of a small bundled layer and what the test puts on top."""

    def make(
        fetched: list[Any] | None = None, user: list[Any] | None = None, signed: bool = False, bundled: Any = BUNDLED
    ) -> Registry:
        base = parse_document(json.dumps(bundled).encode(), Path("bundled.json"))
        layers = [Layer("bundled", base)]
        if fetched is not None:
            document = parse_document(json.dumps({"models": fetched}).encode(), Path("fetched.json"))
            layers.append(restrain(Layer("fetched", document, signed=signed), base))
        if user is not None:
            layers.append(Layer("user", parse_document(json.dumps({"models": user}).encode(), Path("user.json"))))
        return Registry.from_layers(layers)

    return make


@pytest.fixture
def write_override(home: Home) -> Callable[..., Path]:
    def write(*entries: Any) -> Path:
        home.registry_override.write_text(json.dumps({"version": "1.0.0", "models": entries}))
        return home.registry_override

    return write


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A web server on this machine, which the address rules let through for this test."""
    monkeypatch.setenv(LOOPBACK_SWITCH, "1")
    with serve() as site:
        yield site
