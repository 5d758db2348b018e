"""What can be done with a model: which command fits its state, and how each one runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.binding import Binding, BindingType
from textual.content import Content

from ominix_core.errors import Cancelled, InsufficientMemoryError, OminixError
from ominix_core.memory import gigabytes
from ominix_core.states import Downloaded, Downloading, Error, Loaded, Loading, ModelState, NotDownloaded, Paused
from ominix_core.system import file_size
from ominix_tui.memory_words import memory_lines
from ominix_tui.text import one_line

if TYPE_CHECKING:
    from ominix_core.downloads.verification import Verification
    from ominix_core.facade import HubFacade
    from ominix_core.registry.entry import RegistryEntry
    from ominix_tui.navigation import NavigatingApp
    from ominix_tui.widgets.dialogs import ConfirmDialog

MOST_FAULTS = 5


@dataclass(frozen=True, slots=True)
class Command:
    """A key, the word on its button, and what it does."""

    name: str
    key: str
    label: str
    tooltip: str


COMMANDS = (
    Command("get", "g", "Get", "Download the selected model"),
    Command("resume", "g", "Resume", "Go on with the download where it stopped"),
    Command("pause", "p", "Pause", "Stop the download for now; its bytes are kept"),
    Command("cancel", "c", "Cancel", "Stop the download or the load"),
    Command("load", "l", "Load", "Bring the selected model into memory"),
    Command("use", "s", "Use", "Go to the model's panel; load it first if it is not in memory"),
    Command("unload", "u", "Unload", "Free the selected model's memory"),
    Command("verify", "v", "Verify", "Compare the model's files with their checksums"),
    Command("repair", "v", "Repair", "Fetch again what is missing or damaged"),
    Command("remove", "d", "Remove", "Delete the model's files from this machine"),
)

COMMAND_KEYS: list[BindingType] = [
    *(
        Binding(each.key, f"screen.model('{each.name}')", each.label, id=f"hub.{each.name}", tooltip=each.tooltip)
        for each in COMMANDS
    ),
    Binding("i", "screen.details", "Details", id="hub.details", tooltip="Everything that is known of the model"),
]
"""The keys of those who show models by name: elsewhere on the screen, what is typed may be meant as text."""
RESUME_ALL = Binding(
    *("P", "app.resume_downloads", "Resume all"),
    id="downloads.resume_all",
    tooltip="Go on with every download that is paused",
    show=False,
)


def commands_for(state: ModelState, *, on_disk: bool, own_files: bool = True) -> tuple[str, ...]:
    """The names of the commands that fit, the likeliest first.

    Args:
        on_disk: Whether the model is complete on this machine; asked of a model in Error alone.
        own_files: Whether its files are Ominix's, so that it may check and delete them.
    """
    match state:
        case NotDownloaded():
            return ("get",)
        case Downloading():
            return ("pause", "cancel")
        case Paused():
            return ("resume", "remove")
        case Loading():
            return ("cancel",)
        case Downloaded():
            return ("load", "use", "verify", "remove") if own_files else ("load", "use")
        case Loaded():
            return ("use", "unload", "verify", "remove") if own_files else ("use", "unload")
        case Error() if on_disk:
            return ("load", "use", "repair", "remove") if own_files else ("load", "use")
        case Error():
            return ("get", "remove") if own_files else ()
        case _:
            return ()


class ModelCommands:
    """Runs the commands: asks first where something would be lost, and tells how they ended.

    Args:
        show_check: Told how far the check of a model's files is, on any thread; None when it has ended.
    """

    def __init__(
        self, app: NavigatingApp, hub: HubFacade, show_check: Callable[[str, Downloading | None], None]
    ) -> None:
        self._app = app
        self._hub = hub
        self._show_check = show_check
        self._runners = {
            "get": self._get,
            "resume": self._get,
            "pause": self._pause,
            "cancel": self._cancel,
            "load": self._load,
            "unload": self._unload,
            "verify": self._verify,
            "repair": self._repair,
            "remove": self._remove,
        }

    async def run(self, name: str, entry: RegistryEntry) -> None:
        """Run a command to its end, in a worker: it may ask the user. What shows as the model's state is not told.

        The app must hold what is typed after "remove": it is for the question, and let go when that comes up.
        """
        try:
            await self._runners[name](entry)
        except Cancelled:
            pass
        except OminixError as error:
            if self._hub.state(entry.id) != Error(str(error)):
                self._app.notify(str(error), severity="error", markup=False)

    async def _get(self, entry: RegistryEntry) -> None:
        await _end_of(await asyncio.to_thread(self._hub.download, entry.id))

    async def _pause(self, entry: RegistryEntry) -> None:
        await asyncio.to_thread(self._hub.pause_download, entry.id)

    async def _cancel(self, entry: RegistryEntry) -> None:
        state = self._hub.state(entry.id)
        if not isinstance(state, Downloading):
            await asyncio.to_thread(self._hub.unload, entry.id)
            return
        answer: str | None = "keep"
        if state.done_bytes:
            size = file_size(state.done_bytes)
            choices = {
                "keep": f"Stop, and keep the {size} that have arrived",
                "discard": "Stop, and discard them",
                "": "Go on downloading",
            }
            answer = await self._ask(f"Cancel the download of {one_line(entry.name)}?", "", choices)
        if answer:
            await asyncio.to_thread(self._hub.cancel_download, entry.id, answer == "discard")

    async def _load(self, entry: RegistryEntry) -> None:
        force = False
        while True:
            try:
                await _end_of(await asyncio.to_thread(self._hub.load, entry.id, force=force))
                return
            except InsufficientMemoryError as error:
                answer = await self._ask_for_memory(entry, error)
            if not answer:
                return
            force = answer == "force"
            if not force:
                await asyncio.to_thread(self._hub.unload, answer)

    async def _ask_for_memory(self, entry: RegistryEntry, refusal: OminixError) -> str | None:
        """Ask what to do about a load that the guard refused: the id of a model to unload, "force", or nothing."""
        verdict, system = await asyncio.gather(
            asyncio.to_thread(self._hub.weigh, entry.id), asyncio.to_thread(self._hub.system)
        )
        names = {model_id: self._name_of(model_id) for model_id in system.models if model_id != entry.id}
        choices = {
            model_id: f"Unload {name} ({gigabytes(system.models[model_id])}), then load"
            for model_id, name in names.items()
        }
        choices |= {"force": "Load anyway: the machine may slow down, or end the model", "": "Cancel"}
        lines = [Content(one_line(str(refusal))), Content()]
        if verdict is not None:
            lines += memory_lines(verdict, system, names, entry.category)
        text = Content("\n").join(lines)
        return await self._ask_unasked(f"Not enough memory for {one_line(entry.name)}", text, choices)

    def _name_of(self, model_id: str) -> str:
        entry = self._hub.registry.get(model_id)
        return one_line(entry.name if entry else model_id)

    async def _unload(self, entry: RegistryEntry) -> None:
        await asyncio.to_thread(self._hub.unload, entry.id)

    async def _verify(self, entry: RegistryEntry) -> None:
        def show(progress: Downloading) -> None:
            self._show_check(entry.id, progress)

        show(Downloading(file="verifying"))
        try:
            result = await asyncio.to_thread(self._hub.verify, entry.id, show)
        finally:
            self._show_check(entry.id, None)
        if not result.faults:
            self._app.notify(all_well(result), title=one_line(entry.name), markup=False)
            return
        choices = {"repair": "Repair: fetch them again", "": "Leave them"}
        title = f"{one_line(entry.name)}: {len(result.faults)} of its files are damaged"
        if await self._ask_unasked(title, Content("\n").join(_fault_lines(result)), choices):
            await self._repair(entry)

    async def _repair(self, entry: RegistryEntry) -> None:
        await _end_of(await asyncio.to_thread(self._hub.repair, entry.id))

    async def _remove(self, entry: RegistryEntry) -> None:
        try:
            usage = await asyncio.to_thread(self._hub.disk_usage)
        finally:
            self._app.release_keys()
        size = next((each.bytes for each in usage if each.model_id == entry.id), None)
        if await self._app.push_screen_wait(removal(entry.name, size)):
            freed = await asyncio.to_thread(self._hub.remove, entry.id)
            self._app.notify(f"{one_line(entry.name)} was removed, which freed {file_size(freed)}.", markup=False)

    async def _ask(self, title: str, text: Content | str, choices: Mapping[str, str]) -> str | None:
        from ominix_tui.widgets.dialogs import ChoiceDialog

        return await self._app.push_screen_wait(ChoiceDialog(title, text, choices))

    async def _ask_unasked(self, title: str, text: Content, choices: Mapping[str, str]) -> str | None:
        """Ask something that comes of itself, once nobody types; the choice that changes nothing has the empty key."""
        from ominix_tui.widgets.dialogs import UnaskedDialog

        await self._app.typing_rests()
        return await self._app.push_screen_wait(UnaskedDialog(title, text, choices, chosen=""))


def removal(name: str, size: int | None) -> ConfirmDialog:
    """The question before a model's files are deleted; `size` in bytes."""
    from ominix_tui.widgets.dialogs import ConfirmDialog

    what = "its files are" if size is None else f"its {file_size(size)} on disk are"
    question = f"Remove {one_line(name)} from this machine? {what[0].upper()}{what[1:]} deleted. It can be got again."
    return ConfirmDialog("Remove", question, "Remove")


async def _end_of(future: Future[None]) -> None:
    """Wait for the end of the work, which goes on if nobody waits any longer."""
    await asyncio.shield(asyncio.wrap_future(future))


def _fault_lines(result: Verification) -> Iterator[Content]:
    for fault in result.faults[:MOST_FAULTS]:
        yield Content(one_line(f"{fault.path} {fault.reason}"))
    if len(result.faults) > MOST_FAULTS:
        yield Content(f"… and {len(result.faults) - MOST_FAULTS} more")


def all_well(result: Verification) -> str:
    """What is said of a model whose files are as they should be."""
    unchecked = f"; {result.unverified} have none, and the right size" if result.unverified else ""
    return f"{result.checked} files match their checksums{unchecked}."
