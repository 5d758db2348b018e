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


def list_files(source: ModelScopeSource, web: Web) -> Listing:
    """Raises DownloadError, AddressError or Cancelled."""
    endpoint = endpoints.modelscope()
    query = urlencode({"Revision": source.revision, "Recursive": "true"})
    resolve = f"{endpoint}/models/{source.repo}/resolve/{quote(source.revision, safe='')}"
    try:
        answer, _ = web.get_json(f"{endpoint}/api/v1/models/{source.repo}/repo/files?{query}")
        try:
            items = answer["Data"]["Files"]
            files = [file for item in items if (file := _file(item, resolve))]
        except (KeyError, TypeError, AttributeError) as error:
            raise DownloadError(f"ModelScope's list of the files of {source.repo} cannot be read: {error}.") from error
        chosen = selection.choose(source.repo, files, source.files, lambda file: web.get_bytes(file.urls[0])[0])
    except RefusedError as error:
        raise explain(error, source) from error
    return Listing(tuple(chosen), f"{source.repo} on ModelScope, {source.revision}")


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
