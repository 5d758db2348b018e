"""API keys: made once, shown once, kept as hashes in a file that only its owner can read."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from ominix_core import atomic
from ominix_core.errors import OminixError

Scope = Literal["use", "manage"]
"""`use` runs models and reads; `manage` also loads, unloads and downloads them."""

PREFIX = "omx-"


def new_secret() -> str:
    """A key that nobody can guess."""
    return PREFIX + secrets.token_urlsafe(32)


class KeyStoreError(OminixError):
    """The file of API keys cannot be read, or a key is not in it."""

    code = "key_store_error"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is kept of a key.

    Attributes:
        id: How people refer to it; the key itself cannot be had back.
        sha256: Of the key. Keys are long and random, so a slow password hash would add nothing.
        created: Unix seconds.
    """

    id: str
    name: str
    scopes: tuple[Scope, ...]
    sha256: str
    created: int


class KeyStore:
    """The keys in one file, which is read again when it has changed, so that a revoked key is refused at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._by_hash: dict[str, ApiKey] = {}

    def all(self) -> list[ApiKey]:
        """Every key. Raises KeyStoreError if the file is broken."""
        self._refresh()
        return list(self._by_hash.values())

    def find(self, secret: str) -> ApiKey | None:
        """The key that `secret` is, if it is one. Raises KeyStoreError if the file is broken."""
        self._refresh()
        return self._by_hash.get(_hash(secret))

    def create(self, name: str, scopes: tuple[Scope, ...] = ("use",)) -> tuple[ApiKey, str]:
        """Make and keep a key; returns it with its secret, which nothing can show again. Raises KeyStoreError."""
        secret = new_secret()
        key = ApiKey(secrets.token_hex(4), name, scopes, _hash(secret), int(time.time()))
        self._write([*self.all(), key])
        return key, secret

    def revoke(self, key_id: str) -> ApiKey:
        """Remove the key with this id. Raises KeyStoreError, also if there is none."""
        keys = self.all()
        revoked = next((key for key in keys if key.id == key_id), None)
        if revoked is None:
            raise KeyStoreError(f"There is no API key '{key_id}'. `ominix keys list` shows them.")
        self._write([key for key in keys if key is not revoked])
        return revoked

    def _refresh(self) -> None:
        try:
            status = self._path.stat()
            seen = (status.st_mtime_ns, status.st_ino)
            if seen == self._seen:
                return
            keys = [_read(raw) for raw in json.loads(self._path.read_text("utf-8"))["keys"]]
        except FileNotFoundError:
            self._seen, self._by_hash = None, {}
            return
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise KeyStoreError(
                f"{self._path} cannot be read: {error}. Mend it, or remove it and make new keys."
            ) from error
        self._seen, self._by_hash = seen, {key.sha256: key for key in keys}

    def _write(self, keys: list[ApiKey]) -> None:
        text = json.dumps({"keys": [asdict(key) for key in keys]}, indent=1)
        try:
            atomic.write(self._path, text, private=True)
        except OSError as error:
            raise KeyStoreError(f"The API keys cannot be written to {self._path}: {error.strerror}.") from error


def _read(raw: dict[str, Any]) -> ApiKey:
    scopes = tuple(scope for scope in get_args(Scope) if scope in raw["scopes"])
    return ApiKey(str(raw["id"]), str(raw["name"]), scopes, str(raw["sha256"]), int(raw["created"]))


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
