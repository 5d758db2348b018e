"""Every path that Ominix writes to or reads from. All of them lie under `OMINIX_HOME` (default `~/.ominix`)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Home:
    """The folder that holds everything Ominix writes."""

    root: Path

    @classmethod
    def from_environment(cls) -> Home:
        return cls(Path(os.environ.get("OMINIX_HOME") or "~/.ominix").expanduser().absolute())

    @property
    def config(self) -> Path:
        return self.root / "config.toml"

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def downloads(self) -> Path:
        return self.root / "downloads"

    @property
    def registry(self) -> Path:
        return self.root / "registry"

    @property
    def registry_override(self) -> Path:
        return self.root / "models_registry_override.json"

    @property
    def prompt_caches(self) -> Path:
        return self.root / "cache" / "prompts"

    @property
    def served_images(self) -> Path:
        return self.root / "cache" / "images"

    @property
    def chats(self) -> Path:
        return self.root / "chats.sqlite"

    @property
    def voices(self) -> Path:
        return self.root / "voices"

    @property
    def outputs(self) -> Path:
        return self.root / "outputs"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def log_file(self) -> Path:
        return self.logs / "ominix.log"

    @property
    def server_log(self) -> Path:
        return self.logs / "server.jsonl"

    @property
    def screen_state(self) -> Path:
        return self.root / "screen.json"

    @property
    def api_keys(self) -> Path:
        return self.root / "keys.json"

    @property
    def server_file(self) -> Path:
        return self.root / "server.json"

    def model(self, model_id: str) -> Path:
        return self.models / model_id


def typed_path(text: str) -> Path:
    """The absolute path that a person means; `~` is a home folder, and `~NAME` a plain name if nobody is called so."""
    return Path(os.path.expanduser(text)).absolute()  # Path's own raises RuntimeError for such a name


def bundled_registry() -> Path:
    """The catalogue that ships with Ominix: beside the packages in a checkout, inside `ominix_core` in a wheel."""
    package = Path(__file__).parent
    checkout = package.parent / "registry" / "models_registry.json"
    return checkout if checkout.is_file() else package / "registry" / "bundled" / "models_registry.json"
