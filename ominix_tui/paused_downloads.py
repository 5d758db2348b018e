"""Downloads that rest, since they were paused or since a program ended: how they are told of, and gone on with."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ominix_core.states import Paused
from ominix_tui.text import counted, listed

if TYPE_CHECKING:
    from ominix_core.facade import HubFacade
    from ominix_core.registry.entry import RegistryEntry


def paused(hub: HubFacade) -> list[RegistryEntry]:
    """The models whose downloads rest."""
    return [entry for entry in hub.registry.entries if isinstance(hub.state(entry.id), Paused)]


def reminder(hub: HubFacade) -> str | None:
    """What a start says of downloads that rest; None if there is none."""
    if not (entries := paused(hub)):
        return None
    names, are = listed([entry.name for entry in entries]), "is" if len(entries) == 1 else "are"
    return f"{names} {are} only half downloaded. P in the Hub (F2) goes on with all that is paused."


async def resume_all(hub: HubFacade) -> str:
    """Go on with all of them, and say so. Raises OminixError."""
    entries = paused(hub)
    for entry in entries:
        await asyncio.to_thread(hub.download, entry.id)
    return f"{counted(len(entries), 'download')} going on." if entries else "No download is paused."
