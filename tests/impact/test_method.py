"""The worked examples of docs/method.md: each is what its arithmetic gives, and what ecoia computes."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ecoia.catalogue import INDICATORS, load
from ecoia.catalogue.error_widths import GSD
from ecoia.evaluating.projection import project
from ecoia.factors import FactorSet, FactorsOfYear
from ecoia.impact.assessment import Assessment
from ecoia.impact.change import (
    ExplainedChange,
    ServiceFootprint,
    Use,
    change_interval,
    decompose,
    energy_per_unit_change,
    log_ratio_variance,
)
from ecoia.impact.energy_cells import WALL_FACTOR
from ecoia.impact.hosted import ESTIMATED, TokenCounts, TokenUse
from ecoia.impact.hosted_estimates import Hypotheses
from ecoia.impact.inputs import Inputs
from ecoia.impact.ledger_sums import LedgerSums
from ecoia.impact.parameters import AssessmentParameters
from ecoia.impact.period_impact import KnownPart
from ecoia.impact.recalculation import recalculate
from ecoia.impact.trajectory import Trajectory
from ecoia.impact.uncertainty import Cell, Estimate, interval, log_variance
from ecoia.periods import DAY_NS, Quarter
from ecoia.records import Row, fold
from ecoia.report import ChangeLine, PhaseDays, Quantity, QuarterChange, QuarterlyReport, build_report
from ecoia.report.instance_days import covered_share
from ecoia.report.likelihood import level_above, level_below
from ecoia.report.quantities import headline
from ecoia.units import micro
from support.factor_sets import factor, half_hourly
from support.organisation import write_catalogue
from support.records import kwh, outcome, record
from support.settings import make_settings

pytestmark = pytest.mark.checkout

EXAMPLE = re.compile(r"^ +`?([\w ²,]+?)`?: ([^=`]+) = (-?[\d.]+)(?: (?:kWh|Wh|kg|g|L))?$", re.MULTILINE)
FUNCTIONS = {"exp": math.exp, "erf": math.erf, "ln": math.log, "sqrt": math.sqrt}
CATALOGUE = {
    "services": "services: [{id: assistant, name: A, status: generalised, functional_unit: answer, lifetime_units: 100000, "
    "model: {training_tokens: 2000000, parameters_total_billion: 0.4}}]",
    "calibration": "calibrations: [{component: cpu, wall_factor: 1.25, source: s, date: 2026-01-01}]",
    "sites": """\
sites:
  - id: site
    instances: "server"
    zone: FRA
    pue: [{value: 1.5, quality: measured, source: s, date: 2026-01-01}]
    wue: [{value: 0.5, quality: measured, source: s, date: 2026-01-01}]
    water_factor: [{value: 3, quality: default, source: s, date: 2026-01-01}]
""",
    "equipment": """\
equipment:
  - id: server
    co2e_kg: 1461
    life_years: 4
    reserved_share: 0.5
    instances: server
    from: 2026-01-01
    source: s
    date: 2025-12-01
""",
    "targets": "targets: [{id: t, indicator: co2e, baseline: {quarters: [2024Q1]}, reduction: 0.3, horizon: 2030}]",
}

DECLARED_DAYS = {"first": ", instance_days: 92", "second": ", instance_days: 92", "third": ""}


@pytest.fixture
def examples(repository: Path) -> dict[str, tuple[str, float]]:
    """Each example's arithmetic and result, by its name."""
    text = (repository / "docs" / "method.md").read_text(encoding="utf-8")
    return {name: (expression, float(result)) for name, expression, result in EXAMPLE.findall(text)}


@pytest.fixture
def built(tmp_path: Path) -> QuarterlyReport:
    """The organisation of the page's first table."""
    return organisation(tmp_path)


FACTORS = FactorSet([factor("FRA", 2024, 50.0), factor("FRA", 2026, 40.0)])


def organisation(folder: Path, **files: str) -> QuarterlyReport:
    """The same, with more files in its catalogue."""
    return build_report(
        organisation_rows(),
        Quarter(2026, 4),
        settings=make_settings(timezone="UTC"),
        catalogue=write_catalogue(folder, **{**CATALOGUE, **files}),
        factors=FACTORS,
    )


