"""Follower: keeps a Hub at what other programs write under its `OMINIX_HOME`: registry, settings, and models."""

from __future__ import annotations

import logging
from typing import Protocol

from ominix_core.downloads.files import PRIVATE_FOLDER
from ominix_core.errors import SettingsError
from ominix_core.file_watch import FileWatch, Stamp, Watched, folder_stamps, stamp_of
from ominix_core.paths import Home, bundled_registry, typed_path
from ominix_core.registry.catalogue import Registry
from ominix_core.registry.fetched import fetched_file, receipt_file
from ominix_core.settings import Settings

logger = logging.getLogger(__name__)


class Followed(Protocol):
    """What a Hub lets its follower see and do; thread-safe."""

    home: Home
    settings: Settings
    registry: Registry

    def reload_registry(self) -> None:
        """Read the registry's files again."""

    def use_settings(self, settings: Settings) -> None:
        """Load and keep models by these from now on."""

    def models_in_use(self) -> frozenset[str]:
        """Ids of the models whose state is not the disk's to tell."""
        ...

    def settle(self, model_id: str) -> None:
        """Let the state of a model that is not in use be what the disk says."""


class Follower:
    """Looks from `start` to `close`; made before the Hub reads its registry, so that no change falls in between.

    Args:
        follows_registry: Whether the Hub's registry is that of the files at all.
    """

    def __init__(self, hub: Followed, *, follows_registry: bool) -> None:
        self._hub = hub
        self._settings = self._read_settings() or hub.settings
        self._folders: dict[str, Stamp] = {}
        self._unsettled: frozenset[str] = frozenset()
        watched = [
            Watched(lambda: stamp_of(hub.home.config), self._follow_settings, settles=True),
            Watched(self._models_stamp, self._follow_models),
        ]
        if follows_registry:
            watched.insert(0, Watched(self._registry_stamp, hub.reload_registry, settles=True))
        self._followed = self._folders
        self._watch = FileWatch(*watched)

    def start(self) -> None:
        self._watch.start()

    def look(self) -> None:
        """Follow what has changed, now."""
        self._watch.look()

    def close(self) -> None:
        self._watch.close()

    # -- the registry ---------------------------------------------------------------------------------------------

    def _registry_stamp(self) -> Stamp:
        """Of every layer's file; also of the models that only their use held in the registry, and that are free now."""
        home = self._hub.home
        files = (bundled_registry(), fetched_file(home), receipt_file(home), home.registry_override)
        return tuple(stamp_of(file) for file in files), self._free(self._hub.registry.held)

    # -- the settings ---------------------------------------------------------------------------------------------

    def _follow_settings(self) -> None:
        after = self._read_settings()
        if after is not None:
            self._hub.use_settings(self._hub.settings.following(self._settings, after))
            self._settings = after

    def _read_settings(self) -> Settings | None:
        try:
            return Settings.load(self._hub.home)
        except SettingsError as error:
            logger.warning("%s Until then the settings from before hold.", error)
            return None

    # -- the models -----------------------------------------------------------------------------------------------

    def _models_stamp(self) -> Stamp:
        """Of every model's folder; also of those whose change waited for the end of their use, which is over."""
        self._folders = folder_stamps(self._hub.home.models, PRIVATE_FOLDER)
        for model_id, folder in self._hub.registry.local_folders.items():
            self._folders[model_id] = stamp_of(typed_path(folder))
        return self._folders, self._free(self._unsettled)

    def _follow_models(self) -> None:
        before, self._followed = self._followed, self._folders
        changed = {each for each in {*before, *self._followed} if before.get(each) != self._followed.get(each)}
        new = self._hub.registry.local_folders.keys() - before  # whose states came with their entries
        unsettled = self._unsettled | (changed - new)
        free = self._free(unsettled)
        self._unsettled = unsettled - free
        for model_id in free:
            self._hub.settle(model_id)

    def _free(self, model_ids: frozenset[str]) -> frozenset[str]:
        return model_ids - self._hub.models_in_use() if model_ids else model_ids
