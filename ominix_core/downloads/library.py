"""The models on this machine: those under `OMINIX_HOME`, and those that other programs brought."""

from __future__ import annotations

from pathlib import Path

from ominix_core.downloads import elsewhere, store, verification
from ominix_core.downloads.store import ModelFolder, Usage
from ominix_core.downloads.tickets import Tickets
from ominix_core.errors import ForeignFilesError
from ominix_core.model_files import pointers_instead_of_weights
from ominix_core.paths import Home
from ominix_core.registry.entry import LocalSource, RegistryEntry
from ominix_core.states import Downloaded, Error, ModelState, NotDownloaded, Paused


class Library:
    """Looks at names and sizes only; hashes are for `verification`."""

    def __init__(self, home: Home, tickets: Tickets) -> None:
        self._home = home
        self._tickets = tickets

    def folder_of(self, entry: RegistryEntry) -> Path:
        """Where the model's files are, or will be: another program's folder if the whole model lies there."""
        if isinstance(entry.source, LocalSource):
            return Path(entry.source.path).expanduser()
        own = self._home.model(entry.id)
        return own if self._is_whole(own, entry) else elsewhere.find(entry) or own

    def state_of(self, entry: RegistryEntry) -> ModelState:
        """Downloaded, Downloading (by another program), Paused, NotDownloaded, or Error for files that went missing."""
        if isinstance(entry.source, LocalSource):
            return _local_state(self.folder_of(entry))
        own = self._home.model(entry.id)
        if self._is_whole(own, entry) or elsewhere.find(entry):
            return Downloaded()
        manifest = ModelFolder(own).manifest()
        if manifest is not None and manifest.was_complete and (missing := ModelFolder(own).missing(manifest)):
            file = missing[0]
            fault = verification.fault_at_a_glance(own / file.path, file)
            return Error(f"{entry.name} is damaged: {file.path} {fault}. Get it again: ominix pull {entry.id}")
        return self.unfinished_state(entry.id)

    def unfinished_state(self, model_id: str) -> ModelState:
        """The state of a model that is not complete, as far as its folder and the queue on disk tell."""
        ticket = self._tickets.get(model_id)
        if ticket is not None and ticket.is_running:
            return ticket.shown()
        folder = ModelFolder(self._home.model(model_id))
        manifest = folder.manifest()
        done = folder.done_bytes(manifest) if manifest else 0
        if manifest is None or not done:
            return NotDownloaded()
        return Downloaded() if not folder.missing(manifest) else Paused(done, manifest.total_bytes)

    def usage(self) -> list[Usage]:
        """What every model under `OMINIX_HOME/models` takes, the largest first."""
        return store.usage(self._home.models)

    def remove(self, entry: RegistryEntry) -> int:
        """Delete a model under `OMINIX_HOME/models` and return the bytes that the disk got back.

        Raises:
            ForeignFilesError: If the model lies elsewhere.
        """
        self.check_own(entry)
        return store.remove(self._home.models, entry.id)

    def check_own(self, entry: RegistryEntry) -> None:
        """Raises ForeignFilesError if the model lies elsewhere than under `OMINIX_HOME/models`."""
        folder = self.folder_of(entry)
        if folder != self._home.model(entry.id):
            raise ForeignFilesError(f"{entry.name} lies in {folder}, which is not Ominix's own. It was left alone.")

    def _is_whole(self, folder: Path, entry: RegistryEntry) -> bool:
        manifest = ModelFolder(folder).manifest()
        if manifest is None:
            return elsewhere.is_whole(folder, entry)
        return bool(manifest.files) and not ModelFolder(folder).missing(manifest)


def _local_state(folder: Path) -> ModelState:
    if pointers_instead_of_weights(folder):
        return Error(f"{folder} holds Git LFS pointers in place of weights. Run `git lfs pull` there.")
    if any((folder / name).is_file() for name in elsewhere.CONFIGS):
        return Downloaded()
    return Error(f"{folder} holds no model: there is no config.json in it. Correct the path in the registry.")