def organisation_rows() -> list[Row]:
    at = {"service": "assistant", "instance": "server", "ram": None}
    records = [
        record("2026-11-05T10:00", 20, cpu=kwh(8), **{**at, "ram": kwh(2)}, units_micro=micro(4000), accepted_micro=micro(3000)),
        record("2026-11-05T11:00", 20, cpu=kwh(2), kind="idle", phase=None, **at),
        record("2026-11-05T12:00", 20, cpu=kwh(3), phase="training", run_id="good", units_micro=micro(40), **at),
        record("2026-11-05T13:00", 20, cpu=kwh(1), phase="training", run_id="bad", units_micro=micro(10), **at),
        outcome("2026-11-05T12:20", "good", "ok", service="assistant"),
        outcome("2026-11-05T13:20", "bad", "failed", service="assistant"),
        record("2027-01-05T10:00", cpu=0, **at),
    ]
    return fold(records)


def by_hand(expression: str) -> float:
    """The result of a line's arithmetic."""
    assert re.fullmatch(r"[\d.()×/+\-^ explnsqrtf]+", expression), expression
    return float(eval(expression.replace("×", "*").replace("^", "**"), {"__builtins__": {}}, FUNCTIONS))  # noqa: S307


def test_each_example_is_what_its_arithmetic_gives(examples: dict[str, tuple[str, float]]) -> None:
    assert len(examples) >= 50
    for name, (expression, result) in examples.items():
        assert by_hand(expression) == pytest.approx(result, rel=1e-5), f"{name}: {expression}"


def test_each_indicator_has_an_example_and_ecoia_computes_it(
    examples: dict[str, tuple[str, float]], built: QuarterlyReport
) -> None:
    # Each of these has a test of its own.
    elsewhere = {"coverage_services", "co2e_operational_market", "co2e_api", "energy_by_method", "precision"}
    elsewhere |= {"budget", "absorbed_gain", "recalculation", "energy_per_unit"}
    assert set(INDICATORS) - set(examples) == set()
    (service,) = built.services
    for name in sorted(set(INDICATORS) - elsewhere):
        holder = next(part for part in (service, built.footprint, built.totals) if hasattr(part, name) and name != "service")
        found = built.totals.energy if name == "energy" else getattr(holder, name)
        assert found.value == pytest.approx(examples[name][1], rel=1e-6), name
    (server,) = built.equipment
    assert server.quarter_micrograms == pytest.approx(46e9)
    parts = {part: examples[f"embodied of {part}"][1] for part in ("inference", "idle", "training")}
    assert sum(parts.values()) == 46
    assert examples["M of inference and idle"][1] == (parts["inference"] + parts["idle"]) * 1000
    assert service.sci_training.value == pytest.approx(examples["training"][1] / 100_000)


def test_shares_by_method_and_by_class_are_those_of_the_page(
    examples: dict[str, tuple[str, float]], built: QuarterlyReport
) -> None:
    assert {status: share for status, share in built.energy_by_status.items() if share} == {
        status: examples[f"share {status}"][1] for status in ("measured", "estimated")
    }
    assert examples["energy_by_method"][1] == built.energy_by_status["measured"]
    assert examples["precision"][1] == built.precision.get("1", 0) + built.precision.get("2", 0)
    assert built.precision == {rank: pytest.approx(examples[f"share of class {rank}"][1], rel=1e-4) for rank in "34"}


def test_co2e_by_contracts_is_that_of_the_page(examples: dict[str, tuple[str, float]], tmp_path: Path) -> None:
    contract = (
        "supplier: S, gco2e_per_kwh: 6, scope: lifecycle, share: 0.5, zone: FRA, from: 2026-01-01, until: 2027-01-01, evidence: e"
    )
    found = organisation(tmp_path, contracts=f"contracts: [{{{contract}}}]")
    assert found.totals.co2e_operational_market.value == pytest.approx(examples["co2e_operational_market"][1])
    assert found.totals.co2e.value == pytest.approx(examples["co2e_operational"][1])


def test_the_budget_is_that_of_the_page(examples: dict[str, tuple[str, float]], tmp_path: Path) -> None:
    used = [(f"{year}-{month}-05", 10 if year == 2024 else 8.5) for year in (2024, 2026) for month in ("02", "05", "08", "11")]
    found = build_report(
        fold([record(f"{day}T10:00", cpu=kwh(energy), ram=None) for day, energy in used]),
        Quarter(2026, 4),
        over=True,
        settings=make_settings(timezone="UTC"),
        catalogue=write_catalogue(
            tmp_path,
            targets="targets: [{id: t, indicator: energy_components, baseline: {quarters: [2024Q1, 2024Q2, 2024Q3, 2024Q4]}, "
            "reduction: 0.4, horizon: 2028}]",
        ),
        factors=FactorSet([factor("FRA", 2024, 40.0)]),
    )
    state = found.targets[0].budget
    assert state is not None
    assert state.budget.value == pytest.approx(examples["budget of 2026"][1])
    assert state.consumed.value == pytest.approx(examples["budget"][1])
    bounds = (examples["least share"][1], examples["greatest share"][1])
    assert (state.consumed.low, state.consumed.high) == pytest.approx(bounds, rel=1e-4)
    assert state.spent_probability == pytest.approx(examples["probability that the budget is spent"][1], rel=1e-4)
    assert state.distance.value == pytest.approx(examples["distance to the path"][1])
    assert state.overrun_probability.value == pytest.approx(examples["probability of overrun"][1], rel=1e-4)


