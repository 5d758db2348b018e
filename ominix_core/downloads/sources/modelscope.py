"""ModelScope, over its plain HTTPS interface."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from ominix_core.downloads import endpoints
from ominix_core.downloads.files import Digest, RemoteFile
from ominix_core.downloads.sources import Listing, selection
from ominix_core.downloads.web import RefusedError, Web
from ominix_core.errors import DownloadError
from ominix_core.registry import rules
from ominix_core.registry.entry import ModelScopeSource

LISTING_LIMIT = 3000
"""The server cuts a list at this many entries, without a word and whatever page is asked for."""
MOST_LISTINGS = 200


def list_files(source: ModelScopeSource, web: Web) -> Listing:
    """Raises DownloadError, AddressError or Cancelled."""
    endpoint = endpoints.modelscope()
    resolve = f"{endpoint}/models/{source.repo}/resolve/{quote(source.revision, safe='')}"
    try:
        try:
            files = [file for item in _items(source, web) if (file := _file(item, resolve))]
        except (KeyError, TypeError, AttributeError) as error:
            raise DownloadError(f"ModelScope's list of the files of {source.repo} cannot be read: {error}.") from error
        chosen = selection.choose(source.repo, files, source.files, lambda file: web.get_bytes(file.urls[0])[0])
    except RefusedError as error:
        raise explain(error, source) from error
    return Listing(tuple(chosen), f"{source.repo} on ModelScope, {source.revision}")


def _items(source: ModelScopeSource, web: Web) -> list[Any]:
    """Everything in the repository, folder by folder where it is too much for one answer."""
    found: list[Any] = []
    folders = [""]
    for _ in range(MOST_LISTINGS):
        if not folders:
            return found
        folder = folders.pop()
        items = _listing(source, web, folder, recursive=True)
        if len(items) >= LISTING_LIMIT:
            items = _listing(source, web, folder, recursive=False)
            folders += [item["Path"] for item in items if item["Type"] == "tree"]
        if len(items) >= LISTING_LIMIT:
            place = f"the folder {folder} of {source.repo}" if folder else source.repo
            raise DownloadError(
                f"ModelScope lists only {LISTING_LIMIT:,} of the files in {place}, so that some would be missing. "
                "Get the model from another source."
            )
        found += items
    raise DownloadError(f"{source.repo} on ModelScope has more folders than a model can have. Nothing was fetched.")


def _listing(source: ModelScopeSource, web: Web, folder: str, *, recursive: bool) -> list[Any]:
    query = {"Revision": source.revision, "Recursive": str(recursive).lower()} | ({"Root": folder} if folder else {})
    answer, _ = web.get_json(f"{endpoints.modelscope()}/api/v1/models/{source.repo}/repo/files?{urlencode(query)}")
    items: list[Any] = answer["Data"]["Files"]
    return items


def explain(error: RefusedError, source: ModelScopeSource) -> DownloadError:
    """ModelScope's refusal in words that say what to do."""
    if error.status in (401, 403, 404):
        return DownloadError(f"{source.repo} does not exist on ModelScope or is private, or has no {source.revision}.")
    return error


def _file(item: Any, resolve: str) -> RemoteFile | None:
    """The file of one item; None for folders and for names that no download takes."""
    if item["Type"] != "blob":
        return None
    path, size, sha256 = item["Path"], item["Size"], item.get("Sha256")
    if type(size) is not int:
        raise TypeError("a size is not a whole number")
    try:
        rules.check_file(path)
    except ValueError:
        return None
    return RemoteFile(path, size, Digest("sha256", sha256) if sha256 else None, (f"{resolve}/{quote(path)}",))
