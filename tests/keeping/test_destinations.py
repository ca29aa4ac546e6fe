"""Destinations of records: ids for tracking URIs, and no password on disk."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path
from threading import Thread

import pytest

from ecoia.errors import JournalError
from ecoia.keeping.destinations import (
    absolute_uri,
    public_text,
    public_uri,
    read_targets,
    register_target,
    sqlite_file,
    with_credentials,
)


@pytest.mark.parametrize(
    ("uri", "public"),
    [
        ("https://someone:secret@mlflow.example/path?x=1", "https://mlflow.example/path?x=1"),
        ("postgresql://u:p@db:5432/ml?sslmode=require&password=secret", "postgresql://db:5432/ml?sslmode=require"),
        ("sqlite:////var/ml.db", "sqlite:////var/ml.db"),
        ("databricks", "databricks"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
    ],
)
def test_credentials_are_taken_out(uri: str, public: str) -> None:
    assert public_uri(uri) == public
    assert public_uri(public) == public


def test_relative_places_are_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute_uri("sqlite:///mlflow.db") == f"sqlite:///{tmp_path}/mlflow.db"
    assert absolute_uri("sqlite:///mlflow.db?timeout=5") == f"sqlite:///{tmp_path}/mlflow.db?timeout=5"
    assert absolute_uri(f"sqlite:///{tmp_path}/mlflow.db") == f"sqlite:///{tmp_path}/mlflow.db"
    assert absolute_uri("./mlruns") == (tmp_path / "mlruns").as_uri()
    assert absolute_uri("file:mlruns") == (tmp_path / "mlruns").as_uri()
    for uri in ("https://mlflow.example", "databricks", "databricks://profile", "sqlite:///:memory:"):
        assert absolute_uri(uri) == uri


def test_sqlite_files() -> None:
    assert sqlite_file("sqlite:////var/ml.db?timeout=5") == Path("/var/ml.db")
    assert sqlite_file("sqlite+pysqlite:////var/ml.db") == Path("/var/ml.db")
    assert sqlite_file("sqlite:///:memory:") is None
    assert sqlite_file("sqlite://") is None
    assert sqlite_file("https://mlflow.example") is None


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("request to https://u:p@h/x?a=1&token=t0/api/2.0 failed", "request to https://h/x?a=1&token=***/api/2.0 failed"),
        ("url: /x?API_KEY=t0&b=2 (Caused by 'postgresql://u:p@db/ml?password=t0')",
         "url: /x?API_KEY=***&b=2 (Caused by 'postgresql://db/ml?password=***')"),
        ("no address: user=root, 3 & 4?", "no address: user=root, 3 & 4?"),
    ],
)  # fmt: skip
def test_credentials_are_taken_out_of_messages(text: str, public: str) -> None:
    assert public_text(text) == public


def test_a_target_is_kept_without_its_password_for_its_owner_only(tmp_path: Path) -> None:
    home = tmp_path / "home"
    target = register_target(home, "https://someone:secret@mlflow.example")
    assert register_target(home, "https://other:word@mlflow.example") == target
    assert read_targets(home) == {target: "https://mlflow.example"}
    assert "secret" not in (home / "targets.json").read_text()
    if sys.platform != "win32":
        assert stat.S_IMODE((home / "targets.json").stat().st_mode) == 0o600


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
