"""The quarter's report: exact, the same bytes whatever the order, and honest about what is not known."""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecoia import catalogue as catalogues
from ecoia.errors import FactorError
from ecoia.factors import FactorSet, default_factors
from ecoia.methods import Method
from ecoia.periods import DAY_NS, HALF_HOUR_NS, Quarter
from ecoia.records import Record, fold
from ecoia.report import NOTICES, REASONS, VERDICT_REASONS, VERDICTS, QuarterChange, QuarterlyReport, build_report
from ecoia.units import micro
from support.factor_sets import factor, half_hourly
from support.large_organisation import QUARTER, large_catalogue, large_factors, large_rows
from support.organisation import CHARTER, sample_catalogue, write_catalogue
from support.records import DECLARED, LOAD, RAPL, kwh, outcome, record
from support.reports import sample_records, sample_report, sample_rows
from support.settings import make_settings

Q4 = Quarter(2026, 4)
LATER = record("2027-01-05T10:00", cpu=1)  # the quarter was over when this was recorded


def report(
    *records: Record,
    catalogue: catalogues.Catalogue | None = None,
    quarter: Quarter = Q4,
    factors: FactorSet | None = None,
    **values: Any,
) -> QuarterlyReport:
    """The report of some records; no catalogue and no setting unless given."""
    return build_report(
        fold(records),
        quarter,
        settings=make_settings(**values),
        catalogue=catalogue or catalogues.load(None),
        factors=factors or default_factors(),
    )


def with_targets(folder: Path, *targets: str, services: str = "services: []\n") -> catalogues.Catalogue:
    """A catalogue with these targets, each written as an inline mapping."""
    text = "targets:\n" + "".join(f"  - {{{target}}}\n" for target in targets)
    return write_catalogue(folder, targets=text, services=services)


ONE_SERVICE = "services:\n  - {id: vadore, name: VADORE, status: generalised, instance_days: 1}\n"


@pytest.fixture
def sample(tmp_path: Path) -> QuarterlyReport:
    """The rich sample report."""
    return sample_report(tmp_path)


# -- exactness and determinism ---------------------------------------------------------------------------------------


def test_energy_is_the_exact_sum_of_the_quarters_records_of_every_kind(sample: QuarterlyReport) -> None:
    expected = sum(
        value
        for one in sample_records()
        if not one.simulated  # the simulated ones are of earlier quarters
        for value in one.energy_microjoules.values()
        if value is not None
    )
    assert sample.totals.energy_components_microjoules == expected
    assert sum(sample.energy_by_kind_microjoules.values()) == expected
    assert sum(share.microjoules for share in sample.totals.methods) == expected
    assert sum(value or 0 for value in sample.totals.by_component_microjoules.values()) == expected


def test_services_idle_unattributed_and_overhead_add_up_to_the_total(sample: QuarterlyReport) -> None:
    kinds = sample.energy_by_kind_microjoules
    results = sum(result.measure.energy_components_microjoules for result in sample.results)
    assert results == kinds["span"]
    entries = [entry for entry in sample.register if entry.energy_components_microjoules is not None]
    assert sum(entry.energy_components_microjoules or 0 for entry in entries) == kinds["span"] + kinds["idle"]
    assert sum(entry.idle_microjoules for entry in entries) == kinds["idle"] == kwh(0.5)


def test_shuffled_rows_give_the_same_bytes(tmp_path: Path) -> None:
    catalogue = sample_catalogue(tmp_path)
    rows = sample_rows()
    sample = build_report(rows, Q4, settings=make_settings(zone="FRA"), catalogue=catalogue, factors=default_factors())
    for seed in range(5):
        random.Random(seed).shuffle(rows)
        again = build_report(rows, Q4, settings=make_settings(zone="FRA"), catalogue=catalogue, factors=default_factors())
        assert again.to_json() == sample.to_json()


@pytest.mark.no_cover
def test_shuffled_rows_of_the_large_organisation_give_the_same_bytes(tmp_path: Path, large: QuarterlyReport) -> None:
    """Regions, targets, instance-days, hosted models and half-hourly factors are in them."""
    rows = list(large_rows())
    random.Random(1).shuffle(rows)
    again = build_report(
        rows,
        QUARTER,
        settings=make_settings(timezone="Europe/Paris", zone="FRA"),
        catalogue=large_catalogue(tmp_path),
        factors=large_factors(),
        over=True,
    )
    assert again.to_json() == large.to_json()


@settings(max_examples=15, deadline=None)
@given(
    energies=st.lists(st.tuples(st.integers(0, 10**13), st.integers(0, 3), st.booleans()), min_size=1, max_size=8),
    order=st.randoms(use_true_random=False),
)
def test_any_order_of_any_rows_gives_the_same_bytes(energies: list[tuple[int, int, bool]], order: random.Random) -> None:
    records = [
        record(
            f"2026-1{index % 3}-0{index + 1}T10:00",
            3,
            cpu=energy,
            ram=None,
            service=f"service-{service}",
            methods={"cpu": DECLARED if declared else RAPL},
            quality={"accuracy": index / 10},
            run_id=f"run-{service}",
        )
        for index, (energy, service, declared) in enumerate(energies)
    ]
    records += [outcome("2026-11-01T10:00", f"run-{n}", end, service="service-0") for n, end in enumerate(("ok", "failed"))]
    shuffled = list(records)
    order.shuffle(shuffled)
    rows = fold(shuffled)
    order.shuffle(rows)
    again = build_report(rows, Q4, settings=make_settings(zone="FRA"), catalogue=catalogues.load(None), factors=default_factors())
    assert again.to_json() == report(*records, zone="FRA").to_json()
    assert again.totals.energy_components_microjoules == sum(energy for energy, _, _ in energies)


def test_the_report_is_json_without_nan_and_uses_known_codes_only(sample: QuarterlyReport) -> None:
    data = json.loads(sample.to_json())
    assert data["totals"]["energy_components_microjoules"] == sample.totals.energy_components_microjoules
    assert set(sample.notices) <= set(NOTICES)
    assert {target.verdict for target in sample.targets} <= set(VERDICTS)
    assert {target.reason for target in sample.targets} <= {None, *VERDICT_REASONS}
    reasons = set()

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if {"value", "unit", "low", "high", "reason"} == set(value):
                reasons.add(value["reason"])
                assert (value["value"] is None) == (value["reason"] is not None)
            for part in value.values():
                walk(part)
        if isinstance(value, list):
            for part in value:
                walk(part)

    walk(data)
    assert reasons <= {None, *REASONS}
    assert {"no-data", "no-units"} <= reasons


def test_an_equivalence_of_a_part_says_so_and_of_nothing_says_why(tmp_path: Path) -> None:
    chosen = write_catalogue(tmp_path, equivalences="use: [km-tgv]")
    (part,) = report(record(cpu=kwh(1), zone="FRA"), catalogue=chosen).equivalences
    assert (part.of, part.quantity.unit) == ("co2e_operational", "km"), "no equipment is described"
    assert part.quantity.low < part.quantity.value < part.quantity.high
    (unknown,) = report(record(cpu=kwh(1)), catalogue=chosen).equivalences
    assert (unknown.quantity.value, unknown.quantity.reason) == (None, "no-zone")
    assert report(record(cpu=kwh(1), zone="FRA")).equivalences == ()


def test_importing_the_report_loads_no_pandas() -> None:
    code = "import sys, ecoia.report; print(sorted({'pandas', 'narwhals', 'pydantic', 'mlflow'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


# -- the bounds of a quarter -----------------------------------------------------------------------------------------------


