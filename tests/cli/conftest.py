"""A journal and an organisation for commands to work on."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecoia.keeping.journal import Journal
from support.command_line import fill
from support.drawings import drawn_once
from support.organisation import CHARTER, SERVICES, TARGETS
from support.records import kwh, outcome, record
from support.warm_commands import warm_deliveries

__all__ = ["drawn_once", "warm_deliveries"]


@pytest.fixture(autouse=True)
def _forked_deliveries(warm_deliveries: None) -> None:
    """What a delivery loads is not tested here."""


@pytest.fixture
def journal(home: Path) -> Journal:
    """A journal with training and inference of ``vadore``, and a service that nobody registered."""
    return fill(
        home,
        record("2026-11-23T10:00", cpu=kwh(1), ram=1, phase="training", run_id="run-1"),
        outcome("2026-11-23T10:01", "run-1", "ok"),
        record("2026-11-23T10:05", cpu=5_000_000, units_micro=2_500_000),
        record("2026-11-23T10:06", cpu=7, service="chatbot", zone="FRA"),
        record("2026-11-23T10:07", cpu=11, kind="idle", service=None, phase=None),
    )


@pytest.fixture
def organisation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "organisation"
    folder.mkdir()
    for name, text in (("services", SERVICES), ("charter", CHARTER), ("targets", TARGETS)):
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("ECOIA_CATALOGUE", str(folder))
    return folder


@pytest.fixture(autouse=True)
def _keep_niceness(monkeypatch: pytest.MonkeyPatch) -> None:
    """``ecoia deliver --follow`` gives CPU time away: in this process, it would be that of the tests after it."""
    monkeypatch.setattr("os.nice", lambda _: 0)
