"""Fetching a newer registry: never in the way, never worse than the last good one."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ominix_core import __version__
from ominix_core.addresses import AddressError, check_url
from ominix_core.errors import RegistryError
from ominix_core.events import RegistryChanged
from ominix_core.paths import Home
from ominix_core.registry.catalogue import Registry
from ominix_core.registry.document import MAX_BYTES, Document, parse_document
from ominix_core.registry.fetched import (
    Receipt,
    fetched_file,
    read_receipt,
    store_fetched,
    trusted_keys,
    write_receipt,
)
from ominix_core.registry.layers import Layer, merge
from ominix_core.registry.rules import clean_text
from ominix_core.registry.signing import MAX_SIGNATURE_FILE, verify
from ominix_core.registry.support import version_key

if TYPE_CHECKING:
    import httpx

TIMEOUT_SECONDS = 10.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Update:
    """What a fetch brought.

    Attributes:
        changed: Whether a new file was stored.
        signed: Whether a known publisher signed what is stored now.
        serial: Of what is stored now.
        warnings: What the user should know: an expired edition, entries that could not be used.
    """

    changed: bool
    signed: bool
    serial: int = 0
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Answer:
    data: bytes
    etag: str


def update(home: Home, url: str, publisher_key: str = "") -> Update:
    """Fetch the registry at `url` if it is newer than the stored one, and store it once it has been checked.

    Raises RegistryError that says why nothing was stored; the last good registry then stays in use.
    """
    from filelock import FileLock, Timeout

    if url in ("", "off"):
        raise RegistryError("Updates are off. The setting registry_url turns them on.")
    try:
        home.registry.mkdir(parents=True, exist_ok=True)
        with FileLock(home.registry / ".update.lock", timeout=TIMEOUT_SECONDS):
            return _update(home, url, publisher_key)
    except Timeout as error:
        raise RegistryError("Another Ominix is updating the registry right now. Try again in a moment.") from error
    except OSError as error:
        raise RegistryError(f"Cannot write to {home.registry}: {error.strerror}") from error


def update_in_background(home: Home, url: str, publisher_key: str, reload: Callable[[], None]) -> Future[Update]:
    """Run `update`, then `reload`, on a thread that ends with the program.

    The file is worth reading again even when nothing was fetched: another Ominix may have fetched it.
    """
    outcome: Future[Update] = Future()

    def work() -> None:
        try:
            result = update(home, url, publisher_key)
            reload()
            outcome.set_result(result)
        except RegistryError as error:
            _log.info("the registry was not updated: %s", error)
            outcome.set_exception(error)
        except Exception as error:
            _log.exception("the registry was not updated")
            outcome.set_exception(error)

    outcome.set_running_or_notify_cancel()
    threading.Thread(target=work, name="registry-update", daemon=True).start()
    return outcome


def difference(old: Registry, new: Registry) -> RegistryChanged:
    """What a reader of `old` must learn to be at `new`."""
    before = {entry.id: entry for entry in old.entries}
    after = {entry.id: entry for entry in new.entries}
    return RegistryChanged(
        added=tuple(model_id for model_id in after if model_id not in before),
        changed=tuple(model_id for model_id in after if model_id in before and after[model_id] != before[model_id]),
        removed=tuple(model_id for model_id in before if model_id not in after),
        problems=tuple(str(problem) for problem in new.problems if problem not in old.problems),
    )


def _update(home: Home, url: str, publisher_key: str) -> Update:
    from ominix_core.http import guarded_client

    keys = trusted_keys(publisher_key)
    receipt = _receipt_for(home, url, set(keys))
    deadline = time.monotonic() + TIMEOUT_SECONDS
    with guarded_client() as client:
        answer = _get(client, url, deadline, MAX_BYTES, etag=receipt.etag)
        if answer is None:
            return Update(changed=False, signed=bool(receipt.key_id), serial=receipt.serial)
        key_id = ""
        if keys:
            signature = _get(client, f"{url}.sig", deadline, MAX_SIGNATURE_FILE)
            if signature is None:
                raise RegistryError(f"{url}.sig: the server sent no signature.")
            key_id = verify(answer.data, signature.data, keys).id
    document = parse_document(answer.data, fetched_file(home))
    warnings = _check_edition(document, receipt)
    new = Receipt(
        url=url,
        etag=answer.etag,
        sha256=hashlib.sha256(answer.data).hexdigest(),
        key_id=key_id,
        serial=document.serial,
        fetched_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    if new.sha256 == receipt.sha256 and new.key_id == receipt.key_id:
        write_receipt(home, new)
        return Update(changed=False, signed=bool(key_id), serial=document.serial, warnings=warnings)
    store_fetched(home, answer.data, new)
    return Update(changed=True, signed=bool(key_id), serial=document.serial, warnings=warnings)


def _receipt_for(home: Home, url: str, key_ids: set[str]) -> Receipt:
    """The receipt, fit to say that nothing changed: not for another address, a lost file or a missing signature."""
    receipt = read_receipt(home)
    if receipt.url != url:
        return Receipt()
    try:
        intact = hashlib.sha256(fetched_file(home).read_bytes()).hexdigest() == receipt.sha256
    except OSError:
        intact = False
    if not intact or (key_ids and receipt.key_id not in key_ids):
        return replace(receipt, etag="", sha256="")
    return receipt


def _check_edition(document: Document, receipt: Receipt) -> tuple[str, ...]:
    """Refuse an edition that is older, too new for this program, or useless. Returns what is worth a warning."""
    if document.serial < receipt.serial:
        raise RegistryError(
            f"The registry server sent an older edition (serial {document.serial}) than the one here "
            f"({receipt.serial}); the newer one stays."
        )
    if document.min_app_version and version_key(document.min_app_version) > version_key(__version__):
        raise RegistryError(f"The registry needs Ominix {document.min_app_version} or newer; this is {__version__}.")
    merged = merge([Layer("fetched", document)])
    if merged.problems and not merged.entries and not merged.hidden:
        raise RegistryError(f"No entry of the fetched registry can be used. The first fault: {merged.problems[0]}")
    warnings = [str(problem) for problem in merged.problems]
    if document.expired:
        warnings.insert(0, f"The registry expired on {document.expires}; its publisher may have stopped updating it.")
    return tuple(warnings)


def _get(client: httpx.Client, url: str, deadline: float, limit: int, etag: str = "") -> _Answer | None:
    """The body behind `url`, or None if it still has the given `etag`. Raises RegistryError."""
    import httpx

    headers = {"Accept-Encoding": "identity", "User-Agent": f"ominix/{__version__}"}
    if etag:
        headers["If-None-Match"] = etag
    try:
        check_url(url)
        remaining = max(0.1, deadline - time.monotonic())
        with client.stream("GET", url, headers=headers, timeout=remaining) as response:
            if response.status_code == httpx.codes.NOT_MODIFIED and etag:
                return None
            if response.status_code != httpx.codes.OK:
                raise RegistryError(f"{url}: the server answered {response.status_code} {response.reason_phrase}.")
            if response.headers.get("content-encoding", "identity") != "identity":
                raise RegistryError(f"{url}: the server compressed its answer without being asked to.")
            data = bytearray()
            for chunk in response.iter_raw():
                data += chunk
                if len(data) > limit:
                    raise RegistryError(f"{url}: the answer is larger than {limit} bytes.")
                if time.monotonic() > deadline:
                    raise RegistryError(f"{url}: the server took longer than {TIMEOUT_SECONDS:.0f} seconds.")
            return _Answer(bytes(data), _etag(response.headers.get("etag", "")))
    except AddressError as error:
        raise RegistryError(str(error)) from error
    except httpx.HTTPError as error:
        raise RegistryError(f"{url} cannot be reached: {clean_text(str(error)) or type(error).__name__}") from error
    except (httpx.InvalidURL, ValueError, OSError) as error:
        raise RegistryError(f"{url} cannot be read: {clean_text(str(error))}") from error


def _etag(value: str) -> str:
    """The tag as it may be sent back: printable, of bounded length."""
    return value if value.isascii() and value.isprintable() and len(value) <= 256 else ""