def test_only_the_quarter_in_civil_time_counts() -> None:
    records = [
        record("2026-09-30T21:59", 1, cpu=1),  # 23:59 in Paris on the last day of the third quarter
        record("2026-09-30T22:00", 1, cpu=20),
        record("2026-12-31T22:59", 1, cpu=300),
        record("2026-12-31T23:00", 1, cpu=4000),
    ]
    assert report(*records).totals.energy_components_microjoules == 320
    assert report(*records, timezone="UTC").totals.energy_components_microjoules == 4300
    found = report(*records)
    assert (found.start_utc, found.end_utc) == ("2026-09-30T22:00:00Z", "2026-12-31T23:00:00Z")
    assert found.last_record_utc == "2026-12-31T23:00:00Z"


def test_a_quarter_without_data_is_unknown_not_zero(tmp_path: Path) -> None:
    found = report(record("2026-05-01T10:00", cpu=5), catalogue=sample_catalogue(tmp_path), zone="FRA")
    assert "no-data" in found.notices
    assert (found.totals.energy.value, found.totals.energy.reason) == (None, "no-data")
    assert (found.totals.co2e.value, found.totals.co2e.reason) == (None, "no-data")
    assert found.totals.by_component_microjoules == {"cpu": None, "gpu": None, "ram": None}
    assert (found.results, found.energy_by_status, found.energy_by_kind_microjoules) == ((), {}, {})
    assert (found.coverage.share, found.last_record_utc) == (None, None)
    assert {target.verdict for target in found.targets} == {"non-concluant"}
    assert [point.quarter for point in found.trend] == ["2026Q2"]
    assert report().notices == ("no-data", "no-catalogue")


def test_a_quarter_that_was_not_over_says_so() -> None:
    assert "partial-quarter" in report(record(cpu=1)).notices
    assert "partial-quarter" not in report(record(cpu=1), LATER).notices


# -- unknown values -----------------------------------------------------------------------------------------------


def test_without_a_zone_energy_is_shown_and_co2e_is_not() -> None:
    found = report(record(cpu=kwh(2), ram=None))
    assert (found.totals.energy.value, found.totals.co2e.value, found.totals.co2e.reason) == (2.0, None, "no-zone")
    assert {"no-zone", "no-pue"} <= set(found.notices)
    assert (found.zones, found.factors, found.totals.boundary) == ((), (), "it")
    named = report(record(cpu=kwh(2), ram=None), zone="FRA", pue=1.5)
    assert named.totals.co2e.value == pytest.approx(3 * 0.04144)
    assert (named.zones, named.totals.boundary, named.pue) == (("FRA",), "site", 1.5)
    assert not {"no-zone", "no-pue"} & set(named.notices)
    assert [(used.zone, used.year, used.same_year) for used in named.factors] == [("FRA", 2025, False)]


def test_a_total_over_known_and_unknown_zones_is_not_computed_but_its_known_service_is() -> None:
    found = report(record(cpu=kwh(1), zone="FRA"), record(cpu=kwh(1), service="smart-emploi"))
    assert (found.totals.co2e.value, found.totals.co2e.reason) == (None, "no-zone")
    co2e = {entry.id: entry.co2e.value for entry in found.register}
    assert co2e == {"vadore": pytest.approx(0.04144), "smart-emploi": None}


def test_an_unknown_zone_in_the_settings_is_refused_and_in_a_record_flagged() -> None:
    with pytest.raises(FactorError, match="FRX"):
        report(record(cpu=1), zone="FRX")
    found = report(record(cpu=kwh(1), zone="FRX"), zone="FRA")
    assert (found.totals.energy.value, found.totals.co2e.reason) == (1.0, "no-factor")
    assert "no-factor" in found.notices


def test_a_missing_component_is_shown_missing() -> None:
    found = report(record(cpu=kwh(1), ram=None))
    shares = {(share.component, share.status): share.microjoules for share in found.totals.methods}
    assert shares == {("cpu", "measured"): kwh(1), ("gpu", "missing"): 0, ("ram", "missing"): 0}
    assert found.energy_by_status == {"measured": 1.0, "estimated": 0.0, "declared": 0.0}
    (entry,) = report(record(cpu=None, ram=None)).register
    assert (entry.measured, entry.energy.value, entry.energy.reason) == (False, None, "not-measured")


def test_idle_that_nothing_separated_is_said() -> None:
    assert "idle-not-separated" in report(record(cpu=1)).notices
    idle = record(cpu=1, kind="idle", phase=None)
    assert "idle-not-separated" not in report(record(cpu=1), idle).notices


# -- the register ----------------------------------------------------------------------------------------------------


def test_everything_is_unregistered_without_a_catalogue_and_still_reported() -> None:
    found = report(record(cpu=5, service="b"), record(cpu=7, service="a"))
    assert [(entry.id, entry.status, entry.registered, entry.measured) for entry in found.register] == [
        ("a", "unregistered", False, True),
        ("b", "unregistered", False, True),
    ]
    assert found.coverage.unregistered == ("a", "b")
    assert found.coverage.share is None
    assert (found.organisation, found.commitments, found.targets) == ("", (), ())


def test_the_unnamed_and_the_unmeasured_stay_in_the_denominator(sample: QuarterlyReport) -> None:
    coverage = sample.coverage
    assert (coverage.measured, coverage.named, coverage.unnamed, coverage.unnamed_approximate) == (3, 8, 20, True)
    assert coverage.share == 3 / 28
    assert coverage.declared == 1
    assert coverage.unregistered == ("prototype-interne",)
    entries = {entry.id: entry for entry in sample.register}
    assert [entry.id for entry in sample.register][-1] == "prototype-interne"
    assert (entries["analyse-cv"].measured, entries["analyse-cv"].declared_only) == (False, True)
    silent = entries["gestion-contacts-mails"]
    assert (silent.measured, silent.energy.value, silent.energy_components_microjoules) == (False, None, None)
    assert entries["vadore"].counted_among_generalised


def test_a_simulated_quarter_measures_nobody(tmp_path: Path) -> None:
    found = report(record(cpu=1, simulated=True), catalogue=write_catalogue(tmp_path, services=ONE_SERVICE))
    assert (found.coverage.measured, found.coverage.share) == (0, 0.0)
    assert found.simulated


def test_a_retired_service_is_listed_but_not_counted(tmp_path: Path) -> None:
    text = ONE_SERVICE + "  - {id: ancien, name: Ancien, status: retired}\n"
    found = report(record(cpu=1), catalogue=write_catalogue(tmp_path, services=text))
    assert (found.coverage.named, found.coverage.share) == (1, 1.0)
    assert [entry.id for entry in found.register] == ["vadore", "ancien"]


def daily(days: int, instance: str = "host-1", **fields: Any) -> list[Record]:
    """A minute of work on each of the first days of the quarter, at ten in the morning."""
    first = record("2026-10-01T10:00").start_utc_ns
    return [record(first + day * DAY_NS, cpu=kwh(1), instance=instance, **fields) for day in range(days)]


def covered_on(folder: Path, declared: float | None, *records: Record) -> QuarterlyReport:
    said = "" if declared is None else f", instance_days: {declared}"
    services = f"services:\n  - {{id: vadore, name: VADORE, status: generalised{said}}}\n"
    return report(*records, catalogue=write_catalogue(folder, services=services))


