"""Detached ed25519 signatures: which publishers are known, and whether one of them vouches for a file.

A public key file (`NAME.pub`) is one line of base64; lines that start with `#` are comments. A signature file
(`FILE.sig`) is one line: "ed25519", the key's id, the signature in base64. Both are safe to publish; the private key
(`NAME.key`) is not.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from ominix_core.errors import RegistryError
from ominix_core.registry.rules import clean_text

_KEY_BYTES = 32
_SIGNATURE_BYTES = 64
MAX_SIGNATURE_FILE = 1024


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A publisher's key; `id` is what signatures call it."""

    data: bytes

    @property
    def id(self) -> str:
        return hashlib.sha256(self.data).hexdigest()[:16]


def known_keys(folder: Path, configured: str = "") -> dict[str, PublicKey]:
    """The public keys in `folder` and the one that the settings name, by id. Raises RegistryError for a broken key."""
    texts = [(str(path), path.read_text("utf-8")) for path in sorted(folder.glob("*.pub"))]
    if configured:
        texts.append(("The setting registry_key", configured))
    keys = [_public_key(text, name) for name, text in texts]
    return {key.id: key for key in keys}


def verify(data: bytes, signature: bytes, keys: dict[str, PublicKey]) -> PublicKey:
    """The known key that signed `data`. Raises RegistryError that says why there is none."""
    from nacl.exceptions import BadSignatureError
    from nacl.signing import VerifyKey

    try:
        algorithm, key_id, encoded = signature.decode("ascii").split()
        raw = base64.b64decode(encoded, validate=True)
    except (UnicodeDecodeError, ValueError) as error:
        raise RegistryError("The registry's signature cannot be read.") from error
    if algorithm != "ed25519" or len(raw) != _SIGNATURE_BYTES:
        raise RegistryError("The registry's signature is not an ed25519 signature.")
    key = keys.get(key_id)
    if key is None:
        raise RegistryError(f"The registry is signed with an unknown key ({clean_text(key_id)[:16]}).")
    try:
        VerifyKey(key.data).verify(data, raw)
    except BadSignatureError as error:
        raise RegistryError("The registry's signature does not fit its content; the file was changed.") from error
    return key


def generate_key(private: Path) -> Path:
    """Write a new private key, readable by its owner alone, and its public key beside it; returns the latter's path.

    Raises RegistryError if a file is in the way or the folder belongs to a Git repository.
    """
    from nacl.signing import SigningKey

    private = private.absolute()
    if any((folder / ".git").exists() for folder in private.parents):
        raise RegistryError(f"{private} is inside a Git repository. Keep private keys out of it.")
    public = private.with_suffix(".pub")
    if private == public or public.exists():
        raise RegistryError(f"{public} exists already. Choose another name, such as publisher.key.")
    key = SigningKey.generate()
    try:
        descriptor = os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise RegistryError(f"Cannot write {private}: {error.strerror}") from error
    with os.fdopen(descriptor, "w") as stream:
        stream.write(base64.b64encode(bytes(key)).decode() + "\n")
    public.write_text(f"# Ominix registry publisher\n{base64.b64encode(bytes(key.verify_key)).decode()}\n")
    return public


def sign(data: bytes, private: Path) -> bytes:
    """The content of the signature file for `data`. Raises RegistryError if the key cannot be used."""
    from nacl.signing import SigningKey

    try:
        key = SigningKey(_decode(private.read_text("utf-8"), str(private)))
    except OSError as error:
        raise RegistryError(f"Cannot read the private key {private}: {error.strerror}") from error
    raw = key.sign(data).signature
    return f"ed25519 {PublicKey(bytes(key.verify_key)).id} {base64.b64encode(raw).decode()}\n".encode()


def _public_key(text: str, name: str) -> PublicKey:
    return PublicKey(_decode(text, name))


def _decode(text: str, name: str) -> bytes:
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    try:
        data = base64.b64decode("".join(lines), validate=True)
    except (binascii.Error, ValueError) as error:
        raise RegistryError(f"{name} is not an ed25519 key in base64.") from error
    if len(data) != _KEY_BYTES:
        raise RegistryError(f"{name} is not an ed25519 key: it has {len(data)} bytes instead of {_KEY_BYTES}.")
    return data
