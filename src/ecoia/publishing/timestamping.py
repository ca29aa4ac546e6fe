"""Timestamps of publications (RFC 3161): an authority signs that a head existed at a moment, so nobody can date it back.

The token is over the manifest, whose SHA-256 is the head, so tools without ecoia check it too:
``openssl ts -verify -data manifest.json -in timestamp.tsr -CAfile authority.pem``. Only ``Authority.stamp`` uses the network.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from ecoia import limits
from ecoia.errors import MissingExtraError, PublicationError, UsageError
from ecoia.publishing.sealed_files import MANIFEST_FILE, TIMESTAMP_FILE, published_bytes, sha256

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.x509 import Certificate

_SECONDS = 30.0
_SHA256 = "2.16.840.1.101.3.4.2.1"
_REMEDY = "publish again later, or without --timestamp"


@dataclass(frozen=True)
class Authority:
    """A timestamping authority.

    Attributes:
        url: Where it answers, ``http`` or ``https``.

    Raises:
        UsageError: the address is of another kind.
        MissingExtraError: the package ``rfc3161-client`` is not installed.
    """

    url: str

    def __post_init__(self) -> None:
        if urlsplit(self.url).scheme not in ("http", "https") or not urlsplit(self.url).hostname:
            raise UsageError(f"timestamp '{self.url}' is no address of an authority: write one that begins with https://")
        _client()

    @property
    def address(self) -> str:
        """The address without a user name, a password or a query, as publications keep it."""
        parts = urlsplit(self.url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))

    def stamp(self, manifest: bytes) -> bytes:
        """Ask for a timestamp of a manifest, and return the answer.

        Raises:
            PublicationError: the authority does not answer, refuses, or answers about something else; with the remedy.
        """
        client = _client()
        builder = client.TimestampRequestBuilder().data(manifest).hash_algorithm(client.HashAlgorithm.SHA256)
        query = builder.build()
        request = urllib.request.Request(  # noqa: S310 - http and https only, see above
            self.url, query.as_bytes(), {"Content-Type": "application/timestamp-query"}
        )
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as response:  # noqa: S310
                answer: bytes = response.read(limits.SETTINGS_BYTES + 1)
        except (OSError, ValueError) as error:  # urllib's errors are OSErrors
            raise PublicationError(f"{self.address} gave no timestamp ({error}): {_REMEDY}") from error
        _, told = _read(answer, self.address)
        if told.nonce != query.nonce or told.message_imprint.message != query.message_imprint.message:
            raise PublicationError(f"{self.address} answered another request than ours: {_REMEDY}")
        return answer


def read_certificates(path: Path) -> list[Certificate]:
    """Read the certificates of an authority: its root, and those between, in one PEM file.

    Raises:
        PublicationError: the file cannot be read.
    """
    _client()
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificates(limits.read_bytes(path, limits.SETTINGS_BYTES))
    except (OSError, ValueError) as error:
        raise PublicationError(f"'{path}' cannot be read ({error}): give the authority's certificates as a PEM file") from error


def check_timestamp(folder: Path, certificates: Sequence[Certificate] = ()) -> datetime:
    """Check the timestamp of a publication, without the network.

    Args:
        folder: The folder of the publication.
        certificates: The authority's; none: that the timestamp is of this head is checked, not who made it.

    Returns:
        When the head existed at the latest, in UTC.

    Raises:
        PublicationError: the timestamp is missing, of another head, or not the authority's.
        MissingExtraError: the package ``rfc3161-client`` is not installed.
    """
    client, path = _client(), folder / TIMESTAMP_FILE
    token, told = _read(published_bytes(path), str(path))
    head, imprint = bytes.fromhex(sha256(folder / MANIFEST_FILE)), told.message_imprint
    if imprint.hash_algorithm.dotted_string != _SHA256 or imprint.message != head:
        raise PublicationError(f"{path} is the timestamp of another head")
    if certificates:
        builder = client.VerifierBuilder()
        for each in certificates:
            own = each.issuer == each.subject
            builder = builder.add_root_certificate(each) if own else builder.add_intermediate_certificate(each)
        try:
            builder.build().verify(token, head)
        except (client.VerificationError, ValueError) as error:
            raise PublicationError(f"{path} is not of the authority whose certificates were given: {error}") from error
    moment: datetime = told.gen_time
    return moment


def _read(answer: bytes, whose: str) -> tuple[Any, Any]:
    """Read an authority's answer that grants a timestamp, and what the timestamp says.

    Raises:
        PublicationError: it is no such answer.
    """
    client = _client()
    try:
        token = client.decode_timestamp_response(answer)
        granted = client.PKIStatus(token.status) is client.PKIStatus.GRANTED
        told = token.tst_info if granted else None
    except ValueError as error:
        raise PublicationError(f"{whose}: this is no timestamp ({error})") from error
    if not granted:
        why = ", ".join(token.status_string) or token.status
        raise PublicationError(f"{whose}: the authority granted no timestamp ({why})")
    return token, told


def _client() -> Any:
    try:
        import rfc3161_client
    except ImportError as error:
        raise MissingExtraError("Timestamping", "rfc3161-client", extra="timestamp") from error
    return rfc3161_client
