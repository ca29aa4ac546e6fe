"""Destinations of records: ids for tracking URIs, and no password on disk."""

from __future__ import annotations

import json
import os
import re
import stat
import sys
import time
from pathlib import Path
from threading import Thread
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecoia.errors import JournalError
from ecoia.keeping.destinations import (
    UNREADABLE,
    is_readable,
    public_text,
    public_uri,
    read_targets,
    register_target,
    sqlite_file,
    with_credentials,
)
from support.planted_secrets import SECRET, URIS


@pytest.mark.parametrize(("uri", "public"), URIS)
def test_only_the_parts_that_can_hold_no_secret_are_shown(uri: str, public: str) -> None:
    assert public_uri(uri) == public
    assert public_uri(public) == public
    assert is_readable(public) == (UNREADABLE not in public)


@given(st.text())
def test_any_text_has_a_public_form_that_stays(text: str) -> None:
    public = public_uri(text)
    assert public_uri(public) == public
    assert public.isprintable()


@given(st.text(alphabet="/?#[]:@;&=%+ab1", min_size=1), st.sampled_from(["https", "postgresql", "mysql+pymysql", "databricks"]))
def test_no_password_is_shown_whatever_its_characters(filling: str, scheme: str) -> None:
    public = public_uri(f"{scheme}://u:pl4nted{filling}s3cret@h/ml")
    assert not any(half in public for half in SECRET)


@pytest.mark.parametrize(
    "uri",
    [
        "sqlite:////var/ml.db", "sqlite:////home/someone@corp/run=1/ml.db", "sqlite:///:memory:", "sqlite://", "databricks", "uc",
        "databricks://profile", "http://127.0.0.1:5000", "https://m\u00fcnchen.example/a/b", "file:///srv/ml%20runs",
    ],
)  # fmt: skip
def test_an_address_without_secrets_stays_as_it_is(uri: str) -> None:
    assert public_uri(uri) == uri


def test_relative_places_are_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert public_uri("sqlite:///mlflow.db") == f"sqlite:///{tmp_path}/mlflow.db"
    assert public_uri("sqlite:///mlflow.db?timeout=5") == f"sqlite:///{tmp_path}/mlflow.db"
    assert public_uri("./mlruns") == (tmp_path / "mlruns").as_uri()
    assert public_uri("file:mlruns") == (tmp_path / "mlruns").as_uri()
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert public_uri("./mlruns") == UNREADABLE


def test_sqlite_files() -> None:
    assert sqlite_file("sqlite:////var/ml.db?timeout=5") == Path("/var/ml.db")
    assert sqlite_file("sqlite+pysqlite:////var/ml.db") == Path("/var/ml.db")
    assert sqlite_file("sqlite:///:memory:") is None
    assert sqlite_file("sqlite://") is None
    assert sqlite_file("https://mlflow.example") is None


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("request to https://u:p@h/x?a=1&token=t0/api/2.0 failed", "request to https://h/x failed"),
        ("url: /x?API_KEY=t0&b=2 (Caused by 'postgresql://u:p/q@db/ml?password=t0')",
         "url: /x?API_KEY=***&b=2 (Caused by 'postgresql://db/ml')"),
        ("no address: user=root, 3 & 4?", "no address: user=root, 3 & 4?"),
        ("see https://mlflow.example/a?b=1.", "see https://mlflow.example/a?b=1."),
    ],
)  # fmt: skip
def test_credentials_are_taken_out_of_messages(text: str, public: str) -> None:
    assert public_text(text) == public


@pytest.mark.parametrize(("uri", "public"), URIS)
def test_a_message_that_quotes_an_address_whole_or_in_pieces_shows_no_secret(uri: str, public: str) -> None:
    words = re.split(r"[/?#@:&=;]", uri)
    for quoted in (uri, repr(uri), f"{uri}/api/2.0", *words, unquote(uri), uri.partition("://")[2]):
        text = public_text(f"connection to '{quoted}' failed", uri)
        assert not any(half in text for half in SECRET), text
        assert text.endswith("failed")


def test_a_message_shows_no_secret_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "pl4nted")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://u:s3cret@h")
    assert public_text("refused: pl4nted, s3cret, dTpzM2NyZXQ=") == "refused: ***, ***, ***"


def test_a_long_message_is_read_in_no_time() -> None:
    began = time.process_time()
    for text in ("?" * 200_000, "?pass" * 50_000, "a" * 200_000, "a://" * 50_000, "a://" + "@" * 200_000):
        public_text(text, text)
    assert time.process_time() - began < 20


def test_a_target_is_kept_without_its_password_for_its_owner_only(tmp_path: Path) -> None:
    home = tmp_path / "home"
    target = register_target(home, "https://someone:secret@mlflow.example")
    assert register_target(home, "https://other:word@mlflow.example") == target
    assert read_targets(home) == {target: "https://mlflow.example"}
    assert "secret" not in (home / "targets.json").read_text()
    if sys.platform != "win32":
        assert stat.S_IMODE((home / "targets.json").stat().st_mode) == 0o600


def test_no_id_is_a_digest_of_a_secret(tmp_path: Path) -> None:
    assert all(
        register_target(tmp_path, uri.replace("s3cret", "0ther")) == register_target(tmp_path, uri)
        for uri, _ in URIS
        if not uri.startswith("s3cret")
    )


def test_what_an_earlier_version_stored_is_read_without_its_secrets(tmp_path: Path) -> None:
    stored = {"a": "postgresql://mlflow:pl4nted/s3cret@db/ml", "b": "https://h/x?q=1"}
    (tmp_path / "targets.json").write_text(json.dumps(stored))
    assert read_targets(tmp_path) == {"a": "postgresql://db/ml", "b": "https://h/x"}
    register_target(tmp_path, "https://other.example")
    assert "s3cret" not in (tmp_path / "targets.json").read_text()


def test_credentials_come_from_the_environment_where_the_rest_is_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://someone:secret@mlflow.example")
    assert with_credentials("https://mlflow.example") == "https://someone:secret@mlflow.example"
    assert with_credentials("https://elsewhere.example") == "https://elsewhere.example"


def test_targets_registered_at_once_are_all_kept(tmp_path: Path) -> None:
    threads = [Thread(target=register_target, args=(tmp_path, f"http://host-{i}")) for i in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(read_targets(tmp_path).values()) == {f"http://host-{i}" for i in range(12)}


def test_a_damaged_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "targets.json").write_text("{")
    target = register_target(tmp_path, "http://host")
    assert json.loads((tmp_path / "targets.json").read_text()) == {target: "http://host"}


def test_a_home_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JournalError, match="ECOIA_HOME"):
        register_target(tmp_path / "file", "http://host")
    assert os.listdir(tmp_path) == ["file"]  # noqa: PTH208 - names only
