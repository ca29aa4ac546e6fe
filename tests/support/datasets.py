"""Datasets of a few rows, and what is at their place."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ecoia.dataset import MANIFEST_FILE, Exported, Place, Source, export
from ecoia.impact.inputs import row_line
from ecoia.impact.ledger_gaps import LedgerGap
from ecoia.records import Row, Tokens, fold
from support.records import outcome, record

SOURCE = Source("ledger-000000000000", "0" * 64)
NOW = datetime(2026, 12, 1, tzinfo=UTC)
ROWS = fold(
    [
        record("2026-09-30T21:50", 20, cpu=2**53 + 1, units_micro=5, tokens=(Tokens("p", "m", 7, 3), Tokens("p", "n", 1, 2))),
        record("2026-10-23T10:00", cpu=2**53 + 1, ram=7, lost={"a": 2, "b": 1}, quality={"f1": 0.75, "n": 3}, endpoint="/{id}"),
        record("2026-11-23T10:05", cpu=1, gpu=5, service=None, phase=None, kind="unattributed", devices=("GPU-1",), scope="host"),
        record("2026-11-23T10:05", cpu=1, instance="host-2", service="été"),
        outcome("2026-11-23T10:09", "run-1", "failed"),
    ]
)
"""In Paris, the first record is of September and of October: of two quarters."""
GAPS = (LedgerGap("2026-11-24", "host-1", "missing", "run", 5), LedgerGap("", "", "altered", "other", None, 0, ("why",)))


def exported(
    place: Place | Path, rows: Sequence[Row] = ROWS, gaps: Sequence[LedgerGap] = (), *, hours: float = 0, **options: Any
) -> Exported:
    """Export rows; ``hours`` after ``NOW``."""
    at = place if isinstance(place, Place) else Place(str(place))
    given = {"timezone": "Europe/Paris", "source": SOURCE} | options
    return export(at, rows, gaps, now=NOW + timedelta(hours=hours), **given)


def lines(rows: Sequence[Row]) -> list[str]:
    """Return rows as sorted texts: two lists of rows are equal where these are."""
    return sorted(map(row_line, rows))


def manifest_of(folder: Path) -> dict[str, Any]:
    """Return the manifest as data."""
    data: dict[str, Any] = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
    return data


def change_manifest(folder: Path, **changes: Any) -> None:
    """Write other values into the manifest, as an editor would."""
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest_of(folder) | changes), encoding="utf-8")
