"""What a model needs in memory, what this machine can give, and whether the one fits the other.

Sizes are bytes. A Mac shares one memory between CPU and GPU, so one budget is enough.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

GB = 10**9
_GIB = 1 << 30

# mlx-lm grows its KV caches in steps of this many tokens.
KV_STEP_TOKENS = 256
PREFILL_TOKENS = 2048
# What a chunk of audio and its transcript take at most.
TRANSCRIPTION_TOKENS = 1280
SMALLEST_ACTIVATIONS = GB // 2
# What loading and allocation add to the files' own size.
WEIGHTS_FACTOR = 1.05

# Where models that see keep the configuration of their language model.
_TEXT_CONFIGS = ("text_config", "llm_config", "language_config")
# Some families write only what differs from their defaults.
_UNSAID: dict[str, dict[str, Any]] = {
    "gemma3_text": {
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "sliding_window": 4096,
        "sliding_window_pattern": 6,
        "vocab_size": 262208,
        "max_position_embeddings": 131072,
    },
    "prismatic": {
        "hidden_size": 4096,
        "num_hidden_layers": 36,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "vocab_size": 32064,
    },
}

GuardLevel = Literal["safe", "balanced", "aggressive", "off"]

# What stays free for the system and other programs, in GiB: on machines below 16 GiB, and on larger ones.
_RESERVE = {"safe": (4, 12), "balanced": (4, 8), "aggressive": (2, 6), "off": (0, 0)}


@dataclass(frozen=True, slots=True)
class KVCache:
    """How a model's KV cache grows: per token in full layers, up to a window in sliding ones, not at all in others."""

    full_layer_bytes: int = 0
    sliding_layer_bytes: int = 0
    window: int = 0

    def bytes_for(self, tokens: int) -> int:
        """The size of one sequence's cache."""
        rounded = -(-tokens // KV_STEP_TOKENS) * KV_STEP_TOKENS
        return self.full_layer_bytes * rounded + self.sliding_layer_bytes * min(rounded, self.window)

    def tokens_in(self, room: int) -> int:
        """The longest sequence whose cache fits into `room`."""
        if self.full_layer_bytes == 0:
            return sys.maxsize if self.sliding_layer_bytes * self.window <= room else 0
        sliding_whole = self.sliding_layer_bytes * self.window
        beyond_window = (room - sliding_whole) // self.full_layer_bytes
        within_window = room // (self.full_layer_bytes + self.sliding_layer_bytes)
        tokens = max(beyond_window, min(within_window, self.window) if self.sliding_layer_bytes else within_window)
        return max(0, tokens // KV_STEP_TOKENS * KV_STEP_TOKENS)


@dataclass(frozen=True, slots=True)
class Need:
    """What a loaded model takes; `kv_cache` is for an image model what making one image of the usual size takes."""

    weights: int
    kv_cache: int
    activations: int

    @property
    def total(self) -> int:
        return self.weights + self.kv_cache + self.activations


@dataclass(frozen=True, slots=True)
class Machine:
    """What this machine has; `gpu_limit` is the most that the GPU may wire, None where there is no such limit."""

    total: int
    available: int
    gpu_limit: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a model fits, with every number that decided it.

    Attributes:
        available: What the model may take, after reserve and limits.
        advice: What would help, as a sentence; empty if it fits.
        estimated: Whether the need is what the registry says, because the files are not on this machine.
    """

    need: Need
    available: int
    level: GuardLevel
    advice: str = ""
    estimated: bool = False

    @property
    def fits(self) -> bool:
        return self.level == "off" or self.need.total <= self.available

    @property
    def message(self) -> str:
        return f"Needs {gigabytes(self.need.total)}, only {gigabytes(self.available)} available. {self.advice}".strip()


def gigabytes(size: int) -> str:
    return f"{size / GB:.1f} GB"


def read_machine() -> Machine:
    """Ask the system, now."""
    import psutil

    memory = psutil.virtual_memory()
    return Machine(memory.total, memory.available, _gpu_limit(memory.total) if sys.platform == "darwin" else None)


def _gpu_limit(total: int) -> int:
    """The wired limit that the user set, or the share that macOS gives the GPU by default."""
    if megabytes := _sysctl(b"iogpu.wired_limit_mb"):
        return megabytes << 20
    return total * 3 // 4 if total > 36 * _GIB else total * 2 // 3


def _sysctl(name: bytes) -> int:
    """A number that the kernel knows by this name; 0 if it knows none. A process would cost 5 ms at each look."""
    import ctypes

    value, size = ctypes.c_uint64(), ctypes.c_size_t(8)
    try:
        read = ctypes.CDLL(None).sysctlbyname
    except AttributeError:
        return 0
    read.argtypes = [ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
    failed = read(name, ctypes.byref(value), ctypes.byref(size), None, 0)
    return 0 if failed else value.value


def room_on(machine: Machine, used_by_models: int, level: GuardLevel) -> int:
    """What one more model may take while loaded ones hold `used_by_models`."""
    small, large = _RESERVE[level]
    reserve = (small if machine.total < 16 * _GIB else large) * _GIB
    limits = [machine.available, machine.total - reserve - used_by_models]
    if machine.gpu_limit is not None:
        limits.append(machine.gpu_limit - used_by_models)
    return max(0, min(limits))


def need_of(folder: Path, context: int, *, dense_float32: bool, floor: int = 0, sequences: int = 1) -> Need:
    """What the model in `folder` takes, with `sequences` KV caches of `context` tokens.

    Args:
        dense_float32: Weights in half precision become float32, as on a CPU.
        floor: What the registry says it takes; never believed if it is less than the measured need.
    """
    config = read_config(folder)
    text = text_config(config)
    weights = int(weight_bytes(folder) * WEIGHTS_FACTOR * _growth(config, dense_float32))
    kv_cache = kv_cache_of(config, 4 if dense_float32 else 2).bytes_for(context) * sequences
    vocabulary, hidden = number_in(text, "vocab_size"), number_in(text, "hidden_size")
    activations = max(SMALLEST_ACTIVATIONS, min(PREFILL_TOKENS, context) * (vocabulary * 4 + 8 * hidden * 2))
    return Need(max(weights, floor - kv_cache - activations), kv_cache, activations)


def read_config(folder: Path, file: str = "config.json") -> dict[str, Any]:
    """One of the model's JSON files; empty if there is none that can be read."""
    try:
        config = json.loads((folder / file).read_bytes())
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}


def text_config(config: dict[str, Any]) -> dict[str, Any]:
    """The part of a model's config.json that describes its language model, with what its family leaves unsaid."""
    config = _first_part(config, "thinker_config")
    text = _first_part(config, *_TEXT_CONFIGS)
    return _UNSAID.get(str(text.get("model_type")), {}) | _UNSAID.get(str(config.get("model_type")), {}) | text


def _first_part(config: dict[str, Any], *names: str) -> dict[str, Any]:
    """The first of these parts that the configuration has; without any the whole."""
    parts = (config.get(name) for name in names)
    return next((part for part in parts if part and isinstance(part, dict)), config)


def weight_bytes(folder: Path) -> int:
    """The size of the weights on disk: the files that the index names, or all of the first kind that there is."""
    try:
        index = json.loads((folder / "model.safetensors.index.json").read_bytes())
        names = {folder / name for name in index["weight_map"].values()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        kinds = (set(folder.rglob(f"*.{kind}")) for kind in ("safetensors", "npz", "pt"))
        names = next((files for files in kinds if files), set())
    return sum(path.stat().st_size for path in names if path.is_file())


def _growth(config: dict[str, Any], dense_float32: bool) -> float:
    text = text_config(config)
    dtype = config.get("dtype") or config.get("torch_dtype") or text.get("dtype") or text.get("torch_dtype")
    quantized = "quantization" in config or "quantization_config" in config
    return 2.0 if dense_float32 and not quantized and dtype in ("bfloat16", "float16") else 1.0


def kv_cache_of(config: dict[str, Any], dtype_bytes: int) -> KVCache:
    """How the model's cache grows, from its config.json."""
    text = text_config(config)
    layers = max(0, number_in(text, "num_hidden_layers") - number_in(text, "num_kv_shared_layers"))
    full, sliding = _layer_counts(text, layers)
    layer = _layer_bytes_per_token(text, dtype_bytes)
    return KVCache(full * layer, sliding * layer, number_in(text, "sliding_window") if sliding else 0)


def _layer_bytes_per_token(text: dict[str, Any], dtype_bytes: int) -> int:
    if latent := number_in(text, "kv_lora_rank"):  # multi-head latent attention keeps one compressed vector
        return (latent + number_in(text, "qk_rope_head_dim")) * dtype_bytes
    heads = number_in(text, "num_attention_heads")
    kv_heads = number_in(text, "num_key_value_heads") or heads
    head_dim = number_in(text, "head_dim") or (number_in(text, "hidden_size") // heads if heads else 0)
    return 2 * kv_heads * head_dim * dtype_bytes


def _layer_counts(text: dict[str, Any], layers: int) -> tuple[int, int]:
    """How many layers keep every token, and how many only a window; the rest keep a state of fixed size."""
    kinds = text.get("layer_types")
    if isinstance(kinds, list):
        kinds = kinds[:layers]
        return kinds.count("full_attention"), kinds.count("sliding_attention")
    if interval := number_in(text, "full_attention_interval"):
        return layers // interval, 0
    if (pattern := number_in(text, "sliding_window_pattern")) and number_in(text, "sliding_window"):
        full = layers // pattern
        return full, layers - full
    return layers, 0


def number_in(config: dict[str, Any], key: str) -> int:
    """A count from a model's configuration; 0 where it holds none that makes sense."""
    value = config.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def judge(need: Need, room: int, level: GuardLevel, kv_cache: KVCache, *, others_loaded: bool) -> Verdict:
    """The verdict on a model that needs `need` where `room` is left."""
    if level == "off" or need.total <= room:
        return Verdict(need, room, level)
    advice = "Unload another model first." if others_loaded else "Close other programs first."
    tokens = kv_cache.tokens_in(room - need.weights - need.activations)
    if KV_STEP_TOKENS * 4 <= tokens < sys.maxsize:
        advice += f" It would fit with a context of {tokens:,} tokens."
    return Verdict(need, room, level, advice)