def test_the_recalculation_is_that_of_the_page(examples: dict[str, tuple[str, float]], tmp_path: Path) -> None:
    published = json.loads(organisation(tmp_path / "then").to_json())
    settings = make_settings(timezone="UTC")
    then = Inputs.of(organisation_rows(), write_catalogue(tmp_path / "then", **CATALOGUE), FACTORS, settings)
    sites = CATALOGUE["sites"].replace("value: 1.5", "value: 1.6")
    now = Inputs.of(
        organisation_rows(),
        write_catalogue(tmp_path / "now", **{**CATALOGUE, "sites": sites}),
        FactorSet([factor("FRA", 2024, 50.0), factor("FRA", 2026, 44.0)]),
        settings,
    )
    found = recalculate(published, then, now)
    assert {cause: micrograms / 1e9 for cause, micrograms in found.total.causes.items()} == {
        cause: pytest.approx(examples[f"recalculated for {cause}"][1]) for cause in ("boundary", "factor")
    }
    assert found.total.micrograms / 1e9 == pytest.approx(examples["recalculated in all"][1])
    assert found.relative == pytest.approx(examples["recalculation"][1], rel=1e-5)
    report = replace(organisation(tmp_path / "after"), restatements=(found,))
    assert report.greatest_recalculation.value == found.relative
    assert not found.needed


def test_coverage_is_that_of_the_page(examples: dict[str, tuple[str, float]], tmp_path: Path) -> None:
    services = [f"{{id: {name}, name: N, status: poc{said}}}" for name, said in DECLARED_DAYS.items()]
    first = Quarter(2026, 4).bounds_ns(ZoneInfo("UTC"))[0]
    records = [
        record(first + day * DAY_NS, cpu=1, service=name)
        for name, days in (("first", 80), ("second", 60), ("third", 1))
        for day in range(days)
    ]
    found = build_report(
        fold([*records, record("2027-01-05T10:00", cpu=1)]),
        Quarter(2026, 4),
        settings=make_settings(timezone="UTC"),
        catalogue=write_catalogue(tmp_path, services=f"unnamed: {{count: 1}}\nservices: [{', '.join(services)}]"),
        factors=FactorSet([factor("FRA", 2026, 40.0)]),
    )
    assert found.coverage.share == examples["coverage_services"][1]
    assert [entry.covered for entry in found.register] == [
        pytest.approx(examples[f"covered of the {name}"][1], rel=1e-5) for name in ("first", "second")
    ] + [None]


def test_coverage_of_a_shorter_quarter_is_that_of_the_page(examples: dict[str, tuple[str, float]], tmp_path: Path) -> None:
    first = Quarter(2026, 1).bounds_ns(ZoneInfo("UTC"))[0]
    hosts = [(host, day) for host, days in (("a", 90), ("b", 81)) for day in range(days)]
    found = build_report(
        fold([record(first + day * DAY_NS, cpu=1, instance=host) for host, day in hosts]),
        Quarter(2026, 1),
        over=True,
        settings=make_settings(timezone="UTC"),
        catalogue=write_catalogue(tmp_path, services="services: [{id: vadore, name: V, status: poc, instance_days: 184}]"),
        factors=FactorSet([factor("FRA", 2026, 40.0)]),
    )
    assert found.register[0].covered == pytest.approx(examples["covered in a shorter quarter"][1])


def test_the_coverage_of_phases_and_instances_is_that_of_the_page(examples: dict[str, tuple[str, float]]) -> None:
    inference = [PhaseDays("inference", "gpu-01", 80, 92.0), PhaseDays("inference", "gpu-03", 92, 92.0)]
    assert covered_share(inference) == pytest.approx(examples["covered of inference"][1], rel=1e-5)
    least = covered_share([*inference, PhaseDays("training", "", 20, 11.0)])
    assert least == pytest.approx(examples["covered of the least phase"][1], rel=1e-5)