@pytest.mark.parametrize(
    ("days", "instances", "declared", "measured"),
    [(92, 1, 92, True), (74, 1, 92, True), (73, 1, 92, False), (92, 1, 184, False), (74, 2, 184, True), (60, 1, 66, True)],
)
def test_a_service_is_measured_from_80_percent_of_its_declared_instance_days_on(
    tmp_path: Path, days: int, instances: int, declared: float, measured: bool
) -> None:
    records = [each for number in range(instances) for each in daily(days, f"host-{number}")]
    found = covered_on(tmp_path, declared, *records, LATER)
    (entry,) = found.register
    assert (entry.instance_days, entry.instance_days_declared) == (days * instances, declared)
    assert entry.covered == pytest.approx(days * instances / declared)
    assert entry.measured == measured
    assert (found.coverage.measured, found.coverage.share) == (int(measured), float(measured))
    assert found.coverage.partly == (() if measured else ("vadore",))
    assert found.coverage.undeclared_days == ()
    assert entry.energy.value is not None, "what was recorded is in the totals all the same"


def test_a_quarter_that_is_not_over_is_asked_for_the_days_that_have_begun(tmp_path: Path) -> None:
    (entry,) = covered_on(tmp_path, 92, *daily(23)).register
    assert (entry.instance_days, entry.instance_days_declared, entry.covered) == (23, pytest.approx(23), 1)
    assert entry.measured


def test_where_nothing_is_declared_a_service_counts_at_once_and_the_report_says_so(tmp_path: Path) -> None:
    found = covered_on(tmp_path, None, *daily(1), LATER)
    (entry,) = found.register
    assert (entry.measured, entry.instance_days, entry.covered) == (True, 1, None)
    assert found.coverage.undeclared_days == ("vadore",)


def test_an_instance_day_counts_once_in_civil_time_and_reserved_idle_counts(tmp_path: Path) -> None:
    found = covered_on(
        tmp_path,
        None,
        record("2026-11-05T23:10", cpu=1),  # the 6th in Paris
        record("2026-11-06T08:00", cpu=1, phase="training"),
        record("2026-11-07T08:00", cpu=1, kind="idle", phase=None),
        record("2026-11-08T08:00", cpu=1, simulated=True),
        record("2026-11-09T08:00", cpu=1, ram=None, methods={"cpu": DECLARED}),
        record("2026-11-10T08:00", cpu=None, ram=None),
        record("2026-11-11T08:00", cpu=1, kind="unattributed", service=None, phase=None),
    )
    assert found.register[0].instance_days == 2


