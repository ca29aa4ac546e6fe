"""An authority's timestamp: asked for only where an address is given, and checked without a network."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ecoia.errors import PublicationError, UsageError
from ecoia.periods import Quarter
from ecoia.publishing.timestamping import Authority, check_timestamp, read_certificates
from ecoia.publishing.verification import verify, verify_chain
from support.publications import DOCUMENT, published, resealed
from support.timestamp_authority import TimestampAuthority, timestamp_authority

Q4 = Quarter(2026, 4)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TimestampAuthority]:
    with timestamp_authority(tmp_path_factory.mktemp("authority") / "it") as it:
        yield it


@pytest.fixture
def folder(authority: TimestampAuthority, tmp_path: Path) -> Path:
    return published(tmp_path / "pub", Q4, tmp_path / "cat", authority=Authority(authority.url)).folder


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_without_an_address_nobody_is_asked(no_network: None, tmp_path: Path) -> None:
    found = published(tmp_path / "pub", Q4, tmp_path / "cat")
    assert not (found.folder / "timestamp.tsr").exists()
    assert found.timestamp_authority is None
    verify(found.folder)


def test_a_timestamp_is_of_the_head_and_is_checked_offline(
    authority: TimestampAuthority, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("the network was asked"))
    assert verify(folder).timestamp_authority == authority.url
    moment = check_timestamp(folder, read_certificates(authority.root))
    assert abs(datetime.now(UTC) - moment) < timedelta(minutes=10)
    assert check_timestamp(folder) == moment


def test_tools_without_ecoia_check_it_too(authority: TimestampAuthority, folder: Path) -> None:
    words = ["openssl", "ts", "-verify", "-data", "manifest.json", "-in", "timestamp.tsr", "-CAfile", authority.root]
    told = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert "Verification: OK" in told.stdout + told.stderr


def test_a_timestamp_of_another_head_is_refused(authority: TimestampAuthority, folder: Path) -> None:
    page = folder / "documents" / DOCUMENT
    page.write_text("2.0", encoding="utf-8")
    resealed(folder)
    verify(folder)
    with pytest.raises(PublicationError, match=r"timestamp\.tsr is the timestamp of another head"):
        check_timestamp(folder)


def test_a_timestamp_of_another_authority_is_refused_where_the_certificates_are_given(
    authority: TimestampAuthority, folder: Path, tmp_path: Path
) -> None:
    with timestamp_authority(tmp_path / "other") as other:
        (folder / "timestamp.tsr").write_bytes(other.stamp(authority.queries[-1]))
        assert check_timestamp(folder), "it is of this head"
        with pytest.raises(PublicationError, match="is not of the authority whose certificates were given"):
            check_timestamp(folder, read_certificates(authority.root))
        assert check_timestamp(folder, read_certificates(other.root))


def test_one_changed_byte_of_a_timestamp_is_found(authority: TimestampAuthority, folder: Path) -> None:
    path = folder / "timestamp.tsr"
    whole, certificates = path.read_bytes(), read_certificates(authority.root)
    for at in range(40, len(whole), 97):
        changed = bytearray(whole)
        changed[at] ^= 1
        path.write_bytes(changed)
        try:
            check_timestamp(folder, certificates)
        except PublicationError:
            continue
        assert check_timestamp(folder, certificates), "only bytes that no signature covers, such as a tag of the certificates"


def test_a_timestamp_that_is_gone_is_missed(folder: Path) -> None:
    (folder / "timestamp.tsr").unlink()
    with pytest.raises(PublicationError, match=r"timestamp\.tsr is missing"):
        verify(folder)


def test_a_timestamp_that_nobody_asked_for_was_added(folder: Path, tmp_path: Path) -> None:
    bare = published(tmp_path / "bare", Q4, tmp_path / "cat")
    shutil.copy(folder / "timestamp.tsr", bare.folder)
    with pytest.raises(PublicationError, match=r"timestamp\.tsr was not published: it was added since"):
        verify_chain(tmp_path / "bare")


REJECTED = bytes.fromhex("30053003020102")  # status 2, and no token


@pytest.mark.parametrize(
    ("answer", "message"),
    [(b"", "this is no timestamp"), (b"<html>", "this is no timestamp"), (REJECTED, "granted no timestamp")],
)
def test_an_answer_that_is_no_timestamp_publishes_nothing(
    answer: bytes, message: str, authority: TimestampAuthority, tmp_path: Path
) -> None:
    authority.answer = answer
    try:
        with pytest.raises(PublicationError, match=message):
            published(tmp_path / "pub", Q4, tmp_path / "cat", authority=Authority(authority.url))
    finally:
        authority.answer = None
    assert list((tmp_path / "pub").iterdir()) == []


def test_an_answer_to_another_request_publishes_nothing(authority: TimestampAuthority, folder: Path, tmp_path: Path) -> None:
    authority.answer = (folder / "timestamp.tsr").read_bytes()
    try:
        with pytest.raises(PublicationError, match="answered another request than ours"):
            published(tmp_path / "other", Q4, tmp_path / "cat", authority=Authority(authority.url))
    finally:
        authority.answer = None


def test_an_authority_that_is_not_there_publishes_nothing(tmp_path: Path) -> None:
    with pytest.raises(PublicationError, match=r"gave no timestamp .*publish again later, or without --timestamp"):
        published(tmp_path / "pub", Q4, tmp_path / "cat", authority=Authority("http://127.0.0.1:9/tsr"))
    assert list((tmp_path / "pub").iterdir()) == []


def test_what_is_kept_of_an_address_holds_no_secret(tmp_path: Path) -> None:
    assert Authority("https://user:secret@tsa.example/tsr?key=1").address == "https://tsa.example/tsr"
    for wrong in ("ftp://tsa.example", "tsa.example", "https://"):
        with pytest.raises(UsageError, match="no address of an authority"):
            Authority(wrong)


def test_the_manifest_names_the_authority(authority: TimestampAuthority, folder: Path) -> None:
    assert json.loads((folder / "manifest.json").read_bytes())["timestamp_authority"] == authority.url
