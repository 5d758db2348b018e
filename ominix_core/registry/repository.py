"""What a repository on the Hugging Face hub holds, and the registry entry that follows from it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ominix_core import __version__
from ominix_core.addresses import AddressError, next_page
from ominix_core.errors import RegistryError
from ominix_core.registry import contents, loadable, rules
from ominix_core.registry.dialects import JsonObject, complete
from ominix_core.registry.entry import Category

if TYPE_CHECKING:
    import httpx

DEFAULT_ENDPOINT = "https://huggingface.co"
MAX_CONFIG_BYTES = 4 * 2**20
MAX_PAGES = 200
TIMEOUT_SECONDS = 15.0
CONTEXT_FOR_ESTIMATE = 8192


@dataclass(frozen=True, slots=True)
class Repository:
    """What the hub says of a repository.

    Attributes:
        revision: The commit that the rest belongs to.
        sizes: Bytes of each file by its path.
        config: Its config.json, or an empty object.
    """

    name: str
    revision: str
    sizes: dict[str, int]
    config: JsonObject = field(default_factory=dict)
    license: str = ""
    pipeline_tag: str = ""


def endpoint() -> str:
    """The hub's address: `HF_ENDPOINT`, or huggingface.co. Never taken from a registry."""
    return (os.environ.get("HF_ENDPOINT") or DEFAULT_ENDPOINT).rstrip("/")


def inspect(name: str, revision: str = "main") -> Repository:
    """Ask the hub about a repository. Raises RegistryError that says what is wrong with it or the connection."""
    import httpx
    from huggingface_hub import get_token

    try:
        rules.check_repo(name)
        rules.check_revision(revision)
    except ValueError as error:
        raise RegistryError(f"'{name}' cannot be added: {error}.") from error
    headers = {"User-Agent": f"ominix/{__version__}"}
    if token := get_token():
        headers["Authorization"] = f"Bearer {token}"
    base = endpoint()
    try:
        with httpx.Client(headers=headers, timeout=TIMEOUT_SECONDS, follow_redirects=True) as client:
            about = _json(client, f"{base}/api/models/{name}/revision/{quote(revision, safe='')}", name)
            commit = str(about.get("sha") or revision)
            sizes = _sizes(client, f"{base}/api/models/{name}/tree/{commit}", name)
            config: JsonObject = {}
            if sizes.get("config.json", MAX_CONFIG_BYTES + 1) <= MAX_CONFIG_BYTES:
                config = _json(client, f"{base}/{name}/resolve/{commit}/config.json", name)
    except httpx.HTTPError as error:
        raise RegistryError(f"{base} cannot be reached: {error or type(error).__name__}.") from error
    card = about.get("cardData")
    licence = card.get("license") if isinstance(card, dict) else ""
    return Repository(
        name=name,
        revision=commit,
        sizes=sizes,
        config=config,
        license=rules.clean_text(licence) if isinstance(licence, str) else "",
        pipeline_tag=str(about.get("pipeline_tag") or ""),
    )


def draft_entry(repository: Repository) -> JsonObject:
    """The registry entry for a repository, with what can be told from its files.

    Raises:
        RegistryError: It cannot be loaded, or nothing tells what it is for; the text says why.
    """
    files = contents.wanted(repository.sizes)
    weights = [name for name in files if name.endswith(".safetensors")]
    arrays = [] if weights else [name for name in repository.sizes if "/" not in name and name.endswith(".npz")]
    if not weights and not arrays:
        raise RegistryError(loadable.without_weights(repository.name, repository.sizes))
    config = repository.config
    category = _category(repository)
    if arrays and category not in (Category.ASR, Category.TTS):  # mlx-audio alone reads them
        raise RegistryError(loadable.without_weights(repository.name, repository.sizes))
    files += arrays
    weight_bytes = sum(repository.sizes[name] for name in weights or arrays)
    source: JsonObject = {"type": "HuggingFace", "repo": repository.name, "revision": repository.revision}
    if arrays:  # these can hold pickles elsewhere, so that they come by name only
        source["files"] = arrays
    short = repository.name.partition("/")[2]
    entry: JsonObject = {
        "id": re.sub(r"[^a-z0-9._-]", "-", short.lower())[:64],
        "name": short.replace("-", " ").replace("_", " "),
        "category": category,
        "license": repository.license,
        "size_bytes": sum(repository.sizes[name] for name in files),
        "source": source,
        "runtime": {
            "memory_gb": _memory_gb(config, weight_bytes),
            "context": _text_value(config, "max_position_embeddings"),
            "parameters": _parameters(short),
            "quantization": _quantization(config),
        },
    }
    entry["runtime"] = {name: value for name, value in entry["runtime"].items() if value}
    done = complete({name: value for name, value in entry.items() if value})
    if reason := loadable.refusal(repository.name, done["runtime"]["engine"], files, config):
        raise RegistryError(reason)
    return {name: value for name, value in done.items() if name != "ui"}


def runs_code(config: JsonObject) -> bool:
    """Whether the model asks for Python of its repository, which Ominix does not fetch."""
    return bool(config.get("auto_map") or config.get("model_file"))


