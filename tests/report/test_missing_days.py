"""Days that the ledger lacks are summed up by quarter, for page one: of the report's quarter, and of those compared with it."""

from __future__ import annotations

from pathlib import Path

from ecoia.factors import default_factors
from ecoia.impact.ledger_gaps import LedgerGap, LedgerShortfall
from ecoia.periods import Quarter
from ecoia.records import fold
from ecoia.report import QuarterlyReport, build_report
from support.organisation import write_catalogue
from support.records import kwh, record
from support.settings import make_settings


def lacking(tmp_path: Path, *gaps: LedgerGap) -> QuarterlyReport:
    records = [record(f"2026-{month:02}-05T10:00", cpu=kwh(1), ram=None) for month in (5, 8, 11)]
    return build_report(
        fold(records),
        Quarter(2026, 4),
        settings=make_settings(zone="FRA", timezone="UTC"),
        catalogue=write_catalogue(tmp_path),
        factors=default_factors(),
        gaps=gaps,
    )


def test_each_quarter_says_how_many_days_it_lacks_and_what_they_are_worth(tmp_path: Path) -> None:
    report = lacking(
        tmp_path,
        LedgerGap("2026-11-23", "host-1", "missing", "r1", kwh(90)),
        LedgerGap("2026-11-23", "host-2", "deleted", "r2"),
        LedgerGap("2026-08-01", "host-1", "refused-rows", "r3", kwh(2), 12),
        LedgerGap("2024-01-01", "host-1", "missing", "r4", kwh(7)),
    )
    assert report.ledger_shortfalls == (
        LedgerShortfall("2026Q4", 2, kwh(90), 1, 0),
        LedgerShortfall("2026Q3", 1, kwh(2), 0, 12),
    )
    assert {"ledger-incomplete", "ledger-history-incomplete"} <= set(report.notices)


def test_a_day_that_is_not_known_may_be_of_any_quarter(tmp_path: Path) -> None:
    report = lacking(tmp_path, LedgerGap("?", "host-1", "unreadable", "r"))
    assert [each.quarter for each in report.ledger_shortfalls] == ["2026Q4", "2026Q3", "2026Q2", "2025Q4"]
    assert "ledger-incomplete" in report.notices


def test_a_whole_ledger_says_nothing(tmp_path: Path) -> None:
    report = lacking(tmp_path)
    assert report.ledger_shortfalls == ()
    assert "ledger_shortfalls" not in report.to_json()
