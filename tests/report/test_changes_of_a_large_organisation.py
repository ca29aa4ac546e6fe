"""What changed in the large organisation: rises and falls by the interval of the change, and what was merely measured more."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ecoia.keeping.declared import read_activity
from ecoia.records import fold
from ecoia.report import ChangeLine, QuarterChange, QuarterlyReport, build_report
from support.large_organisation import QUARTER, large_catalogue, large_factors, large_rows
from support.settings import make_settings


def against(report: QuarterlyReport, name: str) -> QuarterChange:
    return next(each for each in report.changes if each.against == name)


def lines(change: QuarterChange) -> dict[str | None, ChangeLine]:
    return {line.explained.service: line for line in change.services}


def test_energy_rose_although_the_intervals_of_the_two_quarters_overlap(large: QuarterlyReport) -> None:
    change = against(large, "previous-quarter")
    now, before = (next(each.energy for each in large.trend if each.quarter == quarter) for quarter in ("2026Q3", "2026Q2"))
    assert now.low < before.high, "two levels that overlap"
    assert now.value / before.value - 1 == pytest.approx(change.energy.value)
    assert change.energy.value == pytest.approx(0.105, abs=0.0005)
    assert 0.03 < change.energy.low < 0.05
    assert 0.16 < change.energy.high < 0.17
    assert change.energy.direction == "rise"
    assert change.total.energy == change.energy


def test_co2e_of_the_quarter_is_not_told_from_that_before(large: QuarterlyReport) -> None:
    assert against(large, "previous-quarter").total.relative.direction == "unclear"


def test_energy_of_services_changes_with_its_own_interval(large: QuarterlyReport) -> None:
    found = lines(against(large, "previous-quarter"))
    assert found["assistant-conseiller"].energy.direction == "rise"
    assert found["vadore"].energy.reason == "days-unequal", "recorded on 39 % of its days: a fall of 56 % is of the records"
    assert found["gestion-mails"].energy.direction == "unclear"
    assert found["planif-agences"].energy.reason == "baseline-missing"


def test_a_change_names_the_services_that_were_not_recorded_on_as_many_days(large: QuarterlyReport) -> None:
    assert [change.unequal_days for change in large.changes] == [("vadore",), ("vadore",)]


@pytest.mark.no_cover
def test_declaring_what_was_measured_is_no_fall(tmp_path: Path) -> None:
    """The telephone server used 1.3 MWh by its meters, and is then declared to have used 40 kWh."""
    settings = make_settings(timezone="Europe/Paris", zone="FRA")
    start, _ = QUARTER.bounds_ns(ZoneInfo("Europe/Paris"))
    rows = [row for row in large_rows() if row["service"] != "voix-3949" or row["half_hour_utc_ns"] < start]
    activity = tmp_path / "declared.csv"
    activity.write_text("service;phase;start;end;energy_kwh;source\nvoix-3949;inference;2026-07-01;2026-09-30;40;form\n")
    found = build_report(
        [*rows, *fold(read_activity(activity, make_settings(timezone="Europe/Paris", zone="FRA", instance="gpu-01")))],
        QUARTER,
        settings=settings,
        catalogue=large_catalogue(tmp_path / "catalogue"),
        factors=large_factors(),
        over=True,
    )
    change = against(found, "previous-quarter")
    assert lines(change)["voix-3949"].energy.reason == "counted-otherwise"
    assert change.counted_otherwise == ("voix-3949",)


def test_a_pue_that_was_declared_anew_is_not_in_the_change_of_the_machines(large: QuarterlyReport) -> None:
    """The greatest site's PUE went from 1.38 to 1.33: its machines used more than the whole tells."""
    change = against(large, "previous-quarter")
    assert change.energy_it.direction == "rise"
    assert change.energy_it.value > change.energy.value + 0.02


def test_terms_add_up_to_the_microgram(large: QuarterlyReport) -> None:
    for change in large.changes:
        for line in (change.total, *change.services):
            assert sum(line.explained.terms.values()) == line.explained.micrograms
        assert change.total.explained.micrograms == sum(line.explained.micrograms for line in change.services)


def test_days_that_were_not_recorded_are_no_fall_of_volume(large: QuarterlyReport) -> None:
    """A service was recorded on 36 of its 92 days: what it lacks is coverage, and its volume rose, by 10 % a day."""
    terms = lines(against(large, "previous-quarter"))["vadore"].explained.terms
    assert terms["coverage"] == pytest.approx(-5.52e9, abs=0.01e9)
    assert 0.4e9 < terms["volume"] < 0.7e9


def test_only_services_that_began_have_appeared(large: QuarterlyReport) -> None:
    """Against a year before: two that call hosted models began; the translation existed, and nobody had declared it."""
    year = lines(against(large, "year-before"))
    came = {service for service, line in year.items() if "entry" in line.explained.terms}
    assert came == {"chat-candidat", "synthese-entretien", "planif-agences"}
    assert year["traduction"].explained.terms == {"coverage": year["traduction"].explained.micrograms}
    whole = against(large, "year-before").total.explained.terms
    assert max(whole, key=lambda name: abs(whole[name])) == "volume"
    before = lines(against(large, "previous-quarter"))
    assert not any("entry" in line.explained.terms for line in before.values())
    assert before["planif-agences"].explained.terms.keys() == {"coverage"}, "it existed by the register, and was not recorded"


def test_no_gain_within_noise_is_called_absorbed(large: QuarterlyReport) -> None:
    """By their values alone, nine services had an absorbed gain against the quarter before."""
    for change in large.changes:
        for line in change.services:
            absorbed = line.explained.absorbed_gain
            assert not absorbed or (line.energy.direction, line.energy_per_unit.direction) == ("rise", "fall")
    assert not any(line.explained.absorbed_gain for line in against(large, "previous-quarter").services)


def test_every_saving_is_beyond_noise(large: QuarterlyReport) -> None:
    assert large.savings
    for saving in large.savings:
        assert saving.co2e.low > 0
        assert saving.kind == "other-hours" or saving.energy.low > 0
