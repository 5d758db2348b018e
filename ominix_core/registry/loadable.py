"""What keeps a repository's model from being loaded, told before anything large is fetched.

Only what is certain counts: a model that might load is never refused.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
from collections.abc import Collection
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ominix_core.registry.dialects import JsonObject

_NEEDS_CONFIG = frozenset({"mlx-lm", "mlx-lm-embedding", "mlx-vlm", "mlx-audio", "mlx-audio-tts"})
_LIBRARIES = {"mlx-lm": "mlx_lm", "mlx-lm-embedding": "mlx_lm", "mlx-vlm": "mlx_vlm"}
_FAMILY_FOLDERS = ("models", "speculative/drafters")
# Of these, the library finds the family by more than the type.
_TOLD_OTHERWISE = ("model_file", "dflash_config", "speculators_model_type")
_OTHER_WEIGHTS = {
    "only GGUF weights": ("*.gguf",),
    "only weights of PyTorch": ("*.bin", "*.pt", "*.pth", "*.ckpt"),
    "only weights for ONNX": ("*.onnx",),
    "only weights as NumPy arrays": ("*.npz", "*.npy"),
    "only weights of TensorFlow or Flax": ("*.h5", "*.msgpack"),
    "only weights for Core ML": ("*.mlmodel", "*.mlpackage/*", "*.mlmodelc/*"),
}


def without_weights(name: str, names: Collection[str]) -> str:
    """Why a repository without any safetensors cannot be used, and what helps."""
    kind = next(
        (kind for kind, patterns in _OTHER_WEIGHTS.items() if any(fnmatchcase(n, p) for n in names for p in patterns)),
        "no weights as safetensors",
    )
    return f"{name} has {kind}, which MLX cannot load. Look for a conversion of it for MLX."


def without_config(name: str, names: Collection[str]) -> str:
    """Why a repository without a config.json cannot be used, and what helps."""
    if "adapter_config.json" in names:
        return (
            f"{name} is an adapter, not a whole model. Get the model that it was trained for, and name the "
            "folder of the adapter under [adapters] in config.toml."
        )
    return (
        f"{name} has no config.json, without which nothing tells what model it is. "
        "Look for a conversion of it for MLX, such as those of mlx-community."
    )


def refusal(name: str, engine: str, names: Collection[str], config: JsonObject) -> str | None:
    """Why the model cannot be loaded, and what helps; None if nothing is known against it.

    Args:
        name: Of the repository.
        engine: As registry entries name it.
        names: The files that would be fetched.
        config: Its config.json; empty if that is not an object.
    """
    if engine not in _NEEDS_CONFIG:
        return None
    if "config.json" not in names and not config:
        return without_config(name, names)
    return (
        _wrong_names(name, engine, names)
        or _unknown_type(name, engine, config)
        or _whisper(name, engine, names, config)
    )


def _at_root(name: str, pattern: str) -> bool:
    return "/" not in name and fnmatchcase(name, pattern)


def _wrong_names(name: str, engine: str, names: Collection[str]) -> str | None:
    """mlx-lm reads model*.safetensors, mlx-vlm all but the weights in Mistral's own form."""
    weights = [each for each in names if _at_root(each, "*.safetensors")]
    if _LIBRARIES.get(engine) == "mlx_lm":
        readable = [each for each in weights if each.startswith("model")]
    elif engine == "mlx-vlm":
        readable = [each for each in weights if not each.endswith("consolidated.safetensors")]
    else:
        return None
    if readable:
        return None
    library = _LIBRARIES[engine].replace("_", "-")
    if not weights:
        return (
            f"{name} holds its weights in folders below, where {library} does not look. Look for a conversion for MLX."
        )
    return (
        f"The weights of {name} are called {weights[0]}; {library} reads model*.safetensors only. "
        "Look for a newer conversion of it for MLX."
    )


def _unknown_type(name: str, engine: str, config: JsonObject) -> str | None:
    library = _LIBRARIES.get(engine)
    kind = config.get("model_type")
    if library is None or not isinstance(kind, str) or any(config.get(each) for each in _TOLD_OTHERWISE):
        return None
    families = _families(library)
    if not families or kind in families or kind.lower() in families:
        return None
    from importlib.metadata import version

    distribution = library.replace("_", "-")
    return (
        f"{name} is of the architecture '{kind}', which {distribution} {version(distribution)} cannot run. "
        "A newer version of Ominix may: update it, or choose another model."
    )


def _whisper(name: str, engine: str, names: Collection[str], config: JsonObject) -> str | None:
    if engine != "mlx-audio" or config.get("model_type") != "whisper":
        return None
    needed = (("tokenizer.json", "vocab.json"), ("preprocessor_config.json", "processor_config.json"))
    missing = next((either[0] for either in needed if not any(each in names for each in either)), None)
    if missing is None:
        return None
    return (
        f"{name} has no {missing}, without which a Whisper cannot write what it hears. "
        "Look for a conversion that has one, such as mlx-community/whisper-tiny-asr-fp16."
    )


@functools.cache
def _families(library: str) -> frozenset[str]:
    """Every `model_type` that the installed library knows, read from its files: importing it takes seconds."""
    spec = importlib.util.find_spec(library)
    if spec is None or not spec.submodule_search_locations:
        return frozenset()
    root = Path(next(iter(spec.submodule_search_locations)))
    found: set[str] = set()
    try:
        for folder in _FAMILY_FOLDERS:
            found.update(path.stem for path in (root / folder).glob("*") if not path.name.startswith("__"))
        for node in ast.parse((root / "utils.py").read_text("utf-8")).body:
            if isinstance(node, ast.Assign):
                found.update(_aliases(node))
    except (OSError, SyntaxError, ValueError):
        return frozenset()
    return frozenset(found)


def _aliases(node: ast.Assign) -> set[str]:
    """The other names of families, and pairs of a type and an architecture, that a table of the library gives."""
    if not any(isinstance(target, ast.Name) and target.id.endswith("REMAPPING") for target in node.targets):
        return set()
    table: dict[Any, Any] = ast.literal_eval(node.value)
    return {key if isinstance(key, str) else key[0] for key in table}
