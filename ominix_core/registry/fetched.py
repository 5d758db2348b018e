"""The last good registry from the server, on disk: the file as it came, and a note of how it came."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from ominix_core import atomic
from ominix_core.errors import RegistryError
from ominix_core.paths import Home, bundled_registry
from ominix_core.registry.document import MAX_BYTES, parse_document
from ominix_core.registry.layers import Layer
from ominix_core.registry.signing import PublicKey, known_keys


@dataclass(frozen=True, slots=True)
class Receipt:
    """How the stored file came here.

    Attributes:
        sha256: Of the file that this belongs to; a file with another hash counts as unsigned.
        key_id: The publisher's key that signed it; empty if nobody did.
    """

    url: str = ""
    etag: str = ""
    sha256: str = ""
    key_id: str = ""
    serial: int = 0
    fetched_at: str = ""


def fetched_file(home: Home) -> Path:
    return home.registry / "fetched.json"


def read_fetched(home: Home, publisher_key: str = "") -> Layer | None:
    """The stored layer, or None if there is none.

    Raises RegistryError if it cannot be read, or if a publisher's key is known now and the file lacks its signature.
    """
    file = fetched_file(home)
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RegistryError(f"Cannot read the fetched registry {file}: {error.strerror}") from error
    receipt = read_receipt(home)
    intact = receipt.sha256 == hashlib.sha256(data).hexdigest()
    keys = trusted_keys(publisher_key)
    signed = intact and receipt.key_id in keys
    if keys and not signed:
        raise RegistryError(f"{file} has no valid signature of a known publisher and is not used. Fetch it again.")
    return Layer("fetched", parse_document(data, file), signed=signed)


def read_receipt(home: Home) -> Receipt:
    """The note beside the stored file; an empty one if it is missing or damaged."""
    try:
        values = json.loads(receipt_file(home).read_bytes())
        return Receipt(**values)
    except (OSError, ValueError, TypeError):
        return Receipt()


def store_fetched(home: Home, data: bytes, receipt: Receipt) -> None:
    """Replace the stored file. A crash in between leaves a file that counts as unsigned, never a wrong signature."""
    write_atomic(fetched_file(home), data)
    write_receipt(home, receipt)


def write_receipt(home: Home, receipt: Receipt) -> None:
    write_atomic(receipt_file(home), json.dumps(asdict(receipt), indent=2).encode())


def trusted_keys(publisher_key: str = "") -> dict[str, PublicKey]:
    """The publishers' keys that ship with Ominix, and the configured one."""
    return known_keys(bundled_registry().parent / "keys", publisher_key)


def write_atomic(file: Path, data: bytes) -> None:
    """Write `file`, or what it links to, whole or not at all. Raises RegistryError if the disk refuses."""
    try:
        file = file.resolve()
        atomic.write(file, data, private=True, durable=True)
    except OSError as error:
        raise RegistryError(f"Cannot write {file}: {error.strerror}") from error


def receipt_file(home: Home) -> Path:
    return home.registry / "fetched.receipt.json"
