"""Reads every registry dialect that is in use and gives back one: the names and values that `entry.py` documents.

The result holds what the entry said and nothing more, so that an entry which changes one field of another layer's
entry stays one field. `complete` adds what can be derived, once the layers are merged.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any

from ominix_core.registry.entry import Category

JsonObject = dict[str, Any]


def _aliases(**names: str) -> dict[str, str]:
    return {
        alias: canonical for canonical, aliases in names.items() for alias in (_squash(canonical), *aliases.split())
    }


@functools.lru_cache(maxsize=1024)
def _squash(name: str) -> str:
    """ "image_gen", "ImageGen" and "image-gen" become the same key."""
    return re.sub(r"[\W_]", "", name).lower()


CATEGORIES = _aliases(
    LLM="text chat languagemodel",
    VLM="vision visionlanguage multimodal",
    ASR="stt speechrecognition speechtotext transcription",
    TTS="speech texttospeech speechsynthesis voice",
    ImageGen="image imagegeneration texttoimage img",
    Embedding="embeddings textembedding",
)
API_TYPES = _aliases(
    chat_completions="chat chatcompletion completions",
    audio_transcription="audiotranscriptions transcription transcriptions speechrecognition asr stt",
    audio_speech="speech texttospeech tts",
    image_generation="imagegenerations imagesgenerations imagegen image images",
    embeddings="embedding textembedding",
)
PANELS = _aliases(
    LLMChat="chat llm",
    VLMChat="vlm visionchat",
    ASRTranscription="asr transcription",
    TTSSynthesis="tts synthesis speech",
    ImageGeneration="imagegen image",
)
SOURCES = _aliases(
    HuggingFace="hf hub huggingfacehub",
    ModelScope="ms",
    DirectUrl="url direct http https",
    PyPI="pip package python",
    Local="path folder manual file",
    Unavailable="none",
)
ENGINES = _aliases(
    **{
        "mlx-lm": "",
        "mlx-lm-embedding": "",
        "mlx-vlm": "",
        "mlx-audio": "",
        "mlx-audio-tts": "",
        "paraformer": "funasr funasrmlx",
        "gpt-sovits": "gptsovitsmlx sovits",
        "moxin-vlm": "moxinvlmmlx moxin",
        "minicpm-sala": "minicpmsalamlx sala",
        "flux2": "fluxklein fluxkleinmlx",
        "z-image": "zimagemlx zimageturbo",
    }
)

_RENAMED_RUNTIME = {"api_model_id": "model_id_for_api", "inference_engine": "engine", "context_length": "context"}
_RENAMED_SOURCE = {"kind": "type", "source_type": "type", "repo_id": "repo", "primary_url": "url"}
_PART_OF = {
    **dict.fromkeys(("api_type", "model_id_for_api", "memory_gb", "memory_required_mb", "platforms"), "runtime"),
    **dict.fromkeys(("quantization", "supports_images", "supports_streaming", "engine", "variant"), "runtime"),
    **dict.fromkeys(("context", *_RENAMED_RUNTIME), "runtime"),
    **dict.fromkeys(("repo", "repo_id", "url", "primary_url", "source_type", "backup_urls", "revision"), "source"),
    **dict.fromkeys(("panel_type", "color", "icon"), "ui"),
}
"""Fields that some dialects keep at the top of an entry, and the part where they belong."""

# Where files go and which server answers is never a registry's to say.
_IGNORED = frozenset({"local_path", "load_endpoint", "unload_endpoint", "endpoint", "trust_remote_code"})
_HUB_URL = re.compile(
    r"https://(?P<host>huggingface\.co|(?:www\.)?modelscope\.cn/models)/(?P<repo>[\w.-]+/[\w.-]+)"
    r"(?:/tree/(?P<revision>[\w./-]+))?/?"
)


def normalise(raw: Mapping[str, Any]) -> JsonObject:
    """One entry of any dialect in the canonical names; `null` values stay, because they remove a field on merge."""
    entry = _gathered(raw)
    for name in ("subfolder", "group"):
        if name in entry:
            entry.setdefault("subcategory", entry.pop(name))
    if "category" in entry:
        entry["category"] = _named(entry["category"], CATEGORIES)
    if "source" in entry:
        entry["source"] = _source(entry["source"])
    _move_sizes(entry)
    for name, reader in _PARTS.items():
        if isinstance(entry.get(name), dict):
            entry[name] = reader(entry[name])
    if entry.get("extra_sources"):
        entry["extra_sources"] = _extra_sources(entry["extra_sources"], raw.get("storage"))
    return entry


def _gathered(raw: Mapping[str, Any]) -> JsonObject:
    """The entry with the fields that flat dialects keep at the top moved into their parts."""
    entry: JsonObject = {}
    flat: dict[str, JsonObject] = {}
    for name, value in raw.items():
        if name in _PART_OF:
            flat.setdefault(_PART_OF[name], {})[name] = value
        elif name not in _IGNORED:
            entry[name] = value
    for part, fields in flat.items():
        if isinstance(entry.get(part, {}), dict):
            entry[part] = {**fields, **entry.get(part, {})}
    return entry


def canonical_category(name: str) -> str:
    """The category that a person or a dialect calls `name`; an unknown one stays as it is."""
    return CATEGORIES.get(_squash(name), name)


def _named(value: Any, names: Mapping[str, str]) -> Any:
    return names.get(_squash(value), value) if isinstance(value, str) else value


def _source(raw: Any) -> Any:
    if isinstance(raw, str):
        raw = {"url": raw} if "://" in raw else {"repo": raw}
    if not isinstance(raw, dict):
        return raw
    if len(raw) == 1 and isinstance(inner := next(iter(raw.values())), dict):
        raw = {"type": next(iter(raw)), **inner}  # Rust's own way to write an enum with fields
    source: JsonObject = {name: value for name, value in raw.items() if name not in _IGNORED}
    for old, name in _RENAMED_SOURCE.items():
        value = source.pop(old, None)
        if value not in (None, ""):
            source.setdefault(name, value)
    _read_hub_url(source)
    if "type" in source:
        source["type"] = _named(source["type"], SOURCES)
    elif source.get("repo") or source.get("url"):
        source["type"] = "HuggingFace" if source.get("repo") else "DirectUrl"
    if source.get("type") == "DirectUrl" or not source.get("revision", True):
        source.pop("revision", None)
    return source


def _read_hub_url(source: JsonObject) -> None:
    """The page of a repository is that repository, not a file to fetch."""
    url = source.get("url")
    hub = _HUB_URL.fullmatch(url) if isinstance(url, str) else None
    if hub is None:
        return
    del source["url"]
    source.setdefault("repo", hub["repo"])
    source["type"] = "HuggingFace" if hub["host"] == "huggingface.co" else "ModelScope"
    if hub["revision"]:
        source["revision"] = hub["revision"]


def _move_sizes(entry: JsonObject) -> None:
    """Sizes stand in four places and three units; 0 means unknown."""
    storage = entry.get("storage")
    if isinstance(storage, dict):
        for name in ("size_bytes", "total_size_bytes"):
            if storage.get(name):
                entry.setdefault("size_bytes", storage[name])
        entry["storage"] = {k: v for k, v in storage.items() if k not in ("size_bytes", "total_size_bytes")}
    for name, unit in {"total_size_bytes": 1, "size_gb": 1_000_000_000}.items():
        value = entry.pop(name, None)
        if isinstance(value, int | float) and 0 < value < 1e9 * 1e9:
            entry.setdefault("size_bytes", int(value * unit))
    if entry.get("size_bytes") == 0:
        del entry["size_bytes"]


def _storage(raw: JsonObject) -> JsonObject:
    return {name: value for name, value in raw.items() if name not in _IGNORED}


def _runtime(raw: JsonObject) -> JsonObject:
    runtime = {_RENAMED_RUNTIME.get(name, name): value for name, value in raw.items() if name not in _IGNORED}
    megabytes = runtime.pop("memory_required_mb", None)
    if isinstance(megabytes, int | float) and 0 < megabytes < 1e12:
        runtime.setdefault("memory_gb", megabytes * 2**20 / 1e9)
    if runtime.get("memory_gb") == 0:
        del runtime["memory_gb"]
    if "api_type" in runtime:
        runtime["api_type"] = _named(runtime["api_type"], API_TYPES)
    if "engine" in runtime:
        runtime["engine"] = _named(runtime["engine"], ENGINES)
        if runtime["engine"] == "mlx":
            del runtime["engine"]
    if isinstance(runtime.get("platforms"), str):
        runtime["platforms"] = [runtime["platforms"]]
    return runtime


def _ui(raw: JsonObject) -> JsonObject:
    return {**raw, "panel_type": _named(raw["panel_type"], PANELS)} if "panel_type" in raw else raw


_PARTS: dict[str, Callable[[JsonObject], JsonObject]] = {"storage": _storage, "runtime": _runtime, "ui": _ui}


def _extra_sources(raw: Any, storage: Any) -> Any:
    if not isinstance(raw, list):
        return raw
    home = storage.get("local_path") if isinstance(storage, dict) else None
    return [_extra_source(item, home) for item in raw]


def _extra_source(raw: Any, home: Any) -> Any:
    """One part; of the path that it names only what lies below the model's own folder counts."""
    if not isinstance(raw, dict):
        return raw
    part = {**raw, "source": _source(raw["source"])} if "source" in raw else {"source": _source(raw)}
    storage = part.pop("storage", None)
    if isinstance(storage, dict):
        if storage.get("size_bytes"):
            part.setdefault("size_bytes", storage["size_bytes"])
        path = storage.get("local_path")
        if isinstance(path, str) and isinstance(home, str) and path.startswith(home.rstrip("/") + "/"):
            part.setdefault("folder", path[len(home.rstrip("/")) + 1 :])
    return part


