"""CO2e at constant factor: each half-hour at the factor of its match in the reference year, labelled with the year used."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecoia.factors import FactorSet, FactorsOfYear, matching_half_hour
from ecoia.impact.assessment import Assessment
from ecoia.impact.ledger_sums import LedgerSums
from ecoia.impact.parameters import AssessmentParameters
from ecoia.periods import Quarter, utc_datetime, utc_ns
from ecoia.records import fold
from ecoia.report import QuarterlyReport, build_report
from support.factor_sets import factor, half_hourly
from support.organisation import write_catalogue
from support.records import kwh, record
from support.settings import make_settings


def test_in_the_reference_year_itself_the_constant_factor_is_the_plain_one(large: QuarterlyReport) -> None:
    """Work at noon was weighed by the mean of the year: 1,053 kg in place of 779 in 2025Q3."""
    points = {point.quarter: point for point in large.trend}
    for quarter in ("2025Q2", "2025Q3", "2025Q4"):
        assert points[quarter].co2e_at_constant_factor == points[quarter].co2e
    assert points["2026Q3"].co2e_at_constant_factor.value == pytest.approx(937.5, abs=0.1)
    assert all(point.co2e_at_constant_factor.low < point.co2e_at_constant_factor.value for point in large.trend)


def test_factors_are_printed_for_each_quarter_that_used_them(large: QuarterlyReport) -> None:
    used = [(each.quarter, each.zone, each.year) for each in large.factors]
    assert used == sorted(used, key=lambda each: (-int(each[0][:4] + each[0][-1]), each[1]))
    quarters = ("2025Q2", "2025Q3", "2025Q4", "2026Q1", "2026Q2", "2026Q3")
    assert set(used) == {(quarter, zone, int(quarter[:4])) for quarter in quarters for zone in ("DEU", "FRA")}
    assert [each.zone for each in large.factors_of_quarter] == ["DEU", "FRA"]
    france = {each.quarter: each.value_g_per_kwh for each in large.factors if each.zone == "FRA"}
    energy = {point.quarter: point.energy.value for point in large.trend}
    assert all(20 < value < 50 for value in france.values())
    assert len(set(france.values())) == len(energy), "each quarter has its own mean over its own energy"


def test_a_coarser_mean_of_the_reference_year_is_named(large: QuarterlyReport) -> None:
    """Factors of France begin on 1 April 2025, so 2025 has no first quarter to match that of 2026."""
    filled = {each.quarter: each.filled for each in large.reference_factors if each.zone == "FRA"}
    assert {quarter for quarter, rule in filled.items() if rule} == {"2026Q1"}
    assert filled["2026Q1"] == "hours-of-year"
    assert {(each.zone, each.year) for each in large.reference_factors} == {("DEU", 2025), ("FRA", 2025)}


@pytest.mark.parametrize(("known", "used"), [((2023, 2025, 2026), 2023), ((2025, 2026), 2025)], ids=["before", "after"])
def test_a_zone_without_the_reference_year_is_labelled_with_the_year_used(
    known: tuple[int, ...], used: int, tmp_path: Path
) -> None:
    targets = "targets: [{id: t, indicator: co2e_constant_factor, baseline: {quarters: [2024Q1]}, reduction: 0.3, horizon: 2030}]"
    report = build_report(
        fold([record("2026-11-05T10:00", cpu=kwh(10), ram=None)]),
        Quarter(2026, 4),
        settings=make_settings(zone="FRA", timezone="UTC"),
        catalogue=write_catalogue(tmp_path, targets=targets),
        factors=FactorSet([factor("FRA", year, year - 2000) for year in known]),
    )
    assert report.reference_year == 2024
    (reference,) = report.reference_factors
    assert (reference.zone, reference.year, reference.value_g_per_kwh, reference.same_year) == ("FRA", used, used - 2000, False)
    assert report.trend[-1].co2e_at_constant_factor.value == pytest.approx(10 * (used - 2000) / 1000)


# ------------------------------------------------------------------------------------------------------------------- laws

_MOMENTS = st.lists(st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31, 23)), min_size=1, max_size=20)


def assessed(factors: FactorSet, moments: list[datetime]) -> Assessment:
    starts = {moment.replace(minute=moment.minute // 30 * 30, second=0, microsecond=0, tzinfo=UTC) for moment in moments}
    rows = fold([record(utc_ns(start), 10, cpu=kwh(1 + n), ram=None) for n, start in enumerate(sorted(starts))])
    return Assessment.of(LedgerSums.of(rows), AssessmentParameters(factors, zone="FRA"))


@given(_MOMENTS, st.integers(1, 900))
def test_where_the_grid_never_changed_the_constant_factor_is_the_plain_one(moments: list[datetime], value: int) -> None:
    factors = FactorSet([factor("FRA", year, float(value)) for year in (2024, 2025, 2026)])
    plain, constant = (assessed(each, moments).impact() for each in (factors, FactorsOfYear(factors, 2024)))
    assert constant.co2e_kg == plain.co2e_kg


@given(st.datetimes(datetime(2020, 1, 1), datetime(2032, 12, 31, 23)), st.integers(2020, 2032))
def test_the_match_keeps_the_time_of_day_and_the_weekday_and_stays_near(moment: datetime, year: int) -> None:
    start = moment.replace(minute=moment.minute // 30 * 30, second=0, microsecond=0, tzinfo=UTC)
    matched = utc_datetime(matching_half_hour(utc_ns(start), year, UTC))
    assert (matched.year, matched.time(), matched.weekday()) == (year, start.time(), start.weekday())
    same_date = start.replace(year=year, day=28) if (start.month, start.day) == (2, 29) else start.replace(year=year)
    assert abs(matched - same_date) <= timedelta(days=6)
    if year == start.year:
        assert matched == start


@given(_MOMENTS, st.data())
def test_the_constant_factor_weighs_the_reference_year_as_the_energy_lies(moments: list[datetime], data: st.DataObject) -> None:
    """Each half-hour takes the factor of its own match: what the rest of the year emits decides nothing."""
    starts = sorted({moment.replace(minute=moment.minute // 30 * 30, second=0, microsecond=0, tzinfo=UTC) for moment in moments})
    grams = {_nearest_alike(start, 2025): data.draw(st.integers(1, 900)) for start in starts}
    other = next(day for day in range(1, 29) if not any(match.month == 3 and match.day == day for match in grams))
    filler = half_hourly("FRA", f"2025-03-{other:02d}T00:00", [999.0] * 48)
    matches = [half_hourly("FRA", f"{match:%Y-%m-%dT%H:%M}", [float(value)])[0] for match, value in grams.items()]
    found = assessed(FactorsOfYear(FactorSet([*filler, *matches]), 2025), moments).impact()
    by_hand = math.fsum((1 + n) * grams[_nearest_alike(start, 2025)] / 1000 for n, start in enumerate(starts))
    assert found.co2e_kg == pytest.approx(by_hand, rel=1e-9)


def _nearest_alike(moment: datetime, year: int) -> datetime:
    """The same weekday and time on the day of a year that is nearest to the same date, by trying all of them."""
    date = moment.replace(year=year)
    alike = [
        date + timedelta(days=days) for days in range(-13, 14) if (date + timedelta(days=days)).weekday() == moment.weekday()
    ]
    return min((each for each in alike if each.year == year), key=lambda each: abs(each - date))
