"""A journal with an MLflow store to deliver to, and measured processes that live until they are told to end."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ecoia.keeping.destinations import register_target
from ecoia.keeping.journal import Journal
from ecoia.records import Record
from support.deliveries import worker
from support.mlflow_stores import migrated, migrated_by_old, postgresql, tracking_uri

__all__ = ["migrated", "migrated_by_old", "postgresql", "tracking_uri"]  # fixtures


@pytest.fixture(autouse=True)
def niceness(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note what ``follow`` gives away. Without this, each test that calls it would leave the tests after it less CPU time."""
    given: list[int] = []
    monkeypatch.setattr(os, "nice", given.append)
    return given


@pytest.fixture
def journal(home: Path) -> Journal:
    return Journal(home)


@pytest.fixture
def target(journal: Journal, tracking_uri: str) -> str:
    return register_target(journal.home, tracking_uri)


@pytest.fixture
def host(journal: Journal, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts measured processes: each writes some records and lives until it is told to end."""
    started: list[subprocess.Popen[str]] = []

    def start(*records: Record) -> subprocess.Popen[str]:
        started.append(worker(journal, tmp_path / f"records-{len(started)}.jsonl", records))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()
