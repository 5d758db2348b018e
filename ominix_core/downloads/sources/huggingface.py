"""The Hugging Face hub: a pinned commit, its tree with sizes and checksums, and what its refusals mean."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from ominix_core.addresses import next_page
from ominix_core.downloads import endpoints
from ominix_core.downloads.files import Digest, RemoteFile
from ominix_core.downloads.sources import Listing, selection
from ominix_core.downloads.web import RefusedError, Web
from ominix_core.errors import DownloadError
from ominix_core.registry import rules
from ominix_core.registry.entry import HuggingFaceSource

MAX_PAGES = 200
COMMIT = re.compile(r"[0-9a-f]{40}")


def list_files(source: HuggingFaceSource, web: Web) -> Listing:
    """Raises DownloadError, AddressError or Cancelled."""
    endpoint = endpoints.huggingface()
    api = f"{endpoint}/api/models/{source.repo}"
    try:
        details, _ = web.get_json(f"{api}/revision/{quote(source.revision, safe='')}")
        commit = details.get("sha") if isinstance(details, dict) else None
        if not isinstance(commit, str) or not COMMIT.fullmatch(commit):
            raise DownloadError(f"{endpoint} does not say which commit {source.repo} is at. Is HF_ENDPOINT right?")
        resolve = f"{endpoint}/{source.repo}/resolve/{commit}"
        files = [file for item in _tree(f"{api}/tree/{commit}?recursive=true", web) if (file := _file(item, resolve))]
        chosen = selection.choose(source.repo, files, source.files, lambda file: web.get_bytes(file.urls[0])[0])
    except RefusedError as error:
        raise explain(error, source) from error
    return Listing(tuple(chosen), f"{source.repo} at {commit[:12]}")


def explain(error: RefusedError, source: HuggingFaceSource) -> DownloadError:
    """The hub's refusal in words that say what to do."""
    page = f"{endpoints.huggingface()}/{source.repo}"
    match error.hub_code, error.status:
        case "GatedRepo", _:
            return DownloadError(
                f"{source.repo} is gated: ask for access on {page}, then sign in with `hf auth login` "
                "or set HF_TOKEN, and try again."
            )
        case "RevisionNotFound", _:
            return DownloadError(f"{source.repo} has no revision '{source.revision}'.")
        case "EntryNotFound", _:
            return DownloadError(f"{source.repo} no longer holds a file that it lists. Try again later.")
        case ("RepoNotFound", _) | (_, 401 | 404):
            return DownloadError(
                f"{source.repo} does not exist or is private. If it is yours, sign in with `hf auth login` "
                "or set HF_TOKEN, and try again."
            )
        case _, 403:
            return DownloadError(f"Your token gives no access to {source.repo}. Check its permissions on {page}.")
        case _:
            return error


def _tree(url: str, web: Web) -> list[Any]:
    items: list[Any] = []
    following: str | None = url
    for _ in range(MAX_PAGES):
        page, headers = web.get_json(following or url)
        if not isinstance(page, list):
            raise DownloadError("The hub's list of files is not a list. Is HF_ENDPOINT right?")
        items += page
        following = next_page(following or url, headers.get("link", ""))
        if following is None:
            return items
    raise DownloadError(f"The hub's list of files does not end after {MAX_PAGES} pages.")


def _file(item: Any, resolve: str) -> RemoteFile | None:
    """The file of one tree item; None for folders and for names that no download takes."""
    try:
        if item["type"] != "file":
            return None
        path, large = item["path"], item.get("lfs")
        rules.check_file(path)
        size = large["size"] if large else item["size"]
        digest = Digest("sha256", large["oid"]) if large else Digest("git", item["oid"])
        if type(size) is not int:
            raise TypeError("its size is not a whole number")
    except ValueError:
        return None
    except (KeyError, TypeError, AttributeError) as error:
        raise DownloadError(f"The hub's list of files cannot be read: {error}. Nothing was fetched.") from error
    return RemoteFile(path, size, digest, (f"{resolve}/{quote(path)}",))
