"""LoRA adapters that settings put over a model's weights."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from ominix_core.engines.load_errors import reason_of
from ominix_core.errors import LoadError
from ominix_core.memory import read_config
from ominix_core.model_files import fault_in

logger = logging.getLogger(__name__)

_CONFIG, _WEIGHTS = "adapter_config.json", "adapters.safetensors"


def with_adapter(model: Any, folder: Path, adapter: Path) -> Any:
    """The model in `folder` with the adapter over it. Raises LoadError that names the adapter."""
    from mlx_lm.utils import load_adapters

    try:
        if fault := _fault(adapter):
            raise _refusal(folder, adapter, fault)
        return load_adapters(model, str(adapter))
    except LoadError:
        raise
    except Exception as error:
        logger.exception("reading the adapter %s failed", adapter)
        found = fault_in(adapter)
        fault = found.text if found else f"it does not fit the model, or is damaged: {reason_of(error, adapter)}"
        raise _refusal(folder, adapter, fault) from error


def _refusal(folder: Path, adapter: Path, fault: str) -> LoadError:
    return LoadError(
        f"The adapter {adapter} cannot be used with {folder.name}: {fault} "
        "Correct it under [adapters] in config.toml, or take it out there."
    )


def _fault(adapter: Path) -> str:
    """What can be told before the adapter is read; empty if nothing."""
    if not adapter.is_dir():
        return "there is no such folder."
    config = read_config(adapter, _CONFIG)
    if "peft_type" in config or (adapter / "adapter_model.safetensors").is_file():
        return "it is a PEFT adapter, which MLX cannot read. Convert it, or train one with mlx_lm.lora."
    missing = next((name for name in (_CONFIG, _WEIGHTS) if not (adapter / name).is_file()), None)
    if missing is not None:
        return f"it has no {missing}."
    if config and "num_layers" not in config and config.get("fine_tune_type", "lora") != "full":
        return f"its {_CONFIG} does not say over how many layers it goes (num_layers)."
    return ""
