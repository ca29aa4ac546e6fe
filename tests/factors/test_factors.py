"""Emission factors: dated, sourced, never guessed, never mixed."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecoia.errors import FactorError
from ecoia.factors import FILLS, FactorSet, FactorsOfYear, codecarbon_factors, default_factors, ember_factors, matching_half_hour
from ecoia.factors.zones import codecarbon_table
from ecoia.periods import HALF_HOUR_NS
from support.factor_sets import a_factor, factor, half_hourly, value_at
from support.records import instant

PARIS = ZoneInfo("Europe/Paris")


# ------------------------------------------------------------------------------------------------------- what is built in


def test_france_comes_dated_and_sourced_from_codecarbons_table() -> None:
    france = next(each for each in codecarbon_factors(PARIS).factors if each.zone == "FRA")
    assert france.value_g_per_kwh == pytest.approx(56.04, abs=0.01)
    assert (france.start_utc_ns, france.end_utc_ns) == (instant("2022-12-31T23:00"), instant("2023-12-31T23:00"))
    assert (france.year, france.scope, france.basis, france.licence) == (2023, "lifecycle", "production", "CC BY 4.0")
    assert "Ember" in france.source
    assert france.release.startswith("codecarbon 3.")


def test_the_table_is_that_of_the_installed_codecarbon() -> None:
    """An upgrade of codecarbon without a run of ``tools/codecarbon_tables.py`` fails here."""
    spec = find_spec("codecarbon")
    assert spec is not None
    assert spec.origin is not None
    file = Path(spec.origin).parent / "data/private_infra/global_energy_mix.json"
    theirs = json.loads(file.read_text(encoding="utf-8"))
    values = {zone: (entry["year"], entry["carbon_intensity"]) for zone, entry in theirs.items() if entry["carbon_intensity"] > 0}
    assert codecarbon_table() == values
    assert {each.zone: each.value_g_per_kwh for each in codecarbon_factors().factors} == {z: v for z, (_, v) in values.items()}


def test_our_own_table_is_attributed() -> None:
    ours = ember_factors()
    assert {each.licence for each in ours.factors} == {"CC BY 4.0"}
    assert all("Ember" in each.source and each.retrieved_on for each in ours.factors)
    assert ours.pairs == codecarbon_factors().pairs


def test_years_of_a_zone_come_from_one_edition() -> None:
    france = [each for each in default_factors().factors if each.zone == "FRA"]
    assert [each.year for each in france] == [2022, 2023, 2024, 2025]
    assert {each.factor_set for each in france} == {"ember"}
    assert len({each.factor_set for each in default_factors().factors if each.zone == "DEU"}) == 1


def test_reading_the_tables_runs_no_codecarbon_and_no_pandas() -> None:
    code = (
        "import sys, ecoia.factors as f; f.default_factors().at('FRA', 1_790_251_200_000_000_000); "
        "print([name for name in ('codecarbon', 'pandas', 'pydantic', 'pycountry') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_default_is_sane() -> None:
    factors = default_factors()
    zones = factors.zones()
    assert list(zones) == sorted(set(zones))
    assert len(zones) > 150
    # A 0 in codecarbon's table (CAF in 3.3.2) is a gap, and no factor: what is not known is not zero.
    assert all(0 < (value_at(factors, zone, "2026-06-01T00:00") or 0) < 2000 for zone in zones)


# ------------------------------------------------------------------------------------------------------- yearly factors


def test_the_same_year_if_there_else_the_latest_before() -> None:
    factors = FactorSet([factor("FRA", 2021, 60.0), factor("FRA", 2023, 56.0), factor("FRA", 2024, 44.0)])
    assert value_at(factors, "FRA", "2023-06-01T00:00") == 56.0
    for moment, year, age in (("2022-06-01T00:00", 2021, 1), ("2024-12-31T23:30", 2024, 0), ("2030-01-01T00:00", 2024, 6)):
        found = factors.at("FRA", instant(moment))
        assert found is not None
        assert (found[0].year, found[0].age_years) == (year, age)


def test_a_later_factor_is_never_used_for_an_earlier_year() -> None:
    with pytest.raises(FactorError, match=r"zone 'FRA' in 2020: the earliest known is of 2021"):
        FactorSet([factor("FRA", 2021)]).at("FRA", instant("2020-12-31T23:30"))


def test_an_unknown_zone_names_the_remedy() -> None:
    with pytest.raises(FactorError, match=r"'FRX'.*ISO 3166.*ecoia factors show"):
        default_factors().at("FRX", instant("2026-01-01T00:00"))


def test_a_set_holds_one_factor_a_zone_and_instant() -> None:
    with pytest.raises(ValueError, match=r"two factors for zone 'FRA' in 2023"):
        FactorSet([factor("FRA", 2023), factor("FRA", 2023, timezone=PARIS)])
    FactorSet([factor("FRA", 2023), factor("FRA", 2023, scope="direct"), factor("DEU", 2023)])


def test_bounds_are_on_half_hours() -> None:
    with pytest.raises(ValueError, match="half-hour"):
        FactorSet([a_factor("FRA", 0, HALF_HOUR_NS + 1, 1.0)])


def test_a_set_as_of_a_year_has_its_factors_at_any_time() -> None:
    yearly = FactorSet([factor("FRA", 2021, 60.0), factor("FRA", 2024, 44.0)])
    for moment in ("2020-01-01T00:00", "2024-06-01T00:00", "2030-06-01T00:00"):
        assert value_at(FactorsOfYear(yearly, 2024), "FRA", moment) == 44.0
        for asked, year, age in ((2023, 2021, 2), (2020, 2021, 1)):
            found = FactorsOfYear(yearly, asked).at("FRA", instant(moment))
            assert found is not None
            assert (found[0].year, found[0].age_years) == (year, age), "the latest before the year asked for, else the earliest"


def test_the_factor_of_a_reference_year_is_that_of_the_matching_half_hour() -> None:
    """2026-07-14 is a Tuesday; so is 2025-07-15, a day from the same date."""
    first = "2025-07-14T00:00"
    varying = FactorSet(half_hourly("FRA", first, [float(n) for n in range(96)]))
    assert value_at(FactorsOfYear(varying, 2025), "FRA", "2026-07-14T10:30") == 48 + 21
    assert value_at(FactorsOfYear(varying, 2025), "FRA", "2025-07-14T10:30") == 21, "in the year itself, its own factor"


@pytest.mark.parametrize(
    ("moment", "year", "matched"),
    [
        ("2028-02-29T12:00", 2026, "2026-03-03T12:00"),  # a Tuesday; as of 28 February, a Saturday
        ("2027-01-01T12:00", 2025, "2025-01-03T12:00"),  # a Friday
        ("2026-12-31T12:00", 2024, "2024-12-26T12:00"),  # a Thursday: the nearest is in January, so a week earlier
        ("2025-01-01T12:00", 2024, "2024-01-03T12:00"),  # a Wednesday
    ],
)
def test_the_matching_day_is_the_nearest_of_its_weekday_in_the_year(moment: str, year: int, matched: str) -> None:
    assert matching_half_hour(instant(moment), year, UTC) == instant(matched)


def test_the_matching_half_hour_is_the_same_civil_time_across_changes_of_the_clock() -> None:
    """Clocks change on 29 March 2026 and on 30 March 2025: the same weekday keeps the hour that the clock shows."""
    summer_noon = instant("2026-03-29T10:00")  # 12:00 in Paris, on the Sunday of the change
    assert matching_half_hour(summer_noon, 2025, PARIS) == instant("2025-03-30T10:00")
    repeated = [instant("2026-10-25T00:30"), instant("2026-10-25T01:30")]  # 02:30 twice
    assert [matching_half_hour(each, 2025, PARIS) for each in repeated] == [
        instant("2025-10-26T00:30"),
        instant("2025-10-26T01:30"),
    ]
    exists = instant("2018-04-01T00:30")  # 02:30, a week after the change; 31 March 2024 has no 02:30
    assert matching_half_hour(exists, 2024, PARIS) == instant("2024-03-31T01:30"), "03:30, an hour later"


def test_where_the_matching_half_hour_is_not_known_a_coarser_mean_is_named() -> None:
    """Factors of 1 and 2 July 2025 alone: 10 at midnight on the first, 30 on the second; 20 at 00:30 on both."""
    days = [*([10.0, 20.0] + [50.0] * 46), *([30.0, 20.0] + [50.0] * 46)]
    reference = FactorsOfYear(FactorSet(half_hourly("FRA", "2025-07-01T00:00", list(days))), 2025)
    for moment, value, rule in (
        ("2026-09-09T00:00", 20.0, "hours-of-quarter"),
        ("2026-02-09T00:30", 20.0, "hours-of-year"),
    ):
        found = reference.at("FRA", instant(moment))
        assert found is not None
        assert (found[1] / 1e6, found[0].filled, found[0].year) == (value, rule, 2025)
    morning = FactorsOfYear(FactorSet(half_hourly("FRA", "2025-07-01T00:00", [*([10.0] * 24 + [None] * 24)] * 2)), 2025)
    found = morning.at("FRA", instant("2026-02-09T18:00"))
    assert found is not None
    assert (found[1] / 1e6, found[0].filled) == (10.0, "year"), "no evening is known"


def test_a_year_known_for_less_than_a_day_is_not_the_reference() -> None:
    """A series of 2024 in UTC has an hour of 2025 in Paris."""
    series = FactorSet(half_hourly("FRA", "2024-12-30T00:00", [40.0] * 94 + [99.0, 99.0]), timezone=PARIS)
    found = FactorsOfYear(series, 2025).at("FRA", instant("2026-01-01T00:00"))
    assert found is not None
    assert (found[0].year, found[0].age_years) == (2024, 1)


# -------------------------------------------------------------------------------------------------------- scope and basis

MIXED = [
    factor("FRA", 2025, 41.0),
    factor("FRA", 2025, 21.0, scope="direct"),
    factor("DEU", 2025, 330.0, scope="direct"),
    factor("BEL", 2025, 130.0, basis="consumption"),
]


def test_scopes_and_bases_never_mix_in_silence() -> None:
    factors = FactorSet(MIXED, id="all")
    with pytest.raises(FactorError, match=r"must not be mixed.*ecoia factors use all --scope"):
        factors.at("FRA", instant("2025-06-01T00:00"))
    assert value_at(factors.choose("direct"), "FRA", "2025-06-01T00:00") == 21.0
    assert value_at(factors.choose("lifecycle", "production"), "FRA", "2025-06-01T00:00") == 41.0
    with pytest.raises(FactorError, match=r"holds direct, production; lifecycle, consumption; lifecycle, production"):
        factors.choose("direct", "consumption")
    with pytest.raises(FactorError, match="must not be mixed"):
        factors.choose("lifecycle")


def test_a_zone_known_in_another_scope_says_so() -> None:
    chosen = FactorSet(MIXED, id="all").choose("lifecycle", "production")
    for zone, held in (("DEU", "direct, production"), ("BEL", "lifecycle, consumption")):
        with pytest.raises(FactorError, match=rf"zone '{zone}' as {held} only, and lifecycle, production is in use"):
            chosen.at(zone, instant("2025-06-01T00:00"))


# ---------------------------------------------------------------------------------------------------- factors that vary

SERIES = half_hourly("FRA", "2026-10-01T00:00", [10.0, 20.0, None, 40.0])


def test_each_half_hour_has_its_own() -> None:
    factors = FactorSet(SERIES)
    found = [value_at(factors, "FRA", f"2026-10-01T0{n // 2}:{n % 2 * 3}0") for n in range(5)]
    assert found == [10.0, 20.0, None, 40.0, None], "a gap, and what lies after the series, have none"
    assert factors.gaps("FRA") == [(instant("2026-10-01T01:00"), instant("2026-10-01T01:30"))]


@pytest.mark.parametrize(("fill", "expected"), [("previous", 20.0), ("mean", 70 / 3), ("annual", 30.0)])
def test_a_gap_is_filled_by_the_rule_that_was_chosen(fill: str, expected: float) -> None:
    earlier = half_hourly("FRA", "2026-03-01T00:00", [50.0])
    factors = FactorSet([*earlier, *SERIES]).choose(fill=fill)
    found = factors.at("FRA", instant("2026-10-01T01:00"))
    assert found is not None
    assert found[1] / 1e6 == pytest.approx(expected)
    assert (found[0].filled, found[0].age_years) == (fill, 0)
    known = factors.at("FRA", instant("2026-10-01T01:30"))
    assert known is not None
    assert known[0].filled == "", "what is known stays as it is"


def test_a_gap_that_no_rule_fills_stays_a_gap() -> None:
    assert value_at(FactorSet(SERIES).choose(fill="previous"), "FRA", "2026-09-30T23:30") is None, "nothing before"
    assert value_at(FactorSet(SERIES).choose(fill="mean"), "FRA", "2026-09-30T23:30") is None, "nothing in that quarter"
    assert value_at(FactorSet(SERIES).choose(fill="annual"), "FRA", "2025-10-01T00:00") is None, "nothing in that year"


def test_quarters_and_years_of_a_mean_are_civil() -> None:
    factors = FactorSet(half_hourly("FRA", "2026-09-30T22:00", [10.0, None]), timezone=PARIS).choose(fill="mean")
    assert value_at(factors, "FRA", "2026-09-30T22:30") == 10.0
    assert value_at(factors, "FRA", "2026-09-30T21:30") is None, "still September in Paris"


@given(
    values=st.lists(st.none() | st.floats(0.001, 2000), min_size=1, max_size=12),
    order=st.randoms(use_true_random=False),
    fill=st.sampled_from([None, *FILLS]),
)
def test_the_order_of_the_factors_changes_nothing(values: list[float | None], order: Any, fill: str | None) -> None:
    factors = half_hourly("FRA", "2026-10-01T00:00", values)
    shuffled = list(factors)
    order.shuffle(shuffled)
    if not factors:
        return
    a, b = (FactorSet(each).choose(fill=fill) for each in (factors, shuffled))
    start = instant("2026-09-30T22:00")
    assert [a.at("FRA", start + n * HALF_HOUR_NS) for n in range(20)] == [
        b.at("FRA", start + n * HALF_HOUR_NS) for n in range(20)
    ]