@given(
    st.lists(st.tuples(st.integers(0, 91 * 48 - 1), st.sampled_from("abc")), min_size=1, max_size=40),
    st.randoms(use_true_random=False),
)
def test_instance_days_are_those_of_the_records_in_whatever_order(moments: list[tuple[int, str]], order: random.Random) -> None:
    first = Q4.bounds_ns(ZoneInfo("UTC"))[0]
    records = [record(first + slot * HALF_HOUR_NS, 1, cpu=1, instance=instance) for slot, instance in moments]
    order.shuffle(records)
    (entry,) = report(*records, timezone="UTC").register
    assert entry.instance_days == len({(slot // 48, instance) for slot, instance in moments})


def test_a_hostile_name_is_kept_as_it_is(sample: QuarterlyReport) -> None:
    names = {entry.name for entry in sample.register}
    assert "<script>alert('nom')</script> & Accès" in names


def test_commitment_text_is_never_invented(tmp_path: Path, sample: QuarterlyReport) -> None:
    assert "commitment-text-missing" in sample.notices
    assert sample.commitments[-1].text is None
    pasted = write_catalogue(tmp_path / "pasted", charter=CHARTER.replace("text: null", "text: Notre texte."))
    found = report(record(cpu=1), catalogue=pasted)
    assert found.commitments[-1].text == "Notre texte."
    assert "commitment-text-missing" not in found.notices
    assert found.ethics_contact == "ethique@organisation.example"
    assert [body.id for body in found.governance] == ["comite-interne", "ligne-ethique"]


def test_stand_ins_are_said_only_when_they_were_recorded(tmp_path: Path) -> None:
    catalogue = sample_catalogue(tmp_path)
    assert "stand-ins" in report(record(cpu=1), catalogue=catalogue).notices
    assert "stand-ins" not in report(record(cpu=1, service="acces-information"), catalogue=catalogue).notices


# -- results ---------------------------------------------------------------------------------------------------------


def test_intensity_is_the_sums_first_and_the_ratio_last() -> None:
    found = report(
        record(cpu=kwh(1), ram=None, units_micro=10_000_000, accepted_micro=4_000_000),
        record(cpu=kwh(2), ram=None, units_micro=2_500_000),
    )
    (result,) = found.results
    assert (result.units, result.accepted, result.spans) == (12.5, 4.0, 2)
    assert result.energy_per_unit.value == pytest.approx(3000 / 12.5)
    assert result.energy_per_unit.low is not None
    assert result.energy_per_unit.low < 3000 / 12.5
    assert report(record(cpu=1)).results[0].energy_per_unit.reason == "no-units"
    assert report(record(cpu=1, units_micro=0)).results[0].energy_per_unit.reason == "no-units"
    assert report(record(cpu=None, ram=None, units_micro=1)).results[0].energy_per_unit.reason == "not-measured"


def test_a_run_counts_once_by_its_latest_outcome_and_lost_runs_are_waste() -> None:
    training = {"phase": "training", "ram": None}
    found = report(
        record("2026-11-01T10:00", cpu=10, run_id="a", **training),
        record("2026-11-01T11:00", cpu=20, run_id="b", **training),
        record("2026-11-01T12:00", cpu=40, run_id="c", **training),
        record("2026-11-01T13:00", cpu=80, **training),
        outcome("2026-11-01T10:30", "a", "failed"),
        outcome("2026-11-01T10:40", "a", "ok"),
        outcome("2026-11-01T11:30", "b", "failed"),
        outcome("2026-11-01T12:30", "c", "abandoned"),
    )
    (result,) = found.results
    assert result.runs == {"ok": 1, "failed": 1, "abandoned": 1}
    assert result.waste_microjoules == 60
    assert result.measure.energy_components_microjoules == 150


def test_a_run_that_ended_without_energy_is_still_counted() -> None:
    (result,) = report(outcome("2026-11-01T10:30", "a", "failed")).results
    assert (result.runs["failed"], result.measure.energy.value, result.measure.energy.reason) == (1, None, "no-data")


def test_quality_and_outcomes_are_the_last_ones_said_in_whatever_order_they_are_read() -> None:
    rows = fold(
        [
            record("2026-11-02T10:00", cpu=1, quality={"accuracy": 0.9}, record_id="b", run_id="r"),
            record("2026-11-02T10:00", cpu=1, quality={"accuracy": 0.5}, record_id="a", run_id="r"),  # the id decides
            record("2026-11-01T10:00", cpu=1, quality={"accuracy": 0.8, "f1": 0.7}, record_id="c", run_id="r"),
            outcome("2026-11-02T11:00", "r", "failed", phase="inference", record_id="o-1"),
            outcome("2026-11-02T11:00", "r", "ok", phase="inference", record_id="o-2"),
            outcome("2026-11-01T11:00", "r", "abandoned", phase="inference", record_id="o-3"),
        ]
    )
    for seed in range(6):
        random.Random(seed).shuffle(rows)
        (result,) = build_report(
            rows, Q4, settings=make_settings(), catalogue=catalogues.load(None), factors=default_factors()
        ).results
        assert result.quality == {"accuracy": 0.9, "f1": 0.7}
        assert result.runs == {"ok": 1, "failed": 0, "abandoned": 0}


def test_time_covered_counts_each_instant_once() -> None:
    together = [record("2026-11-01T10:00", 10, cpu=1, instance=name) for name in ("host-1", "host-2")]
    assert report(*together, record("2026-11-01T12:00", 5, cpu=1)).results[0].duration_seconds == 15 * 60


def test_losses_add_up_by_cause(sample: QuarterlyReport) -> None:
    assert sample.lost == {"invalid-units": 1, "queue-full": 3}


def test_precision_is_worse_with_an_older_factor() -> None:
    known = report(record(cpu=kwh(1), ram=None)).totals
    with_grid = report(record(cpu=kwh(1), ram=None), zone="FRA").totals
    assert (known.precision_class, with_grid.precision_class) == (3, 4)
    assert known.energy.low is not None
    assert known.energy.high is not None
    assert known.energy.low < 1 < known.energy.high


# -- the trend -------------------------------------------------------------------------------------------------------


def test_the_trend_holds_the_quarters_recorded_up_to_the_asked_one_and_flags_the_simulated(sample: QuarterlyReport) -> None:
    assert [(point.quarter, point.simulated) for point in sample.trend] == [
        ("2026Q1", True),
        ("2026Q2", True),
        ("2026Q3", True),
        ("2026Q4", False),
    ]
    assert [point.energy.value for point in sample.trend[:3]] == pytest.approx([15.0, 14.0, 13.0])
    assert sample.trend[-1].energy == sample.totals.energy
    assert sample.trend[-1].co2e == sample.totals.co2e
    assert not sample.simulated
    assert "simulated-history" in sample.notices


def test_the_trend_stops_at_eight_quarters_and_never_looks_ahead() -> None:
    records = [record(f"{2024 + n // 4}-{3 * (n % 4) + 2:02d}-10T10:00", cpu=1) for n in range(12)]
    trend = report(*records, LATER, zone="FRA").trend
    assert [point.quarter for point in trend] == [str(Quarter(2025, 1).shift(n)) for n in range(8)]


def test_a_simulated_quarter_is_simulated_not_history() -> None:
    found = report(record(cpu=1, simulated=True))
    assert (found.simulated, found.results[0].simulated) == (True, True)
    assert "simulated-history" not in found.notices


# -- verdicts --------------------------------------------------------------------------------------------------------


def verdict(found: QuarterlyReport) -> tuple[str, str | None]:
    """The verdict and reason of the only target."""
    (target,) = found.targets
    return target.verdict, target.reason


COVERAGE = 'id: t, indicator: coverage_services, op: ">=", value: 0.5, deadline: 2026Q4'


@pytest.mark.parametrize(
    ("unnamed", "deadline", "expected"),
    [
        (1, "2026Q4", ("tenu", None)),
        (2, "2026Q4", ("non-tenu", "below-value")),
        (2, "2026Q3", ("non-tenu", "below-value")),
        (1, "2027Q1", ("en-bonne-voie", "likely-met")),
        (2, "2027Q1", ("depassement-quasi-certain", "likely-missed")),
    ],
)
def test_coverage_is_judged_at_its_deadline(
    tmp_path: Path, unnamed: int, deadline: str, expected: tuple[str, str | None]
) -> None:
    services = f"unnamed: {{count: {unnamed}}}\n{ONE_SERVICE}"
    catalogue = with_targets(tmp_path, COVERAGE.replace("2026Q4", deadline), services=services)
    found = report(record(cpu=1), catalogue=catalogue)
    assert verdict(found) == expected
    assert found.targets[0].observed.value == 1 / (1 + unnamed)


def test_simulated_and_declared_rows_keep_no_promise(tmp_path: Path) -> None:
    catalogue = with_targets(tmp_path, COVERAGE, services=ONE_SERVICE)
    assert verdict(report(record(cpu=1, simulated=True), catalogue=catalogue)) == ("non-concluant", "simulated")
    declared = record(cpu=1, ram=None, methods={"cpu": DECLARED})
    assert verdict(report(declared, catalogue=catalogue)) == ("non-tenu", "below-value")


CAP = 'id: t, indicator: energy, op: "<=", value: 100, deadline: 2026Q4'


def test_under_a_cap_counts_only_when_everything_was_measured(tmp_path: Path) -> None:
    no_gpu = {"gpu": Method("missing", "no-device")}
    whole = record(cpu=kwh(1), ram=kwh(1)).copy_with(method={**record(cpu=1).method, **no_gpu})
    catalogue = with_targets(tmp_path / "a", CAP, services=ONE_SERVICE)
    after = LATER.copy_with(method=whole.method)
    assert verdict(report(whole, after, catalogue=catalogue)) == ("tenu", None)
    assert verdict(report(whole, catalogue=catalogue)) == ("non-concluant", "partial-quarter")
    lacking = record(cpu=kwh(1), ram=None)
    assert verdict(report(lacking, LATER, catalogue=catalogue)) == ("non-concluant", "coverage-incomplete")
    wider = with_targets(tmp_path / "b", CAP, services="unnamed: {count: 1}\n" + ONE_SERVICE)
    assert verdict(report(whole, LATER, catalogue=wider)) == ("non-concluant", "coverage-incomplete")


def test_over_a_cap_is_over_it_and_near_it_is_not_decided(tmp_path: Path) -> None:
    catalogue = with_targets(tmp_path, CAP, services=ONE_SERVICE)
    assert verdict(report(record(cpu=kwh(1000)), LATER, catalogue=catalogue)) == ("non-tenu", "below-value")
    assert verdict(report(record(cpu=kwh(90)), LATER, catalogue=catalogue)) == ("non-concluant", "interval-straddles")


def test_what_is_not_computed_gives_no_verdict(tmp_path: Path) -> None:
    for index, (indicator, reason) in enumerate((("co2e_operational", "no-zone"), ("water_direct", "no-wue"))):
        catalogue = with_targets(tmp_path / str(index), CAP.replace("energy", indicator), services=ONE_SERVICE)
        assert verdict(report(record(cpu=1), LATER, catalogue=catalogue)) == ("non-concluant", reason)


def test_a_trajectory_waits_for_its_baseline_then_for_its_horizon(tmp_path: Path) -> None:
    trajectory = "id: t, indicator: co2e_operational, baseline: {quarters: [2026Q4]}, reduction: 0.35, horizon: 2027"
    catalogue = with_targets(tmp_path, trajectory)
    simulated = record(cpu=1, simulated=True)
    then = {"quarter": Quarter(2027, 1), "catalogue": catalogue}
    assert verdict(report(record("2026-05-01T10:00", cpu=1), catalogue=catalogue)) == ("non-concluant", "baseline-missing")
    assert verdict(report(simulated, LATER, **then)) == ("non-concluant", "baseline-missing")
    assert verdict(report(record(cpu=1), catalogue=catalogue, zone="FRA")) == ("non-concluant", "horizon-ahead")
    assert verdict(report(record(cpu=1), LATER, **then, zone="FRA")) == ("non-concluant", "horizon-ahead")
    at_last = {"quarter": Quarter(2027, 4), "catalogue": catalogue}
    assert verdict(report(record(cpu=1), LATER, **at_last)) == ("non-concluant", "no-zone")
    assert verdict(report(record(cpu=1), LATER, **at_last, zone="FRA")) == ("non-concluant", "too-few-quarters")


def four_quarters(*energies: float, **fields: Any) -> list[Record]:
    """A baseline of 10 kWh in each quarter of 2026, some use in each quarter of 2027, and a later record."""
    days = [f"{year}-{month}-05T10:00" for year in (2026, 2027) for month in ("02", "05", "08", "11")]
    used = zip(days, (10, 10, 10, 10, *energies), strict=False)
    return [
        *(record(day, cpu=kwh(energy), gpu=0, **fields) for day, energy in used),
        record("2028-01-05T10:00", cpu=0),
    ]


TRAJECTORY = "id: t, indicator: energy, baseline: {quarters: [2026Q1, 2026Q2, 2026Q3, 2026Q4]}, reduction: 0.3, horizon: 2027"


@pytest.mark.parametrize(
    ("energies", "expected"),
    [
        ((5, 5, 5, 5), ("tenu", None)),
        ((10, 10, 10, 9), ("non-tenu", "below-value")),
        ((7, 7, 7, 7.1), ("non-concluant", "interval-straddles")),
        ((5, 5, 5), ("non-concluant", "too-few-quarters")),
    ],
)
def test_a_trajectory_is_judged_by_the_interval_of_the_change(
    tmp_path: Path, energies: tuple[float, ...], expected: tuple[str, str | None]
) -> None:
    catalogue = with_targets(tmp_path, TRAJECTORY, services=ONE_SERVICE)
    built = report(*four_quarters(*energies), catalogue=catalogue, quarter=Quarter(2027, 4))
    assert verdict(built) == expected
    (target,) = built.targets
    low, high, value = target.observed.low, target.observed.high, target.observed.value
    assert value == pytest.approx(sum(energies) / len(energies) / 10 - 1)
    assert low < value < high
    assert high - low < 0.35, "the counters' error is in both"
    simulated = report(
        *four_quarters(*energies[:-1], 5), record("2027-11-05T10:00", cpu=1, simulated=True),
        catalogue=catalogue, quarter=Quarter(2027, 4),
    )  # fmt: skip
    assert verdict(simulated)[1] in ("simulated", "too-few-quarters")


def test_the_year_is_compared_with_its_budget_and_the_path_to_date(tmp_path: Path) -> None:
    longer = TRAJECTORY.replace("2027", "2028")
    catalogue = with_targets(tmp_path, longer, services=ONE_SERVICE)
    (target,) = report(*four_quarters(9, 8), catalogue=catalogue, quarter=Quarter(2027, 2)).targets
    state = target.budget
    assert (target.verdict, target.reason) == ("non-concluant", "horizon-ahead")
    assert state is not None
    assert (state.year, state.budget.value) == (2027, pytest.approx(40 * 0.85))
    assert state.spent.value == 17
    assert state.spent.low is not None
    assert state.consumed.value == pytest.approx(17 / 34)
    assert state.distance.value == pytest.approx(0)
    assert 0.5 < state.overrun_probability.value < 1, "the quarters ahead are expected to be like the last four"
    assert state.expected.value == pytest.approx(17 + 2 * (10 + 10 + 9 + 8) / 4)
    assert state.expected.low is not None
    skipped = report(
        *four_quarters(9)[:4], record("2027-05-05T10:00", cpu=kwh(8), ram=None), catalogue=catalogue, quarter=Quarter(2027, 2)
    )
    state = skipped.targets[0].budget
    assert state is not None
    lacking = (state.spent, state.distance, state.overrun_probability, state.expected)
    assert {each.reason for each in lacking} == {"too-few-quarters"}


def test_the_trend_at_a_constant_factor_moves_with_the_energy_alone(tmp_path: Path) -> None:
    zone = [factor("FRA", 2026, 50.0), factor("FRA", 2027, 100.0)]
    catalogue = with_targets(tmp_path, "id: t, indicator: energy, baseline: {quarters: [2026Q4]}, reduction: 0.3, horizon: 2030")
    records = [record(f"{day}T10:00", cpu=kwh(2), ram=None, zone="FRA") for day in ("2026-11-05", "2027-02-05")]
    found = report(*records, catalogue=catalogue, quarter=Quarter(2027, 1), factors=FactorSet(zone)).trend
    now, before = found[-1], found[0]
    assert now.co2e.value == pytest.approx(2 * (before.co2e.value or 0))
    assert now.co2e_at_constant_factor.value == pytest.approx(before.co2e_at_constant_factor.value)
    without = report(*records, quarter=Quarter(2027, 1), factors=FactorSet(zone)).trend
    assert {point.co2e_at_constant_factor.reason for point in without} == {"no-reference"}


def test_a_quarter_that_has_just_begun_is_no_fall(tmp_path: Path) -> None:
    catalogue = with_targets(tmp_path, TRAJECTORY.replace("2027", "2028"), services=ONE_SERVICE)
    begun = report(
        *four_quarters(9, 9)[:6], record("2027-07-03T10:00", cpu=kwh(0.2), gpu=0), catalogue=catalogue, quarter=Quarter(2027, 3)
    )
    before = report(*four_quarters(9, 9), catalogue=catalogue, quarter=Quarter(2027, 2)).targets[0].budget
    state = begun.targets[0].budget
    assert state is not None
    assert before is not None
    assert begun.targets[0].observed.value == pytest.approx(-0.05), "of the last four quarters that are over: 10, 10, 9 and 9"
    assert state.spent.value == pytest.approx(18.2)
    assert state.distance.value == pytest.approx(18.2 - 34 * (2 + 3 / 92) / 4)
    assert state.overrun_probability.value == pytest.approx(before.overrun_probability.value, abs=0.05)


def test_a_quarter_of_the_baseline_stands_where_the_baseline_has_it(tmp_path: Path) -> None:
    services = LATE.replace("since: 2026-06-01", "since: 2020-01-01")
    catalogue = with_targets(tmp_path, TRAJECTORY.replace("2026Q3, 2026Q4", "2026Q3").replace("2027", "2028"), services=services)
    records = [
        *four_quarters(10)[:4],
        record("2026-11-06T10:00", cpu=kwh(4), gpu=0, service="late"),
        record("2027-01-05T10:00", cpu=0),
    ]
    (target,) = report(*records, catalogue=catalogue, quarter=Quarter(2026, 4)).targets
    assert len(target.additions) == 3
    assert target.observed.value == pytest.approx(0), "14 kWh in each quarter, counted or by estimate"
    assert target.budget is not None
    assert target.budget.spent.value == pytest.approx(4 * 14)


LATE = """\
services:
  - {id: vadore, name: VADORE, status: generalised}
  - {id: late, name: Late, status: generalised, since: 2026-06-01}
"""


def late_counted(folder: Path, services: str, indicator: str = "energy", **files: str) -> Any:
    """The target's verdict: 10 kWh a quarter since 2026; in 2027 another service, of 4 kWh at first, then of 8."""
    records = [*four_quarters(10, 10, 10, 10, zone="FRA")]
    records += [
        record(f"2027-{month}-06T10:00", cpu=kwh(energy), gpu=0, service="late", zone="FRA")
        for month, energy in (("02", 4), ("05", 8), ("08", 8), ("11", 8))
    ]
    target = f"targets:\n  - {{{TRAJECTORY.replace('energy', indicator)}}}\n"
    catalogue = write_catalogue(folder, targets=target, services=services, **files)
    return report(
        *records,
        catalogue=catalogue,
        quarter=Quarter(2027, 4),
        factors=FactorSet([factor("FRA", year, value) for year, value in ((2026, 50.0), (2027, 40.0), (2028, 40.0))]),
    ).targets[0]


def test_a_service_that_existed_at_the_baseline_and_was_counted_later_is_added_to_it_by_estimate(tmp_path: Path) -> None:
    found = late_counted(tmp_path, LATE)
    assert [(each.service, each.quarter, each.taken_from) for each in found.additions] == [
        ("late", quarter, "2027Q1") for quarter in ("2026Q2", "2026Q3", "2026Q4")
    ]
    assert [each.share for each in found.additions] == [30 / 91, 1, 1]
    assert [each.quantity.value for each in found.additions] == [pytest.approx(4 * 30 / 91), 4, 4]
    assert found.observed.value == pytest.approx((40 + 28) / (40 + 8 + 4 * 30 / 91) - 1)
    assert found.budget.budget.value == pytest.approx((40 + 8 + 4 * 30 / 91) * 0.7)
    wider = late_counted(tmp_path / "wider", LATE, method="gsd: {backcast: 3}\nbecause: s")
    assert wider.additions[1].quantity.high > found.additions[1].quantity.high
    apart = late_counted(tmp_path / "apart", LATE.replace(", since: 2026-06-01", ""))
    assert found.observed.high - found.observed.low > apart.observed.high - apart.observed.low


@pytest.mark.parametrize("since", ["", ", since: 2027-01-01", ", since: 2027-03-01"])
def test_a_new_service_or_one_of_which_nothing_is_said_is_added_to_no_baseline(tmp_path: Path, since: str) -> None:
    found = late_counted(tmp_path, LATE.replace(", since: 2026-06-01", since))
    assert found.additions == ()
    assert found.observed.value == pytest.approx(68 / 40 - 1)


def test_a_service_that_was_recorded_or_goes_on_under_a_new_name_is_not_added(tmp_path: Path) -> None:
    recorded = LATE.replace("VADORE, status: generalised", "VADORE, status: generalised, since: 2020-01-01")
    assert {each.service for each in late_counted(tmp_path / "a", recorded).additions} == {"late"}
    renamed = LATE.replace("since: 2026-06-01", "since: 2026-06-01, succeeds: vadore")
    assert late_counted(tmp_path / "b", renamed).additions == ()


def test_at_constant_factor_what_is_added_is_at_the_factor_of_the_reference(tmp_path: Path) -> None:
    equipment = (
        "equipment:\n  - {id: m, co2e_kg: 1461, life_years: 4, reserved_share: 1, instances: host-1, from: 2026-01-01, source: s,"
        " date: 2025-12-01}\n"
    )
    found = late_counted(tmp_path, LATE, "co2e_constant_factor", equipment=equipment)
    assert [each.quantity.value for each in found.additions[1:]] == [pytest.approx(4 * 50 / 1000)] * 2, "making is there already"
    operational = late_counted(tmp_path / "b", LATE, "co2e_operational")
    assert operational.additions[1].quantity.value == pytest.approx(4 * 40 / 1000)
    made = late_counted(tmp_path / "c", LATE, "co2e_embodied", equipment=equipment)
    assert made.additions == ()


def test_a_target_of_one_service_has_its_estimate_for_a_baseline(tmp_path: Path) -> None:
    found = late_counted(tmp_path, LATE, "energy_it, service: late")
    assert found.reason == "no-data", "it did not exist in the first quarter of the baseline"
    older = late_counted(tmp_path / "b", LATE.replace("2026-06-01", "2020-01-01"), "energy_it, service: late")
    assert [each.quantity.value for each in older.additions] == [4, 4, 4, 4]
    assert older.observed.value == pytest.approx(28 / 16 - 1)


CONTRACT = (
    "contracts:\n  - {supplier: S, gco2e_per_kwh: 6, scope: lifecycle, share: 0.5, zone: FRA, from: 2027-01-01,"
    " until: 2028-01-01, evidence: e}\n"
)


def test_a_trajectory_by_contracts_begins_before_the_first_of_them(tmp_path: Path) -> None:
    target = f"targets:\n  - {{{TRAJECTORY.replace('energy', 'co2e_operational_market')}}}\n"
    records = four_quarters(10, 10, 10, 10, zone="FRA")
    built = {"quarter": Quarter(2027, 4), "factors": FactorSet([factor("FRA", year, 40.0) for year in (2026, 2027, 2028)])}
    contracted = write_catalogue(tmp_path / "a", targets=target, services=ONE_SERVICE, contracts=CONTRACT)
    (found,) = report(*records, catalogue=contracted, **built).targets
    assert found.observed.value == pytest.approx((0.5 * 6 + 0.5 * 40) / 40 - 1)
    assert found.budget is not None
    assert found.budget.budget.value == pytest.approx(40 * 40 / 1000 * 0.7)
    without = write_catalogue(tmp_path / "b", targets=target, services=ONE_SERVICE)
    assert verdict(report(*records, catalogue=without, **built)) == ("non-concluant", "no-contract")


def test_a_service_has_a_cap_by_contracts(tmp_path: Path) -> None:
    cap = 'id: t, indicator: co2e_operational_market, service: vadore, op: "<=", value: 1, deadline: 2027Q4'
    files = {"targets": f"targets:\n  - {{{cap}}}\n", "services": ONE_SERVICE, "contracts": CONTRACT}
    (found,) = report(
        *four_quarters(1, 1, 1, 10, zone="FRA"),
        catalogue=write_catalogue(tmp_path, **files),
        quarter=Quarter(2027, 4),
        factors=FactorSet([factor("FRA", 2027, 40.0)]),
    ).targets
    assert found.observed.value == pytest.approx(10 * 23 / 1000)


def test_the_sample_shows_four_verdicts_and_who_decided(sample: QuarterlyReport) -> None:
    assert {target.id: (target.verdict, target.reason) for target in sample.targets} == {
        "couverture": ("depassement-quasi-certain", "likely-missed"),
        "premier-palier": ("tenu", None),
        "plafond": ("non-tenu", "below-value"),
        "trajectoire": ("non-concluant", "baseline-missing"),
    }
    adopted = sample.targets[1]
    assert (adopted.status, adopted.decision_body, adopted.decision_date) == ("adopted", "comite-interne", "2026-09-01")
    assert math.isclose(sample.targets[3].reduction or 0, 0.35)


# -- calibration -----------------------------------------------------------------------------------------------------


def test_the_calibrations_that_applied_are_in_the_data_and_the_others_are_not(tmp_path: Path) -> None:
    entry = '- {component: cpu, wall_factor: %s, instances: ["%s"], from: %s, until: %s, source: PV 12, date: 2026-06-15}'
    entries = [
        entry % (1.5, "host-*", "2026-07-01", "2026-11-01"),
        entry % (2, "host-*", "2026-11-01", "2027-01-01"),
        entry % (3, "other", "2026-07-01", "2027-01-01"),
    ]
    catalogue = write_catalogue(tmp_path, calibration="calibrations:\n" + "".join(f"  {each}\n" for each in entries))
    records = [record("2026-10-05T10:00", cpu=kwh(2), ram=None), record("2026-11-05T10:00", cpu=kwh(1), ram=kwh(1))]
    built = report(*records, LATER, catalogue=catalogue, zone="FRA", pue=1.2)
    assert [(used.wall_factor, used.from_day, used.until_day) for used in built.calibrations] == [
        (1.5, "2026-07-01", "2026-11-01"),
        (2, "2026-11-01", "2027-01-01"),
    ]
    (shown, _) = json.loads(built.to_json())["calibrations"]
    assert (shown["source"], shown["measured_on"], shown["instances"]) == ("PV 12", "2026-06-15", ["host-*"])
    assert built.totals.energy.value == pytest.approx(1.2 * (2 * 1.5 + 1 * 2 + 1))
    assert built.totals.energy_components_microjoules == kwh(4)
    assert built.totals.energy_at_wall_microjoules == kwh(3)
    assert built.totals.energy_components == report(*records, LATER).totals.energy_components
    assert report(*records, LATER, zone="FRA").calibrations == ()


# -- factors and contracts -------------------------------------------------------------------------------------------


def series(fill: str | None = None) -> FactorSet:
    """Half-hours of a morning, one of them unknown."""
    found = half_hourly("FRA", "2026-11-23T10:00", [10.0, 20.0, None, 40.0], retrieved_on="2026-11-25")
    return FactorSet(found, id="rte", version="v1", title="RTE").choose(fill=fill)


def test_factors_that_vary_are_one_line_with_their_mean_and_bounds() -> None:
    records = [record("2026-11-23T10:05", cpu=kwh(3), ram=None), record("2026-11-23T10:35", cpu=kwh(1), ram=None)]
    built = report(*records, LATER, zone="FRA", factors=series())
    (used,) = built.factors
    assert (used.value_g_per_kwh, used.least_g_per_kwh, used.greatest_g_per_kwh) == (12.5, 10.0, 20.0)
    assert (used.year, used.same_year, used.filled, used.retrieved_on) == (2026, True, None, "2026-11-25")
    assert built.factor_set is not None
    assert (built.factor_set.id, built.factor_set.version, built.factor_set.scope) == ("rte", "v1", "lifecycle")
    assert built.totals.co2e.value == pytest.approx(0.05)
    assert not {"factor-gap", "factor-gap-filled"} & set(built.notices)


@pytest.mark.parametrize(("fill", "notice"), [(None, "factor-gap"), ("previous", "factor-gap-filled")])
def test_a_gap_is_in_the_data_with_its_share_and_its_rule(tmp_path: Path, fill: str | None, notice: str) -> None:
    records = [record("2026-11-23T10:05", cpu=kwh(3), ram=None), record("2026-11-23T11:05", cpu=kwh(1), ram=None)]
    targets = with_targets(tmp_path, 'id: t, indicator: co2e_operational, op: "<=", value: 1, deadline: 2026Q4')
    built = report(*records, LATER, zone="FRA", factors=series(fill), catalogue=targets)
    (gap,) = json.loads(built.to_json())["factor_gaps"]
    assert gap == {"zone": "FRA", "filled": fill or "", "share": 0.25}
    assert notice in built.notices
    if fill is None:
        assert (built.totals.co2e.value, built.totals.co2e.reason) == (None, "factor-gap")
        assert (built.targets[0].verdict, built.targets[0].reason) == ("non-concluant", "factor-gap")
    else:
        assert [(used.filled, used.value_g_per_kwh) for used in built.factors] == [(None, 10.0), ("previous", 20.0)]


def test_a_factor_of_another_year_is_said_of_the_quarter_that_it_was_used_for() -> None:
    records = [record("2025-11-23T10:05", cpu=kwh(1), ram=None), record("2026-11-23T10:05", cpu=kwh(1), ram=None)]
    built = report(*records, LATER, zone="FRA", factors=FactorSet([factor("FRA", 2025, 41.0)]))
    assert [(used.quarter, used.year, used.same_year) for used in built.factors] == [
        ("2026Q4", 2025, False),
        ("2025Q4", 2025, True),
    ]


def test_market_based_is_beside_and_in_no_total(tmp_path: Path) -> None:
    entry = (
        "supplier: S, gco2e_per_kwh: 6, scope: lifecycle, share: 0.5, zone: FRA, evidence: G, from: 2026-01-01, until: 2027-01-01"
    )
    other = entry.replace("2026-01-01", "2020-01-01").replace("2027-01-01", "2021-01-01")
    catalogue = write_catalogue(tmp_path, contracts=f"contracts:\n  - {{{entry}}}\n  - {{{other}}}\n")
    energy = record("2026-11-23T10:05", cpu=kwh(10), ram=None)
    factors = FactorSet([factor("FRA", 2026, 40.0)])
    built = report(energy, LATER, zone="FRA", factors=factors, catalogue=catalogue)
    bare = report(energy, LATER, zone="FRA", factors=factors)
    assert built.totals.co2e == bare.totals.co2e
    assert built.totals.co2e_operational_market.value == pytest.approx(10 * (0.5 * 6 + 0.5 * 40) / 1000)
    assert [(used.supplier, used.from_day) for used in built.contracts] == [("S", "2026-01-01")], "only what covered something"
    assert bare.totals.co2e_operational_market.reason == "no-contract"
    assert built.trend == bare.trend


# -- nothing counted twice -------------------------------------------------------------------------------------------


def test_a_device_that_two_processes_claim_whole_is_in_every_total_once_and_the_refusal_is_listed() -> None:
    claim: dict[str, Any] = {"cpu": 0, "ram": 0, "devices": ("GPU-a",), "shared_devices": ("GPU-a",)}
    earlier = [record("2026-08-03T10:00", gpu=kwh(1), pid=pid, **claim) for pid in (1, 2)]
    left_out = record(gpu=kwh(2), pid=1, service="analyse-cv", **claim)
    found = report(*earlier, left_out, record(gpu=kwh(3), pid=2, **claim), zone="FRA")
    assert found.totals.energy_components_microjoules == kwh(3)
    assert [point.energy.value for point in found.trend] == [pytest.approx(1), pytest.approx(3)]
    assert {each.service: each.footprint.energy_it.value for each in found.services}["analyse-cv"] in (None, 0)
    (line,) = found.doubles  # of this quarter
    assert (line.kind, line.what, line.microjoules, line.kept_microjoules) == ("device", ("GPU-a",), kwh(2), kwh(3))
    assert line.record_ids == (left_out.record_id,)
    assert json.loads(found.to_json())["doubles"][0]["kept_services"] == ["vadore"]


def test_under_a_cap_with_energy_refused_is_not_under_a_cap(tmp_path: Path) -> None:
    cap = with_targets(
        tmp_path,
        'id: plafond, indicator: energy_components, op: "<=", value: 20, deadline: 2026Q4',
        services=ONE_SERVICE,
    )
    claim: dict[str, Any] = {"cpu": 0, "ram": 0, "devices": ("GPU-a",), "shared_devices": ("GPU-a",)}
    alone, both = ([record(gpu=kwh(1), pid=pid, **claim) for pid in pids] for pids in ((1,), (1, 2)))
    assert report(*alone, LATER, catalogue=cap).targets[0].verdict == "tenu"
    assert report(*both, LATER, catalogue=cap).targets[0].reason == "coverage-incomplete"


# -- place in an inventory -------------------------------------------------------------------------------------------


def test_electricity_of_a_hosted_site_is_a_service_bought_and_the_lines_add_up_to_the_total(tmp_path: Path) -> None:
    pue = "pue: [{value: 1.5, quality: declared, source: s, date: 2026-01-01}]"
    sites = "".join(f"  - {{id: {who}, instances: [{who}], operated: {who}, {pue}}}\n" for who in ("own", "hosted"))
    equipment = (
        "equipment:\n  - {id: all, co2e_kg: 1461, life_years: 4, reserved_share: 1, instances: ['*'], from: 2026-01-01, "
        "source: s, date: 2026-01-01}\n"
    )
    register = write_catalogue(tmp_path, sites=f"sites:\n{sites}", equipment=equipment)
    used = [record(cpu=kwh(number), instance=name) for number, name in ((1, "own"), (2, "hosted"), (4, "elsewhere"))]
    found = report(*used, LATER, catalogue=register, zone="FRA", pue=1.5)
    lines = {(line.part, line.operated): line for line in found.inventory}
    electricity = [lines["co2e_operational", who] for who in ("own", "hosted", None)]
    assert [(line.ghg_scope, line.ghg_category, line.item) for line in electricity] == [
        (2, None, "electricity"),
        (3, 1, "services"),
        (2, None, "electricity"),
    ]
    own, hosted, unsaid = (line.co2e.value or 0.0 for line in electricity)
    assert (hosted / own, unsaid / own) == (pytest.approx(2), pytest.approx(4))
    assert ["operated-not-said" in line.assumptions for line in electricity] == [False, False, True]
    made, called = lines["co2e_embodied", None], lines["co2e_api", None]
    assert (made.ghg_scope, made.ghg_category, made.item) == (3, 2, "capital-goods")
    assert (called.ghg_scope, called.ghg_category, called.item) == (3, 1, "services")
    known = [line.co2e.value or 0.0 for line in found.inventory]
    assert sum(known) == pytest.approx(found.footprint.co2e.value)
    assert json.loads(found.to_json())["inventory"][-1]["part"] == "co2e_api"


def test_factors_of_combustion_alone_hold_nothing_upstream() -> None:
    assert "upstream-included" in report(record(cpu=kwh(1)), zone="FRA").inventory[0].assumptions
    combustion = FactorSet([factor("FRA", 2026, scope="direct")], id="f", version="1")
    assert report(record(cpu=kwh(1)), zone="FRA", factors=combustion).inventory[0].assumptions == ("operated-not-said",)


def test_a_quarter_without_data_has_its_lines_without_figures() -> None:
    assert {line.part: line.co2e.value for line in report().inventory}["co2e_operational"] is None


GRIDS = FactorSet([factor("FRA", 2025, 50.0), factor("FRA", 2026, 40.0), factor("FRA", 2027, 40.0)])


def changed(*records: Record, **values: Any) -> dict[str, QuarterChange]:
    """The changes of 2026Q4 by the quarter compared."""
    values = {"zone": "FRA", "factors": GRIDS} | values
    return {each.against: each for each in report(*records, LATER, **values).changes}


def worked(start: str, energy: float, units: float | None = None, **fields: Any) -> Record:
    counted = None if units is None else micro(units)
    return record(start, cpu=kwh(energy), ram=None, units_micro=counted, **fields)


def test_a_change_is_explained_against_the_quarter_before_and_the_year_before() -> None:
    found = changed(worked("2025-11-05T10:00", 8, 4000), worked("2026-08-05T10:00", 8, 4000), worked("2026-11-05T10:00", 8, 4000))
    before, year = found["previous-quarter"], found["year-before"]
    assert (before.reference, year.reference) == ("2026Q3", "2025Q4")
    assert before.total is not None
    assert before.total.explained.terms == {}
    assert before.total.relative.value == 0
    assert year.total is not None
    assert year.total.explained.terms == {"factor": -80_000_000}
    (line,) = year.services
    assert line.explained.service == "vadore"
    assert line.relative.value == pytest.approx(-0.2)
    assert line.relative.low < -0.2 < line.relative.high
    spreads = [(1 + each.total.relative.high) / (1 + each.total.relative.low) for each in (before, year) if each.total]
    assert spreads[0] < spreads[1], "one factor for both quarters is surer than two"
    assert year.parts == ("operational", "api")  # no equipment: making is in neither


def test_terms_of_a_report_add_up_whatever_changed(tmp_path: Path) -> None:
    records = [
        worked("2025-11-05T10:00", 8, 4000),
        worked("2025-11-05T11:00", 1, service="gone", instance="other"),
        worked("2025-11-06T11:00", 1, service="bot", instance="other"),
        worked("2026-11-05T10:00", 10, 9000),
        worked("2026-11-05T12:00", 3, phase="training", instance="other"),
        worked("2026-11-05T11:00", 2, service="come", instance="other"),
        worked("2026-11-06T11:00", 3, service="bot", methods={"cpu": LOAD}, instance="other"),
        worked("2026-11-06T12:00", 1, service=None, phase=None, kind="unattributed", instance="other"),
    ]
    services = """\
services:
  - {id: vadore, name: V, status: generalised}
  - {id: gone, name: G, status: retired}
  - {id: come, name: C, status: poc, since: 2026-01-01}
"""
    built = report(*records, LATER, zone="FRA", factors=GRIDS, catalogue=write_catalogue(tmp_path, services=services))
    year = next(each for each in built.changes if each.against == "year-before")
    assert year.total is not None
    by_service = {line.explained.service: dict(line.explained.terms) for line in year.services}
    assert by_service["gone"] == {"exit": -50_000_000}
    assert by_service["come"] == {"entry": 80_000_000}
    assert by_service["bot"] == {"method": 70_000_000}
    assert by_service[None] == {"energy": 40_000_000}
    assert by_service["vadore"].keys() == {"volume", "intensity", "factor", "energy"}
    assert by_service["vadore"]["energy"] == 120_000_000, "the training is counted in no unit"
    assert {line.explained.service: line.explained.absorbed_gain for line in year.services}["vadore"] is True
    (vadore,) = (line for line in year.services if line.explained.service == "vadore")
    assert vadore.energy_per_unit.value == pytest.approx(10 / 9000 / (8 / 4000) - 1)
    assert (vadore.energy_per_unit.direction, vadore.energy.direction) == ("fall", "rise")
    whole = year.total.explained
    assert sum(whole.terms.values()) == whole.micrograms == sum(line.explained.micrograms for line in year.services)
    assert whole.quarter_micrograms == round(built.footprint.co2e_operational.value * 1e9)


def test_a_renamed_service_is_one(tmp_path: Path) -> None:
    services = "services: [{id: old, name: O, status: retired}, {id: new, name: N, status: generalised, succeeds: old}]"
    found = changed(
        worked("2025-11-05T10:00", 8, service="old"),
        worked("2026-11-05T10:00", 8, service="new"),
        catalogue=write_catalogue(tmp_path, services=services),
    )
    (line,) = found["year-before"].services
    assert (line.explained.service, dict(line.explained.terms)) == ("new", {"factor": -80_000_000})
    assert line.relative.value == pytest.approx(-0.2)


def test_a_change_that_cannot_be_computed_says_why() -> None:
    now, before = worked("2026-11-05T10:00", 8), worked("2026-08-05T10:00", 8)
    assert {each.reason for each in changed(now).values()} == {"baseline-missing"}
    found = changed(now, before, zone=None)["previous-quarter"]
    assert (found.total, found.reason) == (None, "no-zone")
    assert changed(before)["previous-quarter"].reason == "no-data"
    assert changed(now, before.copy_with(simulated=True))["previous-quarter"].simulated


@pytest.mark.parametrize(("indicator", "observed"), [("energy_by_method", 4 / 5), ("precision", 0.0)])
def test_a_target_may_ask_for_counted_or_precise_figures(indicator: str, observed: float, tmp_path: Path) -> None:
    cat = write_catalogue(
        tmp_path,
        targets=f"targets: [{{id: t, indicator: {indicator}, op: '>=', value: 0.5, deadline: 2026Q4}}]",
        services=ONE_SERVICE,
    )
    rows = fold(
        [
            record("2026-11-23T10:00", cpu=kwh(4), ram=0, gpu=0),
            record("2026-11-23T11:00", cpu=kwh(1), ram=0, gpu=0, methods={"cpu": LOAD}),
            LATER,
        ]
    )
    built = build_report(rows, Q4, settings=make_settings(zone="FRA"), catalogue=cat, factors=default_factors())
    (target,) = built.targets
    assert target.observed.value == pytest.approx(observed)
    assert target.verdict == ("tenu" if observed > 0.5 else "non-tenu")
