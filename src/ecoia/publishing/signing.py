"""Keys and signatures of publications: Ed25519, in PEM files."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecoia import limits
from ecoia.errors import MissingExtraError, PublicationError
from ecoia.publishing.sealed_files import SEAL_FILE, canonical

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_HOW_TO_MAKE = "make one with 'openssl genpkey -algorithm ed25519 -out ecoia.pem'"
_HOW_TO_GIVE = "take it out of the private one with 'openssl pkey -in ecoia.pem -pubout'"


def read_key(path: Path, passphrase: str | None = None) -> Ed25519PrivateKey:
    """Read a private key.

    Args:
        path: A PEM file with an Ed25519 key.
        passphrase: Decrypts it; ``None``: it is not encrypted.

    Raises:
        PublicationError: it cannot be read, or is another kind of key; with the remedy.
        MissingExtraError: the package ``cryptography`` is not installed.

    Example::

        key = read_key(Path("ecoia.pem"), os.environ.get("ECOIA_KEY_PASSPHRASE"))
    """
    serialization, ed25519 = _cryptography()
    pem = b""
    try:
        pem = limits.read_bytes(path, limits.SETTINGS_BYTES)
        key: Ed25519PrivateKey = serialization.load_pem_private_key(pem, passphrase.encode() if passphrase else None)
    except TypeError as error:  # a passphrase is missing, or given for a key that is not encrypted
        remedy = "unset ECOIA_KEY_PASSPHRASE" if passphrase else "its passphrase is read from ECOIA_KEY_PASSPHRASE"
        raise PublicationError(f"key '{path}' cannot be read ({error}): {remedy}") from error
    except (OSError, ValueError) as error:
        remedy = "correct ECOIA_KEY_PASSPHRASE" if passphrase and b"ENCRYPTED" in pem else _HOW_TO_MAKE
        raise PublicationError(f"key '{path}' cannot be read ({error}): {remedy}") from error
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise PublicationError(f"key '{path}' is not an Ed25519 private key: {_HOW_TO_MAKE}")
    found: Ed25519PrivateKey = key
    return found


def read_public_key(path: Path) -> Ed25519PublicKey:
    """Read a public key.

    Args:
        path: A PEM file with an Ed25519 key.

    Raises:
        PublicationError: it cannot be read, or is another kind of key; with the remedy.
        MissingExtraError: the package ``cryptography`` is not installed.
    """
    serialization, ed25519 = _cryptography()
    try:
        key = serialization.load_pem_public_key(limits.read_bytes(path, limits.SETTINGS_BYTES))
    except (OSError, ValueError, TypeError) as error:
        raise PublicationError(f"public key '{path}' cannot be read ({error}): {_HOW_TO_GIVE}") from error
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise PublicationError(f"public key '{path}' is not an Ed25519 key: {_HOW_TO_GIVE}")
    found: Ed25519PublicKey = key
    return found


def signed(seal: Mapping[str, Any], key: Ed25519PrivateKey | None) -> dict[str, Any]:
    """Return a seal with its public key and signature, both in base64; both ``None`` without a key."""
    if key is None:
        return {**seal, "public_key": None, "signature": None}
    unsigned = {**seal, "public_key": base64.b64encode(key.public_key().public_bytes_raw()).decode()}
    return {**unsigned, "signature": base64.b64encode(key.sign(canonical(unsigned))).decode()}


def check_signature(folder: Path, seal: Mapping[str, Any], public_keys: Sequence[Ed25519PublicKey] = ()) -> None:
    """Check the signature of a publication's seal.

    Args:
        folder: The folder of the publication, for messages.
        seal: Content of ``seal.json``.
        public_keys: The organisation's keys; none: the seal may be unsigned, or signed with the key that it names.

    Raises:
        PublicationError: the signature is missing, wrong, or made with another key.
    """
    if seal["signature"] is None:
        if public_keys or seal["public_key"] is not None:
            raise PublicationError(f"{folder / SEAL_FILE} is not signed")
        return
    _, ed25519 = _cryptography()
    from cryptography.exceptions import InvalidSignature

    unsigned = {name: value for name, value in seal.items() if name != "signature"}
    try:
        named_key, signature = (_decoded(seal[name]) for name in ("public_key", "signature"))
        ed25519.Ed25519PublicKey.from_public_bytes(named_key).verify(signature, canonical(unsigned))
    except (InvalidSignature, ValueError, TypeError) as error:
        raise PublicationError(f"{folder / SEAL_FILE}: the signature does not match the seal") from error
    if public_keys and named_key not in {key.public_bytes_raw() for key in public_keys}:
        others = "the one given" if len(public_keys) == 1 else "those given"
        raise PublicationError(f"{folder / SEAL_FILE} is signed with another key than {others}")


def _decoded(text: str) -> bytes:
    """Decode base64. Refuse any other text than the canonical encoding of the same bytes."""
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise ValueError(text)
    return data


def _cryptography() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise MissingExtraError("Signing", "cryptography") from error
    return serialization, ed25519
