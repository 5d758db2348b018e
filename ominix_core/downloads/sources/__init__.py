"""Where models come from. Each source turns what a registry entry names into a list of files to fetch."""

from __future__ import annotations

from dataclasses import dataclass

from ominix_core.downloads.files import RemoteFile


@dataclass(frozen=True, slots=True)
class Listing:
    """What a source offers.

    Attributes:
        files: With paths relative to this source's part of the model.
        origin: For people: repository and commit, or address.
    """

    files: tuple[RemoteFile, ...]
    origin: str