def test_the_probability_of_missing_a_target_is_that_of_the_page(examples: dict[str, tuple[str, float]]) -> None:
    level = Quantity(4.0, "kWh", examples["low"][1], examples["high"][1])
    assert level_above(level, 5) == pytest.approx(examples["probability of exceeding the cap"][1], rel=1e-4)
    assert level_below(level, 3) == pytest.approx(examples["probability of missing the floor"][1], rel=1e-4)
    uncalibrated = replace(level, high=examples["high from the greatest mean"][1])
    assert level_above(uncalibrated, 5) == pytest.approx(examples["probability of exceeding the cap uncalibrated"][1], rel=1e-4)


def test_a_target_on_the_energy_of_a_unit_is_that_of_the_page(examples: dict[str, tuple[str, float]], tmp_path: Path) -> None:
    target = "targets: [{id: t, indicator: energy_per_unit, service: assistant, op: '<=', value: 9, deadline: 2026Q4}]"
    (found,) = organisation(tmp_path, targets=target).targets
    assert found.observed.value == pytest.approx(examples["energy_per_unit"][1])


def test_the_estimate_by_tokens_is_that_of_the_page(examples: dict[str, tuple[str, float]]) -> None:
    low, high = 0.6, 1.0
    found = Hypotheses("openai", "m", "0.11.3", "USA", "70", "70", True, low, (low + high) / 2, high, 5e-5, 5e-5, 5e-5)
    use = TokenUse(("a", "inference"), "openai", "m", TokenCounts(10, 500_000, 1, requests=1000), ESTIMATED, None, found)
    assert use.central_kg == pytest.approx(examples["co2e_api"][1])


def test_the_interval_is_that_of_the_page(examples: dict[str, tuple[str, float]]) -> None:
    cells = [Cell(mean, frozenset({"counters"}), owner) for mean, owner in ((3.0, "a"), (1.0, "b"))]
    log_var = log_variance(cells, GSD, GSD["own"])
    assert log_var == pytest.approx(examples["s²"][1], rel=1e-4)
    bounds = interval(4, log_var)
    assert (bounds.low, bounds.high) == pytest.approx((examples["low"][1], examples["high"][1]), rel=1e-4)
    greatest = examples["greatest mean"][1]
    assert greatest == pytest.approx(4 * WALL_FACTOR["cpu"])
    uncalibrated = Estimate(tuple(cells), GSD, greatest).interval
    assert uncalibrated is not None
    expected = (examples["low"][1], examples["high from the greatest mean"][1])
    assert (uncalibrated.low, uncalibrated.high) == pytest.approx(expected, rel=1e-4)


def test_the_terms_of_a_change_are_those_of_the_page(examples: dict[str, tuple[str, float]]) -> None:
    before, now = Use(4000, 8.0, 12.0, 600_000_000), Use(6000, 9.0, 12.6, 504_000_000)
    (found,) = decompose({"a": ServiceFootprint({"serving": before})}, {"a": ServiceFootprint({"serving": now})})
    assert {name: part / 1e6 for name, part in found.terms.items()} == {
        name: pytest.approx(examples[f"term of {name}"][1], abs=1e-5) for name in ("volume", "intensity", "pue", "factor")
    }
    assert found.micrograms / 1e6 == examples["change of use"][1]


def test_days_that_were_not_recorded_are_coverage_as_on_the_page(examples: dict[str, tuple[str, float]]) -> None:
    whole, half = Use(4000, 8.0, 12.0, 600_000_000), Use(2000, 4.0, 6.0, 300_000_000, covered=46 / 92)
    (found,) = decompose({"a": ServiceFootprint({"serving": whole})}, {"a": ServiceFootprint({"serving": half})})
    assert {name: part / 1e6 for name, part in found.terms.items()} == {"coverage": examples["term of coverage"][1]}


