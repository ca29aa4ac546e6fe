"""A target on an indicator reads the figure of its service, or of everything, in its unit; or the reason why there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ecoia.factors import FactorSet
from ecoia.indicators import INDICATORS
from ecoia.methods import Method
from ecoia.periods import Quarter
from ecoia.records import Record, fold
from ecoia.report import BaselineAddition, Quantity, QuarterlyReport, TargetVerdict, build_report
from ecoia.units import micro
from support.factor_sets import factor
from support.organisation import write_catalogue
from support.records import LOAD, RAPL, kwh, record
from support.settings import make_settings

Q4 = Quarter(2026, 4)
GRID = FactorSet([factor("FRA", year, 40.0) for year in (2026, 2027, 2028)])
WATTMETER = Method("measured", "wattmeter:undivided")

SERVICES = """\
services:
  - {id: vadore, name: VADORE, status: generalised, functional_unit: offer}
  - {id: late, name: Late, status: generalised, functional_unit: answer, since: 2020-01-01}
"""
CONTRACT = (
    "contracts:\n  - {supplier: S, gco2e_per_kwh: 6, scope: lifecycle, share: 0.5, zone: FRA, from: 2026-01-01,"
    " until: 2028-01-01, evidence: e}\n"
)
UNDER_CONTRACT = 0.5 * 6 + 0.5 * 40  # g per kWh
# 1461 kg over four years is 1 kg a day. Each service has a machine of its own.
MACHINES = "equipment:\n" + "".join(
    f"  - {{id: {host}, co2e_kg: 1461, life_years: 4, reserved_share: 1, instances: {host}, from: 2026-01-01, source: s,"
    " date: 2025-12-01}\n"
    for host in ("host-1", "host-2")
)


def report(folder: Path, targets: str, *records: Record, quarter: Quarter = Q4, **files: str) -> QuarterlyReport:
    """Build the report of some records, with one record after the quarter and with targets, each an inline mapping a line."""
    written = "".join(f"  - {{{target}}}\n" for target in targets.splitlines())
    return build_report(
        fold([*records, record("2028-01-05T10:00", cpu=0)]),
        quarter,
        settings=make_settings(zone="FRA", timezone="UTC"),
        catalogue=write_catalogue(folder, **{"targets": f"targets:\n{written}", "services": SERVICES, **files}),
        factors=GRID,
    )


def judged(folder: Path, target: str, *records: Record, **values: Any) -> TargetVerdict:
    """Judge one target by some records."""
    (found,) = report(folder, target, *records, **values).targets
    return found


def cap(indicator: str, service: str | None = None) -> str:
    """Write a cap of 1 on an indicator, of one service or of all."""
    of = "" if service is None else f"service: {service}, "
    return f'id: {indicator.replace("_", "-")}, indicator: {indicator}, {of}op: "<=", value: 1, deadline: 2026Q4'


# -- thresholds of everything ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("indicator", ["coverage_services", "energy_by_method", "precision"])
def test_a_share_of_nothing_is_unknown_and_not_zero(tmp_path: Path, indicator: str) -> None:
    found = judged(tmp_path, cap(indicator))
    assert found.observed == Quantity(None, "1", reason="no-data")
    assert (found.verdict, found.reason, found.unit) == ("non-concluant", "no-data", "1")


@pytest.mark.parametrize(("indicator", "value"), [("coverage_services", 1 / 2), ("energy_by_method", 3 / 4), ("precision", 0.0)])
def test_a_share_that_is_known_has_its_unit_and_no_reason(tmp_path: Path, indicator: str, value: float) -> None:
    used = [record(cpu=kwh(3), ram=None), record("2026-11-24T10:00", cpu=kwh(1), ram=None, methods={"cpu": LOAD})]
    found = judged(tmp_path, cap(indicator), *used)
    assert found.observed == Quantity(value, "1")
    assert (found.verdict, found.reason) == ("tenu", None)


@pytest.mark.parametrize(
    ("energies", "precise"),
    [((1, 2, 5), 3 / 8), ((1, 0, 3), 1 / 4), ((0, 1, 3), 1 / 4), ((0, 0, 1), 0.0), ((1, 1, 0), 1.0)],
)
def test_precision_counts_the_first_two_classes_together(
    tmp_path: Path, energies: tuple[float, float, float], precise: float
) -> None:
    """A wattmeter gives class 1 here, a counter class 2, a model of the load class 4."""
    methods = (WATTMETER, RAPL, LOAD)
    used = [
        record(cpu=kwh(energy), ram=None, service=f"s-{place}", methods={"cpu": method})
        for place, (energy, method) in enumerate(zip(energies, methods, strict=True))
        if energy
    ]
    method = "gsd: {grid-same-year: 1.02, own: 1.01, counters: 1.1}\nbecause: a test\n"
    built = report(tmp_path, cap("precision"), *used, method=method)
    assert set(built.precision) == {name for name, energy in zip("124", energies, strict=True) if energy}
    assert built.targets[0].observed == Quantity(pytest.approx(precise), "1")


# -- thresholds of one service -----------------------------------------------------------------------------------------

OF_ONE = [each.id for each in INDICATORS.values() if each.target in ("any", "service") and each.held != "comparison"]


def two_services() -> list[Record]:
    """Record 2 kWh of ``vadore`` and 6 kWh of ``late`` in 2026Q4, each on its own machine."""
    return [
        record(cpu=kwh(2), ram=None, units_micro=micro(10), accepted_micro=micro(5)),
        record(cpu=kwh(6), ram=None, units_micro=micro(10), accepted_micro=micro(5), service="late", instance="host-2"),
    ]


@pytest.mark.parametrize("indicator", OF_ONE)
def test_a_target_of_one_service_reads_nothing_where_the_service_has_no_record(tmp_path: Path, indicator: str) -> None:
    found = judged(tmp_path, cap(indicator, "late"), two_services()[0], equipment=MACHINES, contracts=CONTRACT)
    assert found.observed == Quantity(None, INDICATORS[indicator].unit, reason="no-data")
    assert (found.verdict, found.reason) == ("non-concluant", "no-data")


@pytest.mark.parametrize(
    ("indicator", "of_each", "of_all"),
    [
        ("energy_it", (2, 6), 8),
        ("co2e_operational", (0.08, 0.24), 0.32),
        ("co2e_operational_market", (2 * UNDER_CONTRACT / 1000, 6 * UNDER_CONTRACT / 1000), 8 * UNDER_CONTRACT / 1000),
        ("co2e_embodied", (92, 92), 184),
        ("co2e", (92.08, 92.24), 184.32),
    ],
)
def test_a_target_reads_the_figure_of_its_service_and_else_of_everything(
    tmp_path: Path, indicator: str, of_each: tuple[float, float], of_all: float
) -> None:
    targets = "\n".join(cap(indicator, service).replace("id: ", f"id: {service}-") for service in ("vadore", "late"))
    built = report(tmp_path, f"{targets}\n{cap(indicator)}", *two_services(), equipment=MACHINES, contracts=CONTRACT)
    observed = [target.observed for target in built.targets]
    assert [each.value for each in observed] == pytest.approx([*of_each, of_all])
    assert {(each.unit, each.reason) for each in observed} == {(INDICATORS[indicator].unit, None)}
    assert all(each.low is not None and each.high is not None and each.low < each.value < each.high for each in observed)


@pytest.mark.parametrize(("indicator", "grams"), [("sci", 92_080 / 10), ("co2e_per_accepted_outcome", 92_080 / 5)])
def test_a_target_on_an_intensity_reads_the_intensity_of_its_service(tmp_path: Path, indicator: str, grams: float) -> None:
    found = judged(tmp_path, cap(indicator, "vadore"), *two_services(), equipment=MACHINES)
    assert (found.observed.value, found.observed.unit) == (pytest.approx(grams), "gCO2e")


def test_a_target_by_contracts_without_a_contract_is_not_judged(tmp_path: Path) -> None:
    for service in (None, "late"):
        found = judged(tmp_path / str(service), cap("co2e_operational_market", service), *two_services())
        assert found.observed == Quantity(None, "kgCO2e", reason="no-contract")
        assert (found.verdict, found.reason) == ("non-concluant", "no-contract")


# -- trajectories ------------------------------------------------------------------------------------------------------


def trajectory(indicator: str, service: str | None = None) -> str:
    """Write a trajectory of an indicator from the year 2026 to the year 2027."""
    of = "" if service is None else f", service: {service}"
    quarters = "baseline: {quarters: [2026Q1, 2026Q2, 2026Q3, 2026Q4]}"
    return f"id: t, indicator: {indicator}{of}, {quarters}, reduction: 0.3, horizon: 2027"


def two_years(*late: float) -> list[Record]:
    """Record 10 kWh of ``vadore`` in each quarter of 2026 and 2027, and these kWh of ``late`` in the last of the quarters."""
    days = [f"{year}-{month}-05T10:00" for year in (2026, 2027) for month in ("02", "05", "08", "11")]
    return [
        *(record(day, cpu=kwh(10), gpu=0) for day in days),
        *(
            record(day, cpu=kwh(energy), gpu=0, service="late", instance="host-2")
            for day, energy in zip(days[len(days) - len(late) :], late, strict=True)
        ),
    ]


AT_LAST = {"quarter": Quarter(2027, 4)}


@pytest.mark.parametrize(("indicator", "value", "unit"), [("energy_it", 4, "kWh"), ("co2e_operational", 4 * 40 / 1000, "kgCO2e")])
def test_what_is_added_to_a_baseline_is_in_the_unit_of_the_indicator(
    tmp_path: Path, indicator: str, value: float, unit: str
) -> None:
    (first, *_) = judged(tmp_path, trajectory(indicator), *two_years(4, 8, 8, 8), **AT_LAST).additions
    assert first == BaselineAddition(
        "late", "2026Q1", "2027Q1", 1, Quantity(pytest.approx(value), unit, first.quantity.low, first.quantity.high)
    )
    assert first.quantity.low is not None


def test_nothing_is_added_for_a_service_that_was_never_recorded_later(tmp_path: Path) -> None:
    found = judged(tmp_path, trajectory("energy_it"), *two_years(), **AT_LAST)
    assert found.additions == ()
    assert found.observed.value == pytest.approx(0)


def test_the_baseline_of_one_service_holds_the_making_of_its_machines(tmp_path: Path) -> None:
    found = judged(tmp_path, trajectory("co2e", "late"), *two_years(4, 4, 4, 4), equipment=MACHINES, **AT_LAST)
    used, made = 4 * 40 / 1000, 90  # kg, of the first quarter of 2027
    assert [each.quantity.value for each in found.additions] == [pytest.approx(used + made)] * 4
    assert found.observed.value == pytest.approx((used + 365 / 4) / (used + made) - 1)


@pytest.mark.parametrize(
    ("indicator", "grams"), [("energy_it", 1000), ("co2e_operational", 40), ("co2e_operational_market", UNDER_CONTRACT)]
)
def test_a_trajectory_of_one_service_is_of_its_own_figures(tmp_path: Path, indicator: str, grams: float) -> None:
    energies = (4, 4, 4, 4, 2, 2, 3, 3)
    target = trajectory(indicator, "late")
    found = judged(tmp_path, target, *two_years(*energies), contracts=CONTRACT, **AT_LAST)
    assert (found.additions, found.observed.unit) == ((), "1")
    assert found.observed.value == pytest.approx(10 / 16 - 1)
    assert found.budget is not None
    assert found.budget.budget == Quantity(pytest.approx(16 * 0.7 * grams / 1000), INDICATORS[indicator].unit)
    assert (found.budget.spent.value, found.budget.spent.unit) == (pytest.approx(10 * grams / 1000), INDICATORS[indicator].unit)
    assert (found.budget.consumed.value, found.budget.consumed.unit) == (pytest.approx(10 / 11.2), "1")
