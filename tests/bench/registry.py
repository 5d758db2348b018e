"""How long a registry of 10,000 models takes to load and merge, and to search on each keystroke.

Run with `python -m tests.bench.registry`.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ominix_core.paths import Home
from ominix_core.registry.catalogue import Registry

ENTRIES = 10_000
OVERRIDES = 1_000
QUERIES = ("q", "qw", "qwe", "qwen", "qwen3 8", "qwen3 8bit", "zzz", "q8bt", "model 4711", "mxtrl")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        home.registry_override.write_text(json.dumps({"version": "1.0.0", "models": _models()}))
        (home.registry).mkdir()
        fetched = [{"id": f"model-{index}", "runtime": {"memory_gb": 9.5}} for index in range(OVERRIDES)]
        (home.registry / "fetched.json").write_text(json.dumps({"version": "1.0.0", "models": fetched}))
        size = home.registry_override.stat().st_size
        before = time.process_time()
        seconds = [_seconds(lambda: Registry.load(home)) for _ in range(7)]
        cpu_seconds = (time.process_time() - before) / len(seconds)
        print(f"{ENTRIES} entries ({size / 1e6:.1f} MB), {OVERRIDES} in two layers: load, merge and validate")
        print(f"  median {statistics.median(seconds):.3f} s, worst {max(seconds):.3f} s, mean CPU {cpu_seconds:.3f} s")
        registry = Registry.load(home)
        assert not registry.problems, registry.problems[:3]
        print(f"  first search: {1e3 * _seconds(lambda: registry.search('a')):.1f} ms")
        for query in QUERIES:
            times = [1e3 * _seconds(lambda query=query: registry.search(query)) for _ in range(20)]
            hits = len(registry.search(query))
            print(
                f"  {query!r:14} {hits:4} hits  median {statistics.median(times):5.2f} ms  worst {max(times):5.2f} ms"
            )


def _models() -> list[dict[str, object]]:
    families = ("Qwen3", "Mixtral", "GLM-4", "Llama", "Gemma")
    return [
        {
            "id": f"model-{index}",
            "name": f"{families[index % 5]} {index % 90}B number {index}",
            "description": "A model for chat, code and reasoning in several languages, quantized for Apple silicon.",
            "category": ("LLM", "VLM", "ASR", "TTS", "ImageGen")[index % 5],
            "subcategory": "Chat",
            "size_bytes": 4_000_000_000 + index,
            "tags": ["multilingual", "reasoning", "code"],
            "source": {"type": "HuggingFace", "repo": f"mlx-community/Model-{index}-8bit", "files": ["*.json"]},
            "storage": {"expected_files": ["config.json", "tokenizer.json"]},
            "runtime": {
                "api_type": "chat_completions",
                "model_id_for_api": f"model-{index}",
                "memory_gb": 6.5,
                "platforms": ["apple_silicon"],
                "quantization": "8bit",
            },
            "ui": {"panel_type": "LLMChat", "color": "#6366f1", "icon": "chat"},
        }
        for index in range(ENTRIES)
    ]


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
