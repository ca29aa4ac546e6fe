"""Laws of uncertainty: shared errors are as wide as their widest, drift is a random walk, contracts have no error of the grid."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecoia.catalogue import Contract
from ecoia.catalogue.error_widths import GSD
from ecoia.factors import FactorSet
from ecoia.impact.assessment import Impact, assess
from ecoia.impact.change import log_ratio_variance
from ecoia.impact.grid import grid_gsd
from ecoia.impact.parameters import AssessmentParameters
from ecoia.impact.uncertainty import Cell, Estimate
from ecoia.records import fold
from support.factor_sets import factor
from support.records import kwh, record


def impact(*days: str, factors: FactorSet, **parameters: Any) -> Impact:
    """The impact of a kilowatt-hour of CPU on each of some days, in France."""
    rows = [row for day in days for row in fold([record(f"{day}T10:00", cpu=kwh(1), ram=None)])]
    return assess(rows, AssessmentParameters(factors, zone="FRA", **parameters))


def log_variance(found: Impact) -> float:
    assert found.operational is not None
    return found.operational.log_variance


# --- drift of the grid ------------------------------------------------------------------------------------------------


def test_the_variance_of_an_old_factor_grows_in_proportion_to_its_years() -> None:
    factors = FactorSet([factor("FRA", 2015, 40.0)])
    by_age = {age: log_variance(impact(f"{2015 + age}-06-01", factors=factors)) for age in (1, 2, 4, 9)}
    one_year = math.log(GSD["grid-previous-year"]) ** 2
    for age, variance in by_age.items():
        assert variance - by_age[1] == pytest.approx((age - 1) * one_year, abs=1e-12), age


@given(age=st.integers(1, 60), gsd=st.floats(1.0, 5.0))
def test_two_spells_of_drift_add_up_in_variance(age: int, gsd: float) -> None:
    widths = {"grid-same-year": 1.1, "grid-previous-year": gsd}

    def variance(years: int) -> float:
        return math.log(grid_gsd(years, widths)) ** 2

    assert variance(2 * age) == pytest.approx(2 * variance(age))
    assert grid_gsd(0, widths) == 1.1


def test_a_factor_used_in_several_years_has_one_error_as_wide_as_the_oldest_use_in_whatever_order() -> None:
    factors = FactorSet([factor("FRA", 2020, 40.0)])
    days = ("2020-06-01", "2021-06-01", "2024-06-01")
    oldest = log_variance(impact("2024-06-01", factors=factors))
    for order in itertools.permutations(days):
        assert log_variance(impact(*order, factors=factors)) == pytest.approx(oldest), order


# --- contracts --------------------------------------------------------------------------------------------------------


def contract(share: float) -> Contract:
    said = {"supplier": "S", "scope": "lifecycle", "zone": "FRA", "from": "2026-01-01", "until": "2027-01-01"}
    return Contract.model_validate(said | {"gco2e_per_kwh": 6.0, "share": share, "evidence": "GO n° 12"})


def widths(share: float, grid_gsd: float) -> tuple[float, float]:
    """Variance of the logarithm of the CO2e by the grid and by a contract of this share, with this error of the grid."""
    factors = FactorSet([factor("FRA", 2026, 40.0)])
    gsd = {**GSD, "grid-same-year": grid_gsd}
    found = impact("2026-06-01", factors=factors, contracts=[contract(share)], gsd=gsd)
    assert found.market is not None
    return log_variance(found), found.market.log_variance


def test_the_error_of_the_grid_is_in_no_contracted_kilowatt_hour() -> None:
    (by_grid, contracted), (by_worse_grid, still_contracted) = widths(1.0, 1.1), widths(1.0, 3.0)
    assert by_worse_grid > by_grid
    assert still_contracted == contracted == pytest.approx(sum(math.log(GSD[name]) ** 2 for name in ("counters", "own")))


@given(share=st.floats(0.01, 0.98))
def test_the_rest_of_a_contracted_use_has_the_error_of_the_grid(share: float) -> None:
    assert widths(share, 3.0)[1] > widths(share, 1.1)[1]
    assert widths(share, 3.0)[1] > widths(min(share + 0.01, 1.0), 3.0)[1], "the more is contracted, the less it weighs"


# --- sums of estimates ------------------------------------------------------------------------------------------------

NAMES = ("model", "pue", "grid")
ESTIMATES = st.builds(
    lambda means, widths: Estimate(
        tuple(Cell(mean, frozenset(NAMES[: 1 + place % 3]), str(place % 2)) for place, mean in enumerate(means)),
        {**dict(zip(NAMES, widths, strict=True)), "own": 1.05},
        sum(means),
    ),
    st.lists(st.floats(0.01, 1e3), min_size=1, max_size=5),
    st.tuples(*[st.floats(1.0, 3.0)] * len(NAMES)),
)


@given(estimates=st.lists(ESTIMATES, min_size=2, max_size=4), order=st.randoms(use_true_random=False))
def test_a_shared_error_met_with_several_widths_is_as_wide_as_the_widest(estimates: list[Estimate], order: Any) -> None:
    whole = Estimate.total(estimates)
    assert whole.gsd == {name: max(each.gsd[name] for each in estimates) for name in (*NAMES, "own")}
    shuffled = list(estimates)
    order.shuffle(shuffled)
    assert Estimate.total(shuffled).log_variance == whole.log_variance
    assert Estimate.total(shuffled).interval == whole.interval


@given(one=ESTIMATES, other=ESTIMATES)
def test_a_ratio_is_as_sure_as_its_inverse(one: Estimate, other: Estimate) -> None:
    assert log_ratio_variance(one, other) == pytest.approx(log_ratio_variance(other, one))


def test_an_estimate_without_cells_brings_no_width() -> None:
    """Nothing measured says nothing of how sure the rest is."""
    one = Estimate((Cell(1.0, frozenset({"pue"}), "a"),), {"pue": 1.1, "own": 1.05}, 1.0)
    empty = Estimate((), {"pue": 5.0, "own": 5.0}, 0.0)
    assert Estimate.total([one, empty]).interval == one.interval == Estimate.total([empty, one]).interval
