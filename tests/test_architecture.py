"""The shape of the house: who may import whom, and what must stay unimported until it is needed."""

from __future__ import annotations

import subprocess
import sys

import pytest
from importlinter.api import read_configuration

HEAVY = {"mlx", "mlx_lm", "transformers", "numpy", "textual", "pydantic", "httpx", "huggingface_hub", "fastapi"}


def test_import_contracts_hold() -> None:
    """In a process of its own, because import-linter switches off every logger that there is."""
    assert read_configuration()["contracts_options"], "pyproject.toml holds the contracts"
    script = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def _imported_by(code: str) -> set[str]:
    script = f"{code}\nimport sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(result.stdout.split())


@pytest.mark.parametrize("package", ["ominix_core", "ominix_tui", "ominix_core.registry", "ominix_core.workers"])
def test_package_roots_are_light(package: str) -> None:
    assert not _imported_by(f"import {package}") & (HEAVY | {"typer", "rich"})


def test_the_command_line_starts_light() -> None:
    assert not _imported_by("import ominix_tui.cli") & HEAVY


def test_the_hub_starts_light_and_never_imports_a_model_library() -> None:
    """The screen waits for it; pydantic is for the server, which needs it for FastAPI."""
    load = "from ominix_core.registry.catalogue import Registry; assert not Registry.bundled().problems"
    assert not _imported_by(f"import ominix_core.hub; {load}") & (HEAVY | {"ssl", "difflib"})