_BY_CATEGORY: dict[str, tuple[str, str, str, str]] = {
    Category.LLM: ("chat_completions", "LLMChat", "mlx-lm", "#6366f1"),
    Category.VLM: ("chat_completions", "VLMChat", "mlx-vlm", "#8b5cf6"),
    Category.ASR: ("audio_transcription", "ASRTranscription", "mlx-audio", "#10b981"),
    Category.TTS: ("audio_speech", "TTSSynthesis", "mlx-audio-tts", "#f59e0b"),
    Category.IMAGE: ("image_generation", "ImageGeneration", "", "#ec4899"),
    Category.EMBEDDING: ("embeddings", "Embedding", "mlx-lm-embedding", "#0ea5e9"),
}
_BY_API = {
    "audio_transcription": Category.ASR,
    "audio_speech": Category.TTS,
    "image_generation": Category.IMAGE,
    "embeddings": Category.EMBEDDING,
}


def complete(entry: JsonObject) -> JsonObject:
    """`entry` with what it left out and what follows from the rest: category, API, panel, engine, name, source."""
    runtime, ui = entry.get("runtime") or {}, entry.get("ui") or {}
    if not (isinstance(runtime, dict) and isinstance(ui, dict)):
        return entry
    runtime, ui = dict(runtime), dict(ui)
    category = entry.get("category") or _guess_category(runtime, ui)
    if not isinstance(category, str):
        return entry
    api_type, panel, engine, color = _BY_CATEGORY.get(category, (category, category, "", "#6b7280"))
    runtime.setdefault("api_type", api_type)
    runtime.setdefault("supports_images", category == Category.VLM)
    runtime.setdefault("supports_streaming", category in (Category.LLM, Category.VLM))
    if "engine" not in runtime:
        runtime["engine"] = _engine(entry, category, engine)
    if category == Category.TTS and runtime["engine"] == "mlx-audio":  # the library's own name, for both its halves
        runtime["engine"] = engine
    ui.setdefault("panel_type", panel)
    ui.setdefault("color", color)
    return {
        **entry,
        "name": entry.get("name") or entry.get("id"),
        "category": category,
        "runtime": runtime,
        "ui": ui,
        "source": _complete_source(entry.get("source")),
    }


