"""The small files of a network: its configuration, its vocabulary, and what its features are normalised with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from funasr_mlx import pipeline
from numpy.typing import NDArray

from ominix_core.errors import DamagedModelError, LoadError

_TOKENS = "tokens.json"
_CMVN = "am.mvn"


def damaged(folder: Path, name: str, reason: str) -> LoadError:
    """The error of a file that cannot be used."""
    return DamagedModelError(f"{name} of {folder.name} cannot be used: {reason}")


def read_config(folder: Path) -> dict[str, Any]:
    """What config.yaml or config.json says. Raises LoadError."""
    name = next((name for name in ("config.yaml", "config.json") if (folder / name).is_file()), None)
    if name is None:
        raise damaged(folder, "config.yaml", "it is missing.")
    try:
        config: dict[str, Any] = pipeline.read_config(folder / name)
    except Exception as error:  # what YAML's parser raises is its own
        raise damaged(folder, name, "it is no valid configuration.") from error
    return config


def section(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A part of the configuration; empty if there is none."""
    found = config.get(name)
    return dict(found) if isinstance(found, Mapping) else {}


def known(kind: type, options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of `options` that are fields of the dataclass `kind`; FunASR's files hold others, for training."""
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in options.items() if name in names}


def read_tokens(folder: Path) -> list[str]:
    """The vocabulary. Raises LoadError."""
    try:
        tokens = json.loads((folder / _TOKENS).read_bytes())
    except FileNotFoundError as error:
        raise damaged(folder, _TOKENS, "it is missing.") from error
    except (OSError, ValueError) as error:
        raise damaged(folder, _TOKENS, "it is not JSON.") from error
    if not isinstance(tokens, list) or not tokens or not all(isinstance(token, str) for token in tokens):
        raise damaged(folder, _TOKENS, "it is not a list of tokens.")
    return tokens


def read_cmvn(folder: Path, width: int) -> NDArray[np.float32]:
    """What is added to the features and what they are multiplied with, (2, width). Raises LoadError."""
    try:
        words = (folder / _CMVN).read_text("utf-8").split()
    except FileNotFoundError as error:
        raise damaged(folder, _CMVN, "it is missing.") from error
    except (OSError, ValueError) as error:
        raise damaged(folder, _CMVN, "it is not text.") from error
    try:
        rows = [_row(words, name) for name in ("<AddShift>", "<Rescale>")]
    except ValueError as error:
        raise damaged(folder, _CMVN, "its two rows of numbers cannot be found.") from error
    wrong = next((len(row) for row in rows if len(row) != width), None)
    if wrong is not None:
        raise damaged(folder, _CMVN, f"it has {wrong} numbers in a row, not {width}.")
    values = np.array(rows, np.float32)
    if not np.isfinite(values).all():
        raise damaged(folder, _CMVN, "some of its numbers are none.")
    return values


def _row(words: Sequence[str], name: str) -> list[float]:
    """The numbers in brackets after `name`, in Kaldi's way of writing networks. Raises ValueError."""
    start = words.index("[", words.index(name))
    return [float(word) for word in words[start + 1 : words.index("]", start)]]