def test_a_gain_is_absorbed_beyond_noise_as_on_the_page(examples: dict[str, tuple[str, float]], tmp_path: Path) -> None:
    def use(energy: float, units: int) -> Use:
        return Use(units, energy, energy, 600_000_000, estimate=one_cell(energy, "counters"))

    def explained(energy: float) -> ExplainedChange:
        quarters = (ServiceFootprint({"serving": each}) for each in (use(8, 4000), use(energy, 6000)))
        (found,) = decompose(*({"a": each} for each in quarters))
        return found

    for energy, name in ((9, "least change of the energy"), (10, "least change to 10 kWh")):
        bounds = change_interval(one_cell(energy, "counters"), one_cell(8, "counters"))
        assert bounds is not None
        assert bounds.low == pytest.approx(examples[name][1], rel=1e-4)
    per_unit = energy_per_unit_change(use(8, 4000), use(9, 6000))
    assert per_unit is not None
    assert per_unit.high == pytest.approx(examples["greatest change of a unit"][1], rel=1e-4)
    assert (explained(9).absorbed_gain, explained(10).absorbed_gain) == (False, True)
    lines = (ChangeLine(explained(10), Quantity(-0.16, "1")),)
    report = replace(organisation(tmp_path), changes=(QuarterChange("year-before", "2025Q4", services=lines),))
    assert report.share_absorbed().value == report.share_absorbed("a").value == examples["absorbed_gain"][1]


def test_the_reference_year_is_matched_as_on_the_page(examples: dict[str, tuple[str, float]]) -> None:
    series = half_hourly("FRA", "2025-07-15T10:30", [30.0, 60.0])
    filler = half_hourly("FRA", "2025-01-01T00:00", [999.0] * 48)
    factors = FactorsOfYear(FactorSet([*filler, *series]), 2025)
    rows = fold([record(f"2026-07-14T{time}", 20, cpu=kwh(used), ram=None) for time, used in (("10:30", 2), ("11:00", 1))])
    found = Assessment.of(LedgerSums.of(rows), AssessmentParameters(factors, zone="FRA")).impact()
    assert found.co2e_kg == pytest.approx(examples["constant factor of two moments"][1])


def test_the_headline_is_that_of_the_page(examples: dict[str, tuple[str, float]]) -> None:
    parts = {"co2e_operational": KnownPart(one_cell(1.17)), "co2e_embodied": KnownPart(one_cell(46))}
    found = headline(parts | {"co2e_api": KnownPart(one_cell(0.4), "calls-unmeasured")})
    assert found.co2e.value == pytest.approx(examples["known CO2e"][1])
    assert found.is_lower_bound


def test_a_regions_share_is_that_of_the_page(examples: dict[str, tuple[str, float]], tmp_path: Path) -> None:
    lines = "region,service,quarter,units,source\nBretagne,assistant,2026Q4,1000,suivi\n"
    (tmp_path / "regions.csv").write_text(lines, encoding="utf-8")
    found = {each.region: each.energy.value for each in organisation(tmp_path).regions}
    assert found == {
        "": pytest.approx(examples["energy of the residual"][1]),
        "Bretagne": pytest.approx(examples["energy of a region"][1]),
    }


def test_runs_differ_beyond_noise_from_the_ratio_of_the_page(examples: dict[str, tuple[str, float]]) -> None:
    ratio = examples["least ratio of two runs"][1]
    for above, beyond in ((1.0001, True), (0.9999, False)):
        bounds = change_interval(one_cell(ratio * above), one_cell(1.0))
        assert bounds is not None
        assert (bounds.low > 0) is beyond


def one_cell(mean: float, *errors: str) -> Estimate:
    return Estimate((Cell(mean, frozenset(errors), "a"),), {**GSD, **dict.fromkeys(("grid 2025", "grid 2026"), 1.10)}, mean)


def test_the_interval_of_a_change_is_that_of_the_page(examples: dict[str, tuple[str, float]]) -> None:
    now, before = one_cell(504, "counters", "grid 2026"), one_cell(600, "counters", "grid 2025")
    assert log_ratio_variance(now, before) == pytest.approx(examples["variance of the change"][1], rel=1e-4)
    bounds = change_interval(now, before)
    assert bounds is not None
    assert (bounds.low, bounds.high) == pytest.approx((examples["least change"][1], examples["greatest change"][1]), rel=1e-4)


def test_the_interval_of_an_uncalibrated_change_is_that_of_the_page(examples: dict[str, tuple[str, float]]) -> None:
    def used(cards: float) -> Estimate:
        cells = (Cell(cards, frozenset({"counters"}), "a"), Cell(5.0, frozenset({"counters"}), "a"))
        return Estimate(cells, GSD, cards * WALL_FACTOR["gpu"] + 5 * WALL_FACTOR["cpu"])

    bounds = change_interval(used(10), used(8))
    assert bounds is not None
    expected = tuple(examples[f"{end} change without a calibration"][1] for end in ("least", "greatest"))
    assert (bounds.low, bounds.high) == pytest.approx(expected, rel=1e-4)


