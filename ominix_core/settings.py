"""Settings: `config.toml` under `OMINIX_HOME`, overridden by `OMINIX_*` variables.

Those in FOLLOWED are read again when the file changes, also by a server that runs; the others hold from the next start.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Any, Literal, Self

import msgspec

from ominix_core.errors import SettingsError
from ominix_core.memory import GuardLevel
from ominix_core.paths import Home

Isolation = Literal["process", "thread"]
Images = Literal["auto", "kitty", "sixel", "half", "off"]
FOLLOWED = frozenset(
    {
        *("guard", "context", "max_loaded_per_category", "idle_minutes", "hang_seconds", "jit"),
        *("prompt_cache_gb", "kv_bits", "quantize", "draft_models", "adapters", "allow_code"),
    }
)
"""The settings that say how models are loaded and kept. For a model that is loaded the next load counts."""
_Positive = msgspec.Meta(ge=1)
_NotNegative = msgspec.Meta(ge=0)


@dataclass(frozen=True, slots=True)
class Provider:
    """An OpenAI-compatible service that may answer in the chat.

    Attributes:
        base_url: Its address up to "/v1".
        key_env: The variable that holds its key; empty if it needs none.
        models: The ids of its models to offer.
    """

    base_url: str
    key_env: str = ""
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting with its default. Each field's docstring is its documentation."""

    isolation: Isolation = "process"
    """Where a loaded model lives: a process of its own, or a thread of this one (for embedding and fast tests)."""

    host: str = "127.0.0.1"
    """The address that `ominix serve` listens on."""

    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8080
    """The port that `ominix serve` listens on."""

    allowed_hosts: tuple[str, ...] = ()
    """Names that API clients may use for this machine besides localhost, its own name and IP addresses."""

    cors_origins: tuple[str, ...] = ()
    """Web origins whose pages may use the API, such as "https://chat.example"; "*" lets in every page."""

    certfile: str = ""
    """A PEM certificate chain: with it the API is served over HTTPS."""

    keyfile: str = ""
    """The certificate's private key, if it is not in `certfile`."""

    max_body_mb: Annotated[float, msgspec.Meta(gt=0)] = 64.0
    """The largest body of an API request: a few large images. JSON is read in one go, which holds up the others."""

    max_upload_mb: Annotated[float, msgspec.Meta(gt=0)] = 500.0
    """The largest body of an API request that brings files, such as audio to transcribe."""

    requests_per_minute: Annotated[int, _NotNegative] = 0
    """How many requests one API key may make in a minute; 0 sets no limit."""

    max_requests_per_model: Annotated[int, _Positive] = 64
    """How many API requests one model may have in work; further ones are asked to come back."""

    drain_seconds: Annotated[float, _NotNegative] = 5.0
    """How long answers in work may take to end when the server is told to stop; a second signal ends them at once."""

    simultaneous_downloads: Annotated[int, msgspec.Meta(ge=1, le=16)] = 2
    """How many models are downloaded at once; the others wait."""

    guard: GuardLevel = "balanced"
    """How much memory is kept free for everything else: safe, balanced, aggressive, or off."""

    context: Annotated[int, _Positive] = 8192
    """The conversation length, in tokens, that the memory guard makes room for when a model is loaded."""

    max_loaded_per_category: Annotated[int, _Positive] = 1
    """How many models of a category may be in memory; the least recently used one makes room for the next."""

    idle_minutes: Annotated[float, _NotNegative] = 0.0
    """Unload a model that nobody has used for this long; 0 never does."""

    hang_seconds: Annotated[float, msgspec.Meta(gt=0)] = 120.0
    """End a model's worker when one step of its work takes longer than this."""

    warm_spare: bool = True
    """Keep a worker with its libraries imported ready, so that a load starts at once."""

    preload: tuple[str, ...] = ()
    """Models that `ominix serve` loads when it starts."""

    jit: bool = False
    """Let the server load a downloaded model when a request names it."""

    prompt_cache_gb: Annotated[float, _NotNegative] = 2.0
    """Disk space for the prompt caches that are kept when a model is unloaded; 0 keeps none."""

    kv_bits: Literal[0, 4, 8] = 0
    """Quantize KV caches to this many bits; 0 does not. Requests are then answered one at a time."""

    quantize: dict[str, Literal[4, 8]] = field(default_factory=dict)
    """Image models whose weights are quantized when they are loaded: model id → bits."""

    draft_models: dict[str, str] = field(default_factory=dict)
    """For speculative decoding: model id → id of the small model that drafts for it."""

    adapters: dict[str, str] = field(default_factory=dict)
    """LoRA adapters: model id → folder of the adapter."""

    allow_code: tuple[str, ...] = ()
    """Ids of models whose own Python code may be run when they are loaded."""

    images: Images = "auto"
    """How pictures are shown in the terminal: with its kitty or sixel graphics, as half-blocks, or not at all."""

    registry_url: str = "https://registry.ominix.ai/models_registry.json"
    """Where newer registries are fetched from; "off" turns updates off."""

    registry_key: str = ""
    """The public key, in base64, of a publisher whose signature a fetched registry must bear."""

    providers: dict[str, Provider] = field(default_factory=dict)
    """Services for the chat, as tables [providers.NAME] with base_url, key_env and models."""

    keys: dict[str, str] = field(default_factory=dict)
    """Your own keys for the hub: an action's id, as the help (F1) tells it, and a key, such as "hub.get" = "d"."""

    @classmethod
    def load(cls, home: Home) -> Self:
        """Read the file and the environment. Raises SettingsError that names the file, the key and the nearest one."""
        values = _read_file(home)
        for setting in fields(cls):
            if variable := os.environ.get(f"OMINIX_{setting.name.upper()}"):
                values[setting.name] = variable
        for name, value in values.items():
            try:
                cls.check(name, value)
            except SettingsError as error:
                where = f"Correct it in {home.config} or in the variable OMINIX_{name.upper()}."
                raise SettingsError(f"{error} {where}") from error
        return msgspec.convert(values, cls, strict=False)

    def following(self, before: Self, after: Self) -> Self:
        """These settings once the file says `after` in place of `before`; what a command's options set stays."""
        changed = {
            name: getattr(after, name)
            for name in FOLLOWED
            if getattr(self, name) == getattr(before, name) != getattr(after, name)
        }
        return replace(self, **changed)

    @classmethod
    def check(cls, name: str, value: Any) -> None:
        """Raises SettingsError if the setting may not have this value."""
        try:
            msgspec.convert({name: value}, cls, strict=False)
        except msgspec.ValidationError as error:
            reason = str(error).split(" - at ")[0]
            raise SettingsError(f"The setting '{name}' cannot be {value!r}: {reason}.") from error


def _read_file(home: Home) -> dict[str, Any]:
    try:
        text = home.config.read_text("utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"Cannot read {home.config}: {error}") from error
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{home.config} is not valid TOML: {error}. Mend or remove the file.") from error
    known = [setting.name for setting in fields(Settings)]
    for name in values:
        if name not in known:
            import difflib

            near = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else f" Known settings: {', '.join(known)}."
            raise SettingsError(f"{home.config} has an unknown setting '{name}'.{hint}")
    return values
