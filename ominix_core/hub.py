"""The Hub: the one facade that the TUI, the command line and the server use."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING

from ominix_core.board import StateBoard, Subscriber
from ominix_core.downloads import endpoints
from ominix_core.downloads.download import QueueItem
from ominix_core.downloads.manager import DownloadManager
from ominix_core.downloads.store import Usage
from ominix_core.downloads.verification import Verification
from ominix_core.errors import NotReadyError, RequestError
from ominix_core.events import RegistryChanged
from ominix_core.follower import Follower
from ominix_core.generation import Failed, Request
from ominix_core.guard import MemoryGuard
from ominix_core.housekeeping import Housekeeper
from ominix_core.load_options import load_options
from ominix_core.media import Abilities, SpeechRequest, TranscriptionRequest, TranscriptSegment
from ominix_core.memory import Verdict
from ominix_core.paths import Home
from ominix_core.registry.catalogue import Registry
from ominix_core.registry.entry import Category, RegistryEntry
from ominix_core.runtime import Runtime
from ominix_core.settings import Settings
from ominix_core.states import Downloaded, Downloading, Error, Loaded, Loading, ModelState, Unsupported
from ominix_core.stream import Generation
from ominix_core.system import System, disk_under
from ominix_core.voices import VoiceBook
from ominix_core.workers.host import convert_in_worker
from ominix_core.workers.protocol import Convert

if TYPE_CHECKING:
    from ominix_core.registry.update import Update

logger = logging.getLogger(__name__)


class Hub:
    """Models, their states, and everything that can be done with them.

    Thread-safe. Methods that start work return at once; the work's progress arrives as events, its end through
    the returned future.

    Example:
        with Hub() as hub:
            hub.load("smollm2-135m").result()
            for event in hub.generate("smollm2-135m", ChatRequest(messages=[ChatMessage("user", "Hello")])):
                ...
    """

    place = ""

    def __init__(
        self, home: Home | None = None, settings: Settings | None = None, registry: Registry | None = None
    ) -> None:
        self.home = home or Home.from_environment()
        self.settings = settings or Settings.load(self.home)
        self.registry = registry or Registry([])
        self._follower = Follower(self, follows_registry=registry is None)
        if registry is None:
            self.registry = Registry.load(self.home, self.settings.registry_key)
        self.voices = VoiceBook(self.home, self._write_down)
        self._board = StateBoard()
        self._reloading = threading.Lock()
        self._downloads = DownloadManager(self.home, self._board, self.settings, self._convert)
        self._library = self._downloads.library
        self._guard = MemoryGuard(self.settings, lambda: self.registry.entries)
        self._runtime = Runtime(self.home, self._board, self.settings, self._guard)
        self._housekeeper = Housekeeper(self._runtime, self._guard, self.settings)
        for entry in self.registry.entries:
            self._board.set(entry.id, self._state_before_use(entry))
        self._follower.start()

    def __enter__(self) -> Hub:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- what there is ------------------------------------------------------------------------------------------

    def resolve(self, name: str) -> RegistryEntry:
        """The entry whose id, API id or repository is `name`. Raises UnknownModelError with near names."""
        return self.registry.resolve(name)

    def state(self, model_id: str) -> ModelState:
        return self._board.get(model_id)

    def downloaded(self, model_id: str) -> bool:
        """Whether the model is complete on this machine, whatever its state; an Error alone does not tell."""
        return isinstance(self._library.state_of(self.resolve(model_id)), Downloaded)

    def loaded(self, category: str) -> RegistryEntry | None:
        """The model of this category that is in memory, if any."""
        for entry in self.registry.entries:
            if entry.category == category and isinstance(self.state(entry.id), Loaded):
                return entry
        return None

    def system(self) -> System:
        """Memory and disk of this machine, asked now; takes a few milliseconds."""
        models = {
            resident.entry.id: resident.memory_bytes for resident in self._runtime.residents if resident.is_loaded
        }
        disk_total, disk_free = disk_under(self.home.root)
        return System(self._guard.read_machine(), models, disk_total, disk_free, self.settings.guard)

    def online(self) -> bool:
        """Whether the hub that most models come from answers; waits a few seconds at most."""
        return endpoints.reachable()

    def subscribe(self, subscriber: Subscriber, *, replay: bool = False) -> Callable[[], None]:
        """Call `subscriber` with every HubEvent, on the Hub's threads; returns the function that ends it.

        Args:
            replay: First tell the state of every model as it is now.
        """
        return self._board.subscribe(subscriber, replay=replay)

    def update_registry(self) -> Future[Update]:
        """Fetch a newer registry; new models are there at once, with their states. The future raises RegistryError."""
        from ominix_core.registry.update import update_in_background

        settings = self.settings
        return update_in_background(self.home, settings.registry_url, settings.registry_key, self.reload_registry)

    def reload_registry(self) -> None:
        """Read the registry's files again; subscribers hear RegistryChanged if they say anything new."""
        from ominix_core.registry.update import difference

        with self._reloading:
            old = self.registry
            used = self.models_in_use()
            new = Registry.load(self.home, self.settings.registry_key, previous=old)
            self.registry = new = new.holding(entry for entry in old.entries if entry.id in used)
            change = difference(old, new)
            for model_id in (*change.added, *change.changed):
                self.settle(model_id, forget_error=True)
            for problem in change.problems:
                logger.warning("%s", problem)
            if change != RegistryChanged():
                self._board.publish(change)

    def look(self, model_id: str = "") -> None:
        """Take notice at once of what other programs have changed on the disk, which otherwise takes half a second.

        Args:
            model_id: A model to look for also where other programs keep theirs.
        """
        self._follower.look()
        if model_id:
            self.settle(model_id)

    def models_in_use(self) -> frozenset[str]:
        """Ids of the models that are in memory, on their way there, or among this program's downloads."""
        loaded = (resident.entry.id for resident in self._runtime.residents)
        told = self._board.all_in(Loading, Loaded)  # also one whose worker is ending, after which its state is told
        return frozenset((*loaded, *told, *(item.model_id for item in self._downloads.queue())))

    def settle(self, model_id: str, *, forget_error: bool = False) -> None:
        """Let the state of a model that is not in use be what the disk says.

        An error is kept unless the model is complete now, or the error is to be forgotten.
        """
        before = self._board.get(model_id)
        entry = self.registry.get(model_id)
        if entry is None or model_id in self.models_in_use():
            return
        state = self._state_before_use(entry)
        if forget_error or not isinstance(before, Error) or isinstance(state, Downloaded):
            self._board.replace(model_id, before, state)

    def use_settings(self, settings: Settings) -> None:
        """Load and keep models by these from now on."""
        self.settings = settings
        self._guard.settings = self._runtime.room.settings = self._housekeeper.settings = settings

    # -- downloads ----------------------------------------------------------------------------------------------

    def download(self, model_id: str) -> Future[None]:
        """Fetch, verify and convert a model, or go on with it if it is paused; a second call joins the first.

        The future ends when the download does: a pause leaves it open. It raises DownloadError or Cancelled.
        """
        return self._downloads.start(self.resolve(model_id))

    def repair(self, model_id: str) -> Future[None]:
        """Check every file of a model and fetch again what is missing or damaged. The future is as of `download`."""
        entry = self.resolve(model_id)
        self._runtime.unload(entry.id)  # its files may change under it
        return self._downloads.repair(entry)

    def resume_downloads(self) -> None:
        """Start what was on its way when the last program that shares this home ended. For long-lived programs."""
        self._downloads.resume_queue(self.registry.get)

    def pause_download(self, model_id: str) -> None:
        """Stop a download within moments, keeping its place and its bytes; `download` goes on with it."""
        self._downloads.pause(self.resolve(model_id).id)

    def cancel_download(self, model_id: str, discard: bool = False) -> None:
        """Take a download out of the queue within moments. Its bytes are kept unless they are to be discarded."""
        self._downloads.cancel(self.resolve(model_id).id, discard)

    def move_download(self, model_id: str, step: int) -> None:
        """Let a download change places in the queue with the one before it (`step` -1) or after it (1)."""
        self._downloads.move(self.resolve(model_id).id, step)

    def download_queue(self) -> tuple[QueueItem, ...]:
        """The downloads that were asked for in this program and have not ended, in their order."""
        return self._downloads.queue()

    def verify(self, model_id: str, report: Callable[[Downloading], None] = lambda _: None) -> Verification:
        """Compare every file of a model with its checksum; takes as long as reading them does. Raises DownloadError."""
        return self._downloads.verify(self.resolve(model_id), report)

    def remove(self, model_id: str) -> int:
        """Free a model's memory, delete its files under `OMINIX_HOME`, and return the bytes that the disk got back.

        Raises ForeignFilesError if its files are not Ominix's own, and DownloadError if another program is downloading
        them.
        """
        entry = self.resolve(model_id)
        self._library.check_own(entry)  # before its memory is freed for nothing
        self._runtime.unload(entry.id)
        return self._downloads.remove(entry)

    def disk_usage(self) -> list[Usage]:
        """What every model under `OMINIX_HOME` takes on disk, the largest first."""
        return self._library.usage()

    # -- the loaded models --------------------------------------------------------------------------------------

    def weigh(self, model_id: str) -> Verdict | None:
        """Whether a model would fit into memory now, with every number.

        One that is not on this machine is judged by what the registry says of it; None if that tells nothing.
        """
        entry = self.resolve(model_id)
        if isinstance(self._library.state_of(entry), Downloaded):
            return self._runtime.room.weigh(entry, self._library.folder_of(entry))
        return self._runtime.room.estimate(entry)

    def load(self, model_id: str, *, force: bool = False) -> Future[None]:
        """Bring a downloaded model into memory; a second call joins the first.

        Where only so many models of a category may be loaded, the least recently used one is freed first, and
        brought back if this load fails. `force` loads even if the memory guard expects too little memory.
        Raises NotReadyError if the model is not on this machine; the future raises LoadError or Cancelled.
        """
        entry = self._on_disk(model_id)
        folder, draft = self._library.folder_of(entry), self.settings.draft_models.get(entry.id)
        draft_folder = self._library.folder_of(self._on_disk(draft)) if draft else None
        options = load_options(entry, folder, draft_folder, self.home, self.settings)
        self._housekeeper.start()
        return self._runtime.load(entry, folder, options, force=force)

    def _on_disk(self, model_id: str) -> RegistryEntry:
        entry = self.resolve(model_id)
        state = self._library.state_of(entry)
        if isinstance(state, Error):
            raise NotReadyError(state.message)
        if not isinstance(state, Downloaded):
            raise NotReadyError(f"{entry.name} is not on this machine yet. Get it first: ominix pull {entry.id}")
        return entry

    def warm_up(self) -> None:
        """Get a worker ready and fetch a newer registry in the background; for programs that stay."""
        self._runtime.warm_up()
        self.update_registry()

    def revive_models(self) -> None:
        """From now on load a model again, but not twice in a row, when its worker hangs or dies. For servers."""
        self._runtime.revives = True

    def unload(self, model_id: str) -> None:
        """Free the model's memory, or cancel its load; does nothing if it has neither. Takes up to a few seconds."""
        self._runtime.unload(self.resolve(model_id).id)

    def pin(self, model_id: str, pinned: bool = True) -> None:
        """Keep a loaded model in memory whatever else happens, or no longer. Raises NotReadyError."""
        self._runtime.pin(self.resolve(model_id).id, pinned)

    def stalled(self) -> tuple[str, ...]:
        """Ids of the models that should answer but do not: their worker hangs, or died and they were not loaded again.

        Unloading such a model, or loading it again, settles the matter.
        """
        return self._runtime.stalled()

    def abilities(self, model_id: str) -> Abilities | None:
        """What a loaded model can do beyond its kind; None if it is not loaded."""
        return self._runtime.abilities(self.resolve(model_id).id)

    def generate(self, model_id: str, request: Request) -> Generation:
        """Hand a request to a loaded model. Raises NotReadyError, BusyError, or VoiceError.

        Speech is asked for with one of the model's voices or one of the user's.
        """
        entry = self.resolve(model_id)
        if isinstance(request, SpeechRequest):
            request = self.voices.apply(request, self._runtime.abilities(entry.id))
        return self._runtime.submit(entry, request)

    def _write_down(self, clip: Path) -> str:
        """What is said in a clip of a voice; empty if no transcription model is loaded."""
        listener = self.loaded(Category.ASR)
        if listener is None:
            return ""
        text = ""
        for event in self.generate(listener.id, TranscriptionRequest(path=str(clip))):
            if isinstance(event, TranscriptSegment):
                text += event.text
            elif isinstance(event, Failed):
                raise RequestError(f"What is said in the clip could not be written down: {event.message}", event.code)
        return text.strip()

    def _state_before_use(self, entry: RegistryEntry) -> ModelState:
        reason = entry.unsupported_reason()
        return Unsupported(reason) if reason else self._library.state_of(entry)

    def _convert(self, entry: RegistryEntry, source: Path, target: Path) -> None:
        log = self.home.logs / f"convert-{entry.id}.log"
        converter = getattr(entry.source, "convert", "") or ""
        convert_in_worker(self.settings.isolation, log, Convert(converter, str(source), str(target)))

    def close(self) -> None:
        """End every download and worker. No process of the Hub is left when this returns."""
        self._follower.close()
        self._downloads.close()
        self._housekeeper.close()
        self._runtime.close()
