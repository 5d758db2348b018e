"""What a Hub offers to TUI and command line, whether it runs in this program or behind a server."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from ominix_core.board import Subscriber
    from ominix_core.downloads.download import QueueItem
    from ominix_core.downloads.store import Usage
    from ominix_core.downloads.verification import Verification
    from ominix_core.generation import Request
    from ominix_core.media import Abilities
    from ominix_core.memory import Verdict
    from ominix_core.paths import Home
    from ominix_core.registry.catalogue import Registry
    from ominix_core.registry.entry import RegistryEntry
    from ominix_core.registry.update import Update
    from ominix_core.settings import Settings
    from ominix_core.states import Downloading, ModelState
    from ominix_core.stream import Generation
    from ominix_core.system import System
    from ominix_core.voices import Voices


class HubFacade(Protocol):
    """Models, their states, and everything that can be done with them. Thread-safe.

    What is marked "at once" never waits and may be called on an event loop; everything else may wait for a disk or a
    network. Everything that waits may also raise HubConnectionError or AccessError where the models are elsewhere.
    """

    @property
    def home(self) -> Home:
        """The folder of this program's own files, such as chats. The models need not be there."""
        ...

    @property
    def settings(self) -> Settings:
        """This user's settings on this machine."""
        ...

    @property
    def registry(self) -> Registry:
        """Every model, at once. A new object takes its place when it changes."""
        ...

    @property
    def voices(self) -> Voices:
        """The user's voices where the models are."""
        ...

    @property
    def place(self) -> str:
        """The name of the server that the models are behind; empty if they are in this program."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    # -- what there is, all of it at once ------------------------------------------------------------------------

    def resolve(self, name: str) -> RegistryEntry:
        """The entry whose id, API id or repository is `name`. Raises UnknownModelError with near names."""
        ...

    def state(self, model_id: str) -> ModelState: ...

    def downloaded(self, model_id: str) -> bool:
        """Whether the model's files are complete where it runs, whatever its state."""
        ...

    def loaded(self, category: str) -> RegistryEntry | None:
        """The model of this category that is in memory, if any."""
        ...

    def abilities(self, model_id: str) -> Abilities | None:
        """What a loaded model can do beyond its kind; None if it is not loaded."""
        ...

    def system(self) -> System:
        """Memory and disk of the machine that the models run on, at most two seconds old."""
        ...

    def download_queue(self) -> tuple[QueueItem, ...]:
        """The downloads that were asked for and have not ended, in their order."""
        ...

    def subscribe(self, subscriber: Subscriber, *, replay: bool = False) -> Callable[[], None]:
        """Call `subscriber` with every HubEvent, on the Hub's threads; returns the function that ends it.

        Args:
            replay: First tell the state of every model as it is now.
        """
        ...

    # -- files --------------------------------------------------------------------------------------------------

    def update_registry(self) -> Future[Update]:
        """Fetch a newer registry. The future raises RegistryError."""
        ...

    def download(self, model_id: str) -> Future[None]:
        """Fetch a model, or go on with it; a pause leaves the future open. It raises DownloadError or Cancelled."""
        ...

    def repair(self, model_id: str) -> Future[None]:
        """Check every file and fetch again what is missing or damaged. The future is as of `download`."""
        ...

    def pause_download(self, model_id: str) -> None:
        """Stop a download within moments, keeping its place and its bytes."""
        ...

    def cancel_download(self, model_id: str, discard: bool = False) -> None:
        """Take a download out of the queue within moments. Its bytes are kept unless they are to be discarded."""
        ...

    def move_download(self, model_id: str, step: int) -> None:
        """Let a download change places in the queue with the one before it (`step` -1) or after it (1)."""
        ...

    def verify(self, model_id: str, report: Callable[[Downloading], None] = ...) -> Verification:
        """Compare every file with its checksum; takes as long as reading them does. Raises DownloadError."""
        ...

    def remove(self, model_id: str) -> int:
        """Free a model's memory and delete its files; returns the bytes that came free. Raises DownloadError."""
        ...

    def disk_usage(self) -> list[Usage]:
        """What every model takes on disk, the largest first."""
        ...

    # -- the loaded models --------------------------------------------------------------------------------------

    def warm_up(self) -> None:
        """Get in the background what will be wanted soon: a worker for the first load, and a newer registry."""
        ...

    def online(self) -> bool:
        """Whether the place that most models come from answers; waits a few seconds at most."""
        ...

    def weigh(self, model_id: str) -> Verdict | None:
        """Whether a model would fit into memory now, with every number.

        One that is not downloaded is judged by what the registry says of it; None if that tells nothing.
        """
        ...

    def load(self, model_id: str, *, force: bool = False) -> Future[None]:
        """Bring a downloaded model into memory, if `force` also against the guard's advice.

        Raises NotReadyError if it is not downloaded; the future raises LoadError or Cancelled.
        """
        ...

    def unload(self, model_id: str) -> None:
        """Free the model's memory, or cancel its load; takes up to a few seconds."""
        ...

    def pin(self, model_id: str, pinned: bool = True) -> None:
        """Keep a loaded model in memory whatever else happens, or no longer. Raises NotReadyError."""
        ...

    def generate(self, model_id: str, request: Request) -> Generation:
        """Hand a request to a loaded model, at once. Raises NotReadyError or BusyError, or the answer is Failed."""
        ...

    def close(self) -> None:
        """End what runs in this program. What a server does goes on without it."""
        ...