def test_the_trajectory_is_that_of_the_page(examples: dict[str, tuple[str, float]]) -> None:
    path = Trajectory(one_cell(10, "counters"), year=2024, horizon=2028, reduction=0.4)
    assert path.budget(2026) == pytest.approx(examples["budget of 2026"][1])
    quarters = [one_cell(8.5, "counters")] * 4
    assert path.overrun_probability(2026, quarters, quarters) == pytest.approx(examples["probability of overrun"][1], rel=1e-4)


def test_the_addition_to_a_baseline_is_that_of_the_page(examples: dict[str, tuple[str, float]], tmp_path: Path) -> None:
    used = (("2024-02-05", "a", 10), ("2024-05-05", "a", 10), ("2024-08-05", "a", 10), ("2024-08-06", "b", 6))
    found = build_report(
        fold([record(f"{d}T10:00", cpu=kwh(e), ram=None, service=name, instance=f"host-{name}") for d, name, e in used]),
        Quarter(2024, 3),
        settings=make_settings(timezone="UTC"),
        catalogue=write_catalogue(
            tmp_path,
            services="services: [{id: b, name: B, status: poc, since: 2024-03-01}]",
            targets="targets: [{id: t, indicator: energy_components, baseline: {quarters: [2024Q1, 2024Q2]}, reduction: 0.3, "
            "horizon: 2030}]",
        ),
        factors=FactorSet([factor("FRA", 2024, 40.0)]),
    )
    (target,) = found.targets
    first, second = (each.quantity for each in target.additions)
    assert first.value == pytest.approx(examples["added to the first quarter"][1])
    assert second.value == examples["added to the second quarter"][1]
    assert second.low == pytest.approx(examples["least added to the second quarter"][1], rel=1e-5)
    assert target.budget is not None
    assert target.budget.budget.value == pytest.approx(4 * examples["mean of the baseline"][1])


def test_the_projection_is_that_of_the_page(examples: dict[str, tuple[str, float]]) -> None:
    rows = fold([record("2026-11-05T10:00", cpu=kwh(2), ram=None, units_micro=micro(400), zone="FRA")])
    found = project(
        rows,
        "vadore",
        100_000,
        Quarter(2026, 4),
        settings=make_settings(pue=1.5),
        catalogue=load(None),
        factors=FactorSet([factor("FRA", 2026, 40.0)]),
    )
    assert found.energy.value == pytest.approx(examples["projection"][1])


def test_each_deviation_of_the_page_is_that_of_the_code(repository: Path) -> None:
    text = (repository / "docs" / "method.md").read_text(encoding="utf-8")
    table = dict(re.findall(r"^\| ([^|]+?) \| [^|]+ \| ([^|]+?) \|$", text, re.MULTILINE))
    expected = {
        "wattmeter at the plug": ["wattmeter"],
        "counters (RAPL, NVML)": ["counters"],
        "load model, hardware known; unknown": ["model", "generic-model"],
        "handed to a virtual machine by its host, from counters; at the wall": ["guest-share", "guest-share-wall"],
        "host calibrated by the site": ["host-model"],
        "share of a server, generation known; maker known; unknown": [
            "server-share",
            "server-share-vendor",
            "server-share-generic",
        ],
        "sharing of a host by CPU time: processor or wattmeter; memory": ["attribution-cpu", "attribution-ram"],
        "sharing of a graphics card inside a process": ["attribution-gpu"],
        "the same by tokens, fitted on site; in flight or cached unknown; by time, more than four in flight": [
            "attribution-gpu-fitted",
            "attribution-gpu-guessed",
            "attribution-gpu-in-flight",
        ],
        "declared activity": ["declared"],
        "PUE measured, declared, default": ["pue-measured", "pue-declared", "pue-default"],
        "grid factor of the same year; of an earlier year": ["grid-same-year", "grid-previous-year"],
        "gap in the factors filled by a rule, on top of the factor's own": ["grid-filled"],
        "site calibration": ["calibration"],
        "manufacturing of equipment": ["embodied"],
        "WUE; water factor": ["water"],
        "hosted model, architecture published; not published": ["api-open", "api-closed"],
        "service recorded late, added to a baseline": ["backcast"],
        "own": ["own"],
    }
    for row, names in expected.items():
        assert [float(number) for number in re.findall(r"[\d.]+", table[row])] == [GSD[name] for name in names], row
    assert {name for names in expected.values() for name in names} == set(GSD)
