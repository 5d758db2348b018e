"""One file behind an address, with the same file elsewhere as a backup."""

from __future__ import annotations

import re
from functools import partial
from urllib.parse import unquote, urlsplit

from ominix_core.downloads.files import Digest, RemoteFile
from ominix_core.downloads.sources import Listing
from ominix_core.downloads.web import RefusedError, Web
from ominix_core.errors import DownloadError
from ominix_core.registry.entry import DirectUrlSource


def list_files(source: DirectUrlSource, web: Web) -> Listing:
    """The file, with its size as the first address that answers tells it.

    Without a sha256 in the registry nothing shows that two addresses hold the same bytes, so the file then comes from
    one address alone. Raises DownloadError, AddressError or Cancelled.
    """
    addresses = (source.url, *source.backup_urls)
    patience = web.retry.backup_patience if source.backup_urls else web.retry.listing_patience
    failures: list[str] = []
    for address in addresses:
        try:
            size = web.patiently(partial(_size, address, web), patience)
        except DownloadError as error:
            failures.append(str(error))
            continue
        if source.size_bytes not in (None, 0, size):
            failures.append(f"{urlsplit(address).hostname} offers {size} bytes, not {source.size_bytes}.")
            continue
        return Listing((_file(source, address, size),), address.split("?")[0])
    raise DownloadError("No address of this model answers as it should: " + " ".join(failures))


def _file(source: DirectUrlSource, address: str, size: int) -> RemoteFile:
    name = unquote(urlsplit(source.url).path).rpartition("/")[2]
    if source.sha256 is None:
        return RemoteFile(name, size, None, (address,))
    others = tuple(url for url in (source.url, *source.backup_urls) if url != address)
    return RemoteFile(name, size, Digest("sha256", source.sha256), (address, *others))


def _size(url: str, web: Web) -> int:
    with web.open(url, {"Range": "bytes=0-0"}) as response:
        extent = re.fullmatch(r"bytes 0-0/(\d{1,16})", response.headers.get("content-range", ""))
        length = response.headers.get("content-length", "")
        if response.status_code == 206 and extent:
            return int(extent[1])
        if response.status_code == 200 and re.fullmatch(r"\d{1,16}", length):
            return int(length)
    raise RefusedError(f"{response.url.host} does not say how large the file is.")
