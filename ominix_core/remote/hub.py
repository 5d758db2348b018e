"""RemoteHub: everything that a Hub does, over the API of a running `ominix serve`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import aclosing
from typing import Any, Self
from urllib.parse import quote

from ominix_core.board import Subscriber
from ominix_core.downloads.download import QueueItem, Stage
from ominix_core.downloads.store import Usage
from ominix_core.downloads.verification import Verification
from ominix_core.errors import Cancelled, DownloadError, HubConnectionError, LoadError, NotReadyError, OminixError
from ominix_core.generation import Request
from ominix_core.media import Abilities
from ominix_core.memory import Verdict
from ominix_core.paths import Home
from ominix_core.registry.catalogue import Registry
from ominix_core.registry.entry import RegistryEntry
from ominix_core.registry.update import Update
from ominix_core.remote.address import ServerAddress
from ominix_core.remote.answer import RemoteAnswer
from ominix_core.remote.connection import Connection, decoded
from ominix_core.remote.mirror import Mirror
from ominix_core.remote.replies import WEIGHED, CheckStep, DiskReply, Freed, ServerFacts
from ominix_core.remote.voices import RemoteVoices
from ominix_core.remote.watch import Watch
from ominix_core.settings import Settings
from ominix_core.states import Downloading, Error, Loaded, Loading, ModelState
from ominix_core.stream import Generation
from ominix_core.system import System


class RemoteHub:
    """The facade of a Hub that runs behind a server. What is known at once comes from a mirror of the server.

    Args:
        locate: Tells where the server is; asked again whenever the connection is lost.

    Raises:
        HubConnectionError: Nobody answers there.
        AccessError: The API key is missing or wrong.
        OminixError: What answers is no Ominix of this version.

    Example:
        with RemoteHub(lambda: address_of("https://mac.local:8080", key)) as hub:
            hub.load("smollm2-135m").result()
    """

    def __init__(
        self, locate: Callable[[], ServerAddress], home: Home | None = None, settings: Settings | None = None
    ) -> None:
        self.home = home or Home.from_environment()
        self.settings = settings or Settings.load(self.home)
        self._mirror = Mirror()
        self._connection = Connection(locate)
        self.voices = RemoteVoices(self._connection)
        try:
            watch = Watch(self._connection, self._mirror)
            self._connection.start(watch.run())
            watch.opened.result()
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- what there is: from the mirror ---------------------------------------------------------------------------

    @property
    def place(self) -> str:
        return self._connection.address.name

    @property
    def address(self) -> ServerAddress:
        return self._connection.address

    @property
    def registry(self) -> Registry:
        return self._mirror.registry

    def resolve(self, name: str) -> RegistryEntry:
        return self.registry.resolve(name)

    def state(self, model_id: str) -> ModelState:
        return self._mirror.board.get(model_id)

    def downloaded(self, model_id: str) -> bool:
        return self._mirror.downloaded(self.resolve(model_id).id)

    def loaded(self, category: str) -> RegistryEntry | None:
        for entry in self.registry.entries:
            if entry.category == category and isinstance(self.state(entry.id), Loaded):
                return entry
        return None

    def abilities(self, model_id: str) -> Abilities | None:
        return self._mirror.abilities(self.resolve(model_id).id)

    def system(self) -> System:
        return self._mirror.system

    def download_queue(self) -> tuple[QueueItem, ...]:
        return self._mirror.queue()

    def subscribe(self, subscriber: Subscriber, *, replay: bool = False) -> Callable[[], None]:
        return self._mirror.board.subscribe(subscriber, replay=replay)

    def server(self) -> ServerFacts:
        """What the server tells of itself and its requests."""
        return self._connection.wait(self._connection.call("GET", "/v1/system", ServerFacts))

    # -- files --------------------------------------------------------------------------------------------------

    def update_registry(self) -> Future[Update]:
        return self._connection.start(self._connection.call("POST", "/v1/registry/update", Update))

    def download(self, model_id: str) -> Future[None]:
        return self._connection.start(self._download(self.resolve(model_id).id, "start"))

    def repair(self, model_id: str) -> Future[None]:
        return self._connection.start(self._download(self.resolve(model_id).id, "repair"))

    async def _download(self, model_id: str, verb: str) -> None:
        try:
            await self._to_the_end(f"{_download_path(model_id)}/{verb}", {"to_the_end": True})
        except Cancelled:
            await self._mirror.until(lambda: self._mirror.in_queue(model_id) is None)
            raise
        except DownloadError:
            await self._mirror.until(lambda: isinstance(self.state(model_id), Error))
            raise
        await self._mirror.until(lambda: self._mirror.downloaded(model_id))

    def pause_download(self, model_id: str) -> None:
        self._change_download(model_id, "pause", lambda stage: stage in (None, Stage.PAUSED))

    def cancel_download(self, model_id: str, discard: bool = False) -> None:
        self._change_download(model_id, "cancel", lambda stage: stage is None, {"discard": discard})

    def move_download(self, model_id: str, step: int) -> None:
        self._change_download(model_id, "move", lambda _: True, {"step": step})

    def _change_download(
        self,
        model_id: str,
        verb: str,
        done: Callable[[Stage | None], bool],
        params: Mapping[str, Any] | None = None,
    ) -> None:
        entry = self.resolve(model_id)

        def holds() -> bool:
            place = self._mirror.in_queue(entry.id)
            return done(place.stage if place else None)

        async def change() -> None:
            try:
                await self._connection.call("POST", f"{_download_path(entry.id)}/{verb}", dict, params)
            except OminixError as error:
                if error.code != "download_not_found":  # what is not in the queue cannot be taken out of it
                    raise
            await self._mirror.until(holds)

        self._connection.wait(change())

    def verify(self, model_id: str, report: Callable[[Downloading], None] = lambda _: None) -> Verification:
        return self._connection.wait(self._verify(_model_path(self.resolve(model_id).id), report))

    async def _verify(self, path: str, report: Callable[[Downloading], None]) -> Verification:
        async with aclosing(self._connection.stream("POST", f"{path}/verify")) as events:
            async for data in events:
                step = decoded(data, CheckStep, self.place)
                if found := step.result():
                    return found
                report(step.progress())
        raise HubConnectionError(f"{self.place} broke off before the check was complete.")

    def remove(self, model_id: str) -> int:
        entry = self.resolve(model_id)

        async def remove() -> int:
            freed = await self._connection.call("DELETE", _model_path(entry.id), Freed)
            await self._mirror.until(lambda: not self._mirror.downloaded(entry.id))
            return freed.freed_bytes

        return self._connection.wait(remove())

    def disk_usage(self) -> list[Usage]:
        reply = self._connection.wait(self._connection.call("GET", "/v1/disk", DiskReply))
        return [item.usage() for item in reply.data]

    # -- the loaded models --------------------------------------------------------------------------------------

    def warm_up(self) -> None:
        """The server has done so."""

    def online(self) -> bool:
        return True  # only the server could tell; a download that cannot begin says so

    def weigh(self, model_id: str) -> Verdict | None:
        path = f"{_model_path(self.resolve(model_id).id)}/verdict"
        return self._connection.wait(self._connection.call("GET", path, WEIGHED))

    def load(self, model_id: str, *, force: bool = False) -> Future[None]:
        entry = self.resolve(model_id)
        if not self._mirror.downloaded(entry.id):
            raise NotReadyError(f"{entry.name} is not on {self.place} yet. Get it there first: ominix pull {entry.id}")
        return self._connection.start(self._load(entry.id, force))

    async def _load(self, model_id: str, force: bool) -> None:
        try:
            await self._to_the_end(f"{_model_path(model_id)}/load", {"force": force})
        except LoadError:
            await self._mirror.until(lambda: isinstance(self.state(model_id), Error))
            raise
        await self._mirror.until(lambda: isinstance(self.state(model_id), Loaded))

    def unload(self, model_id: str) -> None:
        entry = self.resolve(model_id)

        async def unload() -> None:
            await self._connection.call("POST", f"{_model_path(entry.id)}/unload", dict)
            await self._mirror.until(lambda: not isinstance(self.state(entry.id), Loading | Loaded))

        self._connection.wait(unload())

    def pin(self, model_id: str, pinned: bool = True) -> None:
        path = f"{_model_path(self.resolve(model_id).id)}/pin"
        self._connection.wait(self._connection.call("POST", path, dict, {"pinned": pinned}))

    def generate(self, model_id: str, request: Request) -> Generation:
        entry = self.resolve(model_id)
        if not isinstance(self.state(entry.id), Loaded):
            raise NotReadyError(f"{entry.name} is not loaded. Load it first.")
        return RemoteAnswer(self._connection, _model_path(entry.id), request).generation

    async def _to_the_end(self, path: str, params: Mapping[str, Any]) -> None:
        """Start something, and wait until the server has told its end. Its progress comes with the other events."""
        async with aclosing(self._connection.stream("POST", path, params)) as events:
            async for _ in events:
                pass

    def close(self) -> None:
        self._connection.close()


def _model_path(model_id: str) -> str:
    return f"/v1/models/{quote(model_id)}"


def _download_path(model_id: str) -> str:
    return f"/v1/downloads/{quote(model_id)}"
