"""Bringing a speech recognition model of mlx-audio into memory."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

from ominix_core.engines.base import LoadOptions, LoadReport
from ominix_core.engines.listening import Listener
from ominix_core.engines.load_errors import explained
from ominix_core.engines.loading import evaluate, refuse_code, to_float32
from ominix_core.engines.recognition import Recognizer
from ominix_core.engines.tokenizer import split_as_written
from ominix_core.engines.whisper import Whisper
from ominix_core.errors import LoadError
from ominix_core.mlx_setup import open_file_limit_kept, prepare


def load_recognizer(folder: Path, options: LoadOptions, report: LoadReport) -> Listener:
    """Load and evaluate the model in `folder`, in float32 on a CPU. Raises LoadError that names the folder."""
    refuse_code(folder, options)
    prepare()
    import mlx.core as mx

    report("reading")
    split_as_written(folder)
    with explained(folder, options, "mlx-audio"):
        with open_file_limit_kept(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what matters of them is checked below
            from mlx_audio.stt import load

            model = load(folder, lazy=True)
        is_whisper = type(model).__module__.endswith(".whisper")
        if is_whisper:
            _check_whisper(model, folder)
    on_cpu = not mx.metal.is_available()
    if on_cpu:
        to_float32(model)
    evaluate([model], report)
    mx.eval([list(module.values()) for module in model.modules()])  # some arrays are no parameters
    if is_whisper:
        return Whisper(model)
    return Recognizer(model, on_cpu)


def _check_whisper(model: Any, folder: Path) -> None:
    """Raise ValueError or LoadError if the tokenizer does not suit.

    Take the heads that align words, which mlx-audio misreads.
    """
    import numpy as np

    if model._processor is None:
        raise ValueError("its tokenizer.json or preprocessor_config.json is missing or damaged")
    # A missing token would become the end of the text without a word: noise for a transcript, and four times slower.
    vocabulary = model._processor.tokenizer.get_vocab()
    if "<|0.00|>" not in vocabulary:
        raise LoadError(
            f"The tokenizer of {folder.name} has no tokens for times (<|0.00|> and so on), without which Whisper "
            "writes nonsense. Get a newer conversion of the model."
        )
    try:
        heads = json.loads((folder / "generation_config.json").read_bytes()).get("alignment_heads")
    except (OSError, ValueError, AttributeError):
        return
    if isinstance(heads, list) and heads:
        model.set_alignment_heads(np.array(heads))