def _complete_source(source: Any) -> Any:
    if not source:
        return {"type": "Unavailable"}
    if isinstance(source, dict) and isinstance(kind := source.get("type", ""), str) and kind not in _SOURCE_TYPES:
        return {**source, "type": "Unavailable", "kind": kind}
    return source


_SOURCE_TYPES = frozenset(SOURCES.values())


def _guess_category(runtime: JsonObject, ui: JsonObject) -> str:
    if ui.get("panel_type") == "VLMChat" or runtime.get("supports_images") is True:
        return Category.VLM
    return _BY_API.get(str(runtime.get("api_type")), Category.LLM)


def _engine(entry: JsonObject, category: str, usual: str) -> str:
    """The engine of the family that the entry's name, repository or address shows, or the category's usual one."""
    source = entry.get("source")
    hints = [str(entry.get("id")), str(entry.get("name"))]
    if isinstance(source, dict):
        hints += [str(source.get("repo", "")), str(source.get("url", ""))]
    text = "".join(hints).lower()
    for mark in "-_. ":
        text = text.replace(mark, "")
    return next((engine for family, engine in _FAMILIES.get(category, {}).items() if family in text), usual)


_FAMILIES: dict[str, dict[str, str]] = {
    Category.LLM: {"minicpmsala": "minicpm-sala", "minicpm4sala": "minicpm-sala"},
    Category.VLM: {"moxin": "moxin-vlm"},
    Category.ASR: {"paraformer": "paraformer"},
    Category.TTS: {"gptsovits": "gpt-sovits"},
    Category.IMAGE: {"flux2": "flux2", "klein": "flux2", "zimage": "z-image"},
}
