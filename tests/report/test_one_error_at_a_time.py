"""How wide a figure is for one source of error, all others being exact: from the interval back to the deviation.

Of a lognormal quantity with geometric standard deviation g the bounds are a factor exp(2 x 1.96 x ln g) apart.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from ecoia.catalogue.error_widths import GSD
from ecoia.factors import FactorSet
from ecoia.impact.uncertainty import Cell, Estimate
from ecoia.methods import Method
from ecoia.periods import Quarter
from ecoia.records import Record, fold
from ecoia.report import QuarterlyReport, build_report
from support.factor_sets import factor, half_hourly
from support.organisation import write_catalogue
from support.records import kwh, record
from support.settings import make_settings

AT_THE_PLUG = Method("measured", "wattmeter:undivided")
"""Needs no wall factor, so that the two bounds are of one mean."""


def built(folder: Path, *records: Record, factors: FactorSet, gsd: dict[str, float], **texts: str) -> QuarterlyReport:
    """The report of 2026Q4 in which only some sources of error are not exact."""
    chosen = {name: gsd.get(name, 1.0) for name in GSD}
    return build_report(
        fold([*records, record("2027-01-05T10:00", cpu=1)]),
        Quarter(2026, 4),
        settings=make_settings(zone="FRA", timezone="UTC"),
        catalogue=write_catalogue(folder, method=f"gsd: {chosen}\nbecause: a test".replace("'", ""), **texts),
        factors=factors,
    )


def used(energy: float = 2, start: str = "2026-11-05T10:00", **fields: Any) -> Record:
    return record(start, cpu=kwh(energy), ram=None, **{"methods": {"cpu": AT_THE_PLUG}} | fields)


def deviation(quantity: Any) -> float:
    """The geometric standard deviation that a figure's interval has."""
    assert quantity.value is not None, quantity.reason
    return math.exp(math.log(quantity.high / quantity.low) / (2 * 1.96))


def of_sum(*means_and_logs: tuple[float, float]) -> float:
    """The deviation of a sum of independent parts, each a mean and the logarithm of its deviation."""
    variance = sum(mean**2 * math.expm1(log**2) for mean, log in means_and_logs)
    return math.exp(math.sqrt(math.log1p(variance / sum(mean for mean, _ in means_and_logs) ** 2)))


@pytest.mark.parametrize(("year", "expected"), [(2026, 1.1), (2025, 1.3), (2022, 1.3**2), (2017, 1.3**3)])
def test_a_factor_drifts_with_the_square_root_of_its_age(year: int, expected: float, tmp_path: Path) -> None:
    gsd = {"grid-same-year": 1.1, "grid-previous-year": 1.3}
    report = built(tmp_path, used(), factors=FactorSet([factor("FRA", year)]), gsd=gsd)
    assert deviation(report.footprint.co2e_operational) == pytest.approx(expected)


def test_a_filled_gap_has_an_error_of_its_own_beside_the_factors(tmp_path: Path) -> None:
    series = FactorSet(half_hourly("FRA", "2026-11-05T10:00", [40.0])).choose(fill="previous")
    report = built(tmp_path, used(start="2026-11-05T11:00"), factors=series, gsd={"grid-same-year": 1.1, "grid-filled": 1.3})
    expected = math.exp(math.hypot(math.log(1.1), math.log(1.3)))
    assert deviation(report.footprint.co2e_operational) == pytest.approx(expected)


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_contracted_electricity_has_no_error_of_the_grid(share: float, tmp_path: Path) -> None:
    contract = f"supplier: S, gco2e_per_kwh: 10, scope: lifecycle, share: {share}, zone: FRA, evidence: E"
    report = built(
        tmp_path,
        used(),
        factors=FactorSet([factor("FRA", 2026, 40.0)]),
        gsd={"grid-same-year": 1.5},
        contracts=f"contracts:\n  - {{{contract}, from: 2026-01-01, until: 2027-01-01}}\n",
    )
    assert deviation(report.footprint.co2e_operational) == pytest.approx(1.5)
    market = report.totals.co2e_operational_market
    assert market.value == pytest.approx(2 * (10 * share + 40 * (1 - share)) / 1000)
    assert deviation(market) == pytest.approx(of_sum((10 * share, 0), (40 * (1 - share), math.log(1.5))))


def test_the_error_of_one_kind_of_meter_is_shared_and_a_services_own_is_not(tmp_path: Path) -> None:
    records, factors = [used(3), used(1, service="bot")], FactorSet([factor("FRA", 2026)])
    shared = built(tmp_path / "shared", *records, factors=factors, gsd={"wattmeter": 1.4})
    assert deviation(shared.totals.energy_components) == pytest.approx(1.4)
    own = built(tmp_path / "own", *records, factors=factors, gsd={"own": 1.4})
    assert deviation(own.totals.energy_components) == pytest.approx(of_sum((3, math.log(1.4)), (1, math.log(1.4))))


@pytest.mark.parametrize("quality", ["measured", "declared"])
def test_the_building_and_the_water_have_the_errors_of_their_figures(quality: str, tmp_path: Path) -> None:
    kinds = (("pue", 1.5), ("wue", 0.5), ("water_factor", 2.0))
    figures = ", ".join(
        f"{kind}: [{{value: {value}, quality: {quality}, from: 2026-01-01, source: s, date: 2026-01-01}}]"
        for kind, value in kinds
    )
    report = built(
        tmp_path,
        used(),
        factors=FactorSet([factor("FRA", 2026)]),
        gsd={f"pue-{quality}": 1.2, "water": 1.6},
        sites=f"sites:\n  - {{id: centre, name: C, zone: FRA, instances: ['*'], {figures}}}\n",
    )
    footprint = report.footprint
    assert deviation(footprint.energy_it) == pytest.approx(1)
    assert deviation(footprint.co2e_operational) == pytest.approx(1.2)
    assert (footprint.water_direct.value, footprint.water_indirect.value) == pytest.approx((2 * 0.5, 2 * 1.5 * 2))
    assert deviation(footprint.water_direct) == pytest.approx(1.6), "a litre for each kWh of the equipment, not of the building"
    assert deviation(footprint.water_indirect) == pytest.approx(math.exp(math.hypot(math.log(1.2), math.log(1.6))))


@pytest.mark.parametrize("widths", [(1.1, 1.3), (1.3, 1.1)])
def test_an_error_that_is_met_with_two_widths_is_as_wide_as_the_wider(widths: tuple[float, float]) -> None:
    parts = [Estimate((Cell(1.0, frozenset({"grid"}), "a"),), {"grid": width, "own": 1.0}, 1.0) for width in widths]
    assert Estimate.total(parts).log_variance == pytest.approx(math.log(1.3) ** 2)