_BY_PIPELINE = {
    "text-generation": Category.LLM,
    "image-text-to-text": Category.VLM,
    "any-to-any": Category.VLM,
    "automatic-speech-recognition": Category.ASR,
    "text-to-speech": Category.TTS,
    "text-to-audio": Category.TTS,
    "text-to-image": Category.IMAGE,
    "image-to-image": Category.IMAGE,
}
_SPEECH = {
    Category.ASR: ("whisper", "asr", "parakeet", "sensevoice", "paraformer", "canary", "moonshine", "voxtral"),
    Category.TTS: ("tts", "kokoro", "sesame", "csm", "chatterbox", "orpheus", "spark", "outetts", "sovits"),
}


def _category(repository: Repository) -> str:
    """Pipelines of diffusers have an index file; then the hub's own tag counts, then what config.json shows."""
    config = repository.config
    if "model_index.json" in repository.sizes:
        return Category.IMAGE
    if repository.pipeline_tag in _BY_PIPELINE:
        return _BY_PIPELINE[repository.pipeline_tag]
    kind = str(config.get("model_type", "")).lower()
    for category, words in _SPEECH.items():
        if any(word in kind for word in words):
            return category
    if any(name in config for name in ("vision_config", "vision_tower", "image_token_id", "image_token_index")):
        return Category.VLM
    if config.get("model_type"):
        return Category.LLM
    if not config and "config.json" not in repository.sizes:
        raise RegistryError(loadable.without_config(repository.name, repository.sizes))
    raise RegistryError(
        f"What {repository.name} is for cannot be told from its files. Write its entry by hand; "
        "the registry's README shows how."
    )


def _memory_gb(config: JsonObject, weight_bytes: int) -> float:
    """Weights with 5 % on top, the keys and values of 8,192 tokens, and half a gigabyte of activations."""
    layers = _text_value(config, "num_hidden_layers")
    heads = _text_value(config, "num_attention_heads")
    kv_heads = _text_value(config, "num_key_value_heads") or heads
    head_size = _text_value(config, "head_dim") or (_text_value(config, "hidden_size") // heads if heads else 0)
    tokens = min(_text_value(config, "max_position_embeddings") or CONTEXT_FOR_ESTIMATE, CONTEXT_FOR_ESTIMATE)
    kv_bytes = 2 * 2 * layers * kv_heads * head_size * tokens
    return round((1.05 * weight_bytes + kv_bytes) / 1e9 + 0.5, 1)


def _text_value(config: JsonObject, name: str) -> int:
    """A number of the language model, which multimodal models keep one level down; 0 if it is not there."""
    for part in (config, config.get("text_config"), config.get("thinker_config")):
        if isinstance(part, dict) and isinstance(value := part.get(name), int) and 0 < value < 10**9:
            return value
    return 0


def _parameters(name: str) -> str:
    match = re.search(r"(?<![a-z0-9.])(\d+(?:\.\d+)?[bm](?:-a\d+(?:\.\d+)?b)?)(?![a-z0-9])", name, re.IGNORECASE)
    return match[1].upper() if match else ""


def _quantization(config: JsonObject) -> str:
    scheme = config.get("quantization") or config.get("quantization_config")
    if isinstance(scheme, dict) and isinstance(bits := scheme.get("bits"), int):
        mode = scheme.get("mode")
        return rules.clean_text(mode)[:20] if isinstance(mode, str) and mode != "affine" else f"{bits}-bit"
    dtype = config.get("torch_dtype") or config.get("dtype") or ""
    return {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32"}.get(str(dtype), "")


def _json(client: httpx.Client, url: str, name: str) -> Any:
    response = client.get(url)
    _check(response, name)
    try:
        value = response.json()
    except ValueError as error:
        raise RegistryError(f"The hub's answer about {name} is not JSON.") from error
    if not isinstance(value, dict):
        raise RegistryError(f"The hub's answer about {name} is not an object.")
    return value


def _sizes(client: httpx.Client, url: str, name: str) -> dict[str, int]:
    sizes: dict[str, int] = {}
    following: str | None = f"{url}?recursive=true"
    for _ in range(MAX_PAGES):
        page = following or url
        response = client.get(page)
        _check(response, name)
        try:
            sizes |= {str(item["path"]): int(item["size"]) for item in response.json() if item["type"] == "file"}
        except (ValueError, TypeError, KeyError) as error:
            raise RegistryError(f"The hub's list of the files of {name} cannot be read.") from error
        try:
            # Not from where a redirect led: the token that goes with each request is for the endpoint alone.
            following = next_page(page, response.headers.get("link", ""))
        except AddressError as error:
            raise RegistryError(str(error)) from error
        if following is None:
            return sizes
    raise RegistryError(f"The hub's list of the files of {name} does not end after {MAX_PAGES} pages.")


def _check(response: httpx.Response, name: str) -> None:
    if response.is_success:
        return
    reasons = {
        401: "There is no such repository, or it is private. For a private one, log in: hf auth login",
        403: "It is gated: accept its terms on its page, and log in: hf auth login",
        404: "There is no such repository or revision",
        429: "The hub asks to wait a while; try again later",
    }
    reason = reasons.get(response.status_code, f"The hub answered {response.status_code}")
    raise RegistryError(f"{name}: {reason}.")
