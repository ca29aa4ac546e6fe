"""``ecoia crosscheck``: what people see, the exit code, and the result that the report shows in both languages."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from ecoia import catalogue
from ecoia.periods import Quarter
from ecoia.records import fold
from ecoia_dashboards.pages import render_report
from support.command_line import ecoia, fill
from support.factor_sets import factor
from support.records import instant, record
from support.settings import make_settings

HOURS = 26


def written(home: Path, folder: Path, *, watts: float, claimed: float = 1.0) -> Path:
    """A day of a process that claims a part of a host with 100 W by its meters, and the series of the wall."""
    begin = "2026-10-05T10:00"
    fill(
        home,
        *(
            record(
                instant(begin) + hour * 3600 * 10**9,
                60,
                cpu=round(100 * 3600e6 * claimed),
                ram=None,
                kind="unattributed",
                service=None,
                phase=None,
                share_claimed=min(claimed, 1.0),
            )
            for hour in range(HOURS)
        ),
    )
    bmc = folder / "bmc.csv"
    at = instant(begin) // 10**9
    bmc.write_text("time,watts\n" + "".join(f"{at + 60 * i},{watts}\n" for i in range(60 * HOURS + 1)), encoding="utf-8")
    return bmc


def test_each_hour_is_compared_a_factor_proposed_and_the_result_kept(
    home: Path, organisation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECOIA_INSTANCE", "host-1")
    bmc = written(home, tmp_path, watts=150, claimed=0.5)
    told = ecoia("crosscheck", "--bmc", bmc, "--quarter", "2026Q4", "--keep")
    assert told.exit_code == 0, told.output
    assert told.stdout.count("0.150") >= HOURS
    assert "wall_factor: 1.500" in told.stdout
    assert "nothing is applied" in told.stdout
    assert catalogue.load(organisation).calibrations == ()
    (kept,) = catalogue.load(organisation).crosschecks
    assert (kept.instance, kept.quarter, kept.hours, kept.missing_hours) == ("host-1", "2026Q4", HOURS, 0)
    assert (kept.ratio, kept.low_hours, kept.high_hours) == (1.5, 0, 0)
    assert kept.sha256 == hashlib.sha256(bmc.read_bytes()).hexdigest()
    assert ecoia("crosscheck", "--bmc", bmc, "--quarter", "2026Q4", "--keep").exit_code == 0, "the same quarter again"
    assert len(catalogue.load(organisation).crosschecks) == 1


def test_a_double_count_is_an_error_and_missing_hours_are_listed(home: Path, tmp_path: Path) -> None:
    bmc = written(home, tmp_path, watts=80)
    lines = bmc.read_text(encoding="utf-8").splitlines(keepends=True)
    bmc.write_text("".join(lines[:61] + lines[121:]), encoding="utf-8")
    told = ecoia("crosscheck", "--bmc", bmc, "--quarter", "2026Q4")
    assert told.exit_code == 1
    assert "ERROR: below 0.9 for three hours in a row" in told.stderr
    assert "1 hour not compared, the series has a gap or zeros: 2026-10-05 13:00" in told.stderr, "11:00 UTC in Paris"
    assert "wall_factor" not in told.stdout


def test_a_series_of_another_quarter_is_refused(home: Path, tmp_path: Path) -> None:
    told = ecoia("crosscheck", "--bmc", written(home, tmp_path, watts=80), "--quarter", "2026Q3")
    assert told.exit_code == 2
    assert "holds no full hour of 2026Q3: name its quarter" in told.stderr


def test_the_report_shows_the_kept_result_in_its_quarter_alone(tmp_path: Path) -> None:
    from ecoia.factors import FactorSet
    from ecoia.report import build_report

    (tmp_path / "crosschecks.yaml").write_text(
        "crosschecks:\n  - {instance: host-1, quarter: 2026Q4, hours: 700, missing_hours: 3, ratio: 1.31, gsd: 1.04,\n"
        f"     low_hours: 0, high_hours: 1, series: bmc.csv, sha256: {'ab' * 32}, date: 2027-01-02}}\n",
        encoding="utf-8",
    )
    rows = fold([record("2026-11-05T10:00", cpu=10**9, ram=None), record("2026-08-05T10:00", cpu=10**9, ram=None)])
    for quarter, shown in ((Quarter(2026, 4), True), (Quarter(2026, 3), False)):
        report = build_report(
            rows,
            quarter,
            settings=make_settings(zone="FRA"),
            catalogue=catalogue.load(tmp_path),
            factors=FactorSet([factor("FRA", 2026, 40.0)]),
        )
        assert ("crosschecks" in report.to_json()) == shown
        for language, title, ratio in (("fr", "Contrôle à la prise", "1,31"), ("en", "Check at the plug", "1.31")):
            page = render_report(report, language)
            assert (title in page) == shown
            assert not shown or (ratio in page and "ab" * 32 in page)
