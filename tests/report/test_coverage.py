"""What coverage counts: services by what gave their energy, and days by phase and instance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecoia.factors import FactorSet
from ecoia.methods import Method
from ecoia.periods import DAY_NS, Quarter
from ecoia.records import Record, Tokens, fold
from ecoia.report import Coverage, PhaseDays, QuarterlyReport, ServiceEntry, build_report
from ecoia.report.context import Context
from ecoia.report.instance_days import covered_share, serving_shares
from ecoia.units import micro
from ecoia_dashboards.language import NBSP, Language
from ecoia_dashboards.wording.coverage import coverage_sentence, days_words
from support.factor_sets import factor
from support.organisation import write_catalogue
from support.records import LOAD, kwh, record
from support.settings import make_settings

Q4 = Quarter(2026, 4)
STATED = Method("declared", "invoice")


def covered(folder: Path, instance_days: str, *records: Record) -> ServiceEntry:
    """Find what is recorded of one service that declares its days, in a quarter that is over."""
    return built(folder, f"{{id: vadore, name: V, status: poc, instance_days: {instance_days}}}", *records).register[0]


def built(folder: Path, services: str, *records: Record) -> QuarterlyReport:
    return build_report(
        fold([*records, record("2027-01-05T10:00", cpu=0)]),
        Q4,
        settings=make_settings(zone="FRA", timezone="UTC"),
        catalogue=write_catalogue(folder, services=f"services: [{services}]"),
        factors=FactorSet([factor("FRA", year, 40.0) for year in (2026, 2027)]),
    )


def days(number: int, instance: str, phase: str = "inference", **fields: Any) -> list[Record]:
    """An hour of work on each of the first days of the quarter."""
    first = record("2026-10-01T10:00").start_utc_ns
    return [record(first + day * DAY_NS, 60, cpu=kwh(1), instance=instance, phase=phase, **fields) for day in range(number)]


# -- days by phase and instance ------------------------------------------------------------------------------------------


def test_days_of_training_fill_no_gap_of_serving(tmp_path: Path) -> None:
    work = [*days(90, "gpu-01"), *days(60, "gpu-03"), *days(20, "gpu-04", "fine-tuning"), *days(11, "gpu-04", "training")]
    entry = covered(tmp_path, "184", *work)
    assert (entry.instance_days, entry.instance_days_declared, entry.covered) == (150, 184, 150 / 184)
    assert entry.days_by_phase == (
        PhaseDays("inference", "", 150, 184),
        PhaseDays("training", "gpu-04", 20, None),  # 11 of the days saw both
    )
    assert (entry.measured, entry.counted_by) == (True, "meters")


def test_days_by_instance_are_no_days_of_another(tmp_path: Path) -> None:
    work = [*days(92, "gpu-01"), *days(46, "gpu-03"), *days(92, "gpu-09")]
    entry = covered(tmp_path, "{inference: {gpu-01: 46, gpu-03: 92}}", *work)
    assert entry.covered == pytest.approx((46 + 46) / (46 + 92))
    assert entry.days_by_phase == (
        PhaseDays("inference", "gpu-01", 92, 46),
        PhaseDays("inference", "gpu-03", 46, 92),
        PhaseDays("inference", "gpu-09", 92, None),
    )
    assert not entry.measured


def test_a_service_is_covered_as_its_least_covered_phase(tmp_path: Path) -> None:
    work = [*days(92, "gpu-01"), *days(5, "gpu-04", "training")]
    entry = covered(tmp_path, "{inference: {gpu-01: 92}, training: 10}", *work)
    assert (entry.covered, entry.measured) == (0.5, False)
    assert (entry.instance_days, entry.instance_days_declared) == (97, 102)


def test_reserved_idle_and_work_of_no_stated_phase_are_inference(tmp_path: Path) -> None:
    idle = days(3, "gpu-01", kind="idle")
    entry = covered(tmp_path, "10", *(each.copy_with(phase=None) for each in idle), *days(5, "gpu-01", "evaluation"))
    assert entry.days_by_phase == (PhaseDays("inference", "", 3, 10), PhaseDays("training", "gpu-01", 5, None))


COUNTS = st.lists(st.tuples(st.sampled_from(["inference", "training"]), st.integers(0, 200), st.floats(0.5, 200)), min_size=1)


@given(COUNTS, st.integers(0, 1000))
def test_coverage_is_a_share_and_no_phase_hides_another(counts: list[tuple[str, int, float]], more: int) -> None:
    lines = [PhaseDays(phase, str(place), recorded, expected) for place, (phase, recorded, expected) in enumerate(counts)]
    share = covered_share(lines)
    assert share is not None
    assert 0 <= share <= 1
    assert share <= min(
        covered_share([line for line in lines if line.phase == phase]) or 0.0 for phase in {line.phase for line in lines}
    )
    first = lines[0]
    grown = [PhaseDays(first.phase, first.instance, first.recorded + more, first.expected), *lines[1:]]
    assert share <= (covered_share(grown) or 0.0) + 1e-12
    if first.recorded >= (first.expected or 0):
        assert covered_share(grown) == share, "days beyond those expected fill nothing"


def test_the_assistant_of_the_large_organisation_serves_all_its_days_and_trains_on_others(large: QuarterlyReport) -> None:
    entry = next(each for each in large.register if each.id == "assistant-conseiller")
    assert (entry.instance_days, entry.instance_days_declared, entry.covered) == (184, 184, 1)
    assert entry.days_by_phase[1] == PhaseDays("training", "gpu-04", 11, None)
    assert max(each.covered or 0 for each in large.register) == 1
    assert (large.coverage.metered, large.coverage.estimated, large.coverage.declared) == (13, 7, 2)
    assert large.coverage.measured == 20
    counted = {each.id: each.counted_by for each in large.register}
    assert [counted[each] for each in ("synthese-entretien", "traduction", "vadore", "parite")] == [
        "models", "declared", "meters", ""
    ]  # fmt: skip


# -- what a service is counted by ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("records", "counted_by", "measured"),
    [
        ([record(cpu=kwh(3), ram=kwh(1))], "meters", True),
        ([record(cpu=kwh(1), methods={"cpu": LOAD})], "models", True),
        ([record(cpu=kwh(1), methods={"cpu": STATED})], "declared", False),
        ([record(cpu=kwh(9), methods={"cpu": STATED}), record("2026-11-24T10:00", cpu=kwh(1))], "declared", False),
        ([record(cpu=kwh(1), simulated=True)], "", False),
        ([record(cpu=None, ram=None)], "", False),
        ([record(cpu=None, ram=None, tokens=(Tokens("openai", "gpt-4o-2024-11-20", 1000, 1000),))], "models", True),
        ([record(cpu=None, ram=None, tokens=(Tokens("openai", "a-model-of-nobody", 1000, 1000),))], "", False),
    ],
)
def test_a_service_is_counted_by_what_gave_most_of_its_energy(
    tmp_path: Path, records: list[Record], counted_by: str, measured: bool
) -> None:
    report = built(tmp_path, "{id: vadore, name: V, status: poc}", *records)
    (entry,), coverage = report.register, report.coverage
    assert (entry.counted_by, entry.measured) == (counted_by, measured)
    assert (coverage.metered, coverage.estimated, coverage.declared) == (
        counted_by == "meters", counted_by == "models", counted_by == "declared"
    )  # fmt: skip
    assert coverage.metered + coverage.estimated == coverage.measured


@pytest.mark.parametrize(
    "instance_days", ["184", "{inference: {gpu-01: 92, gpu-03: 92}}", "{inference: {gpu-01: 100, gpu-03: 92}}"]
)
def test_no_quarter_expects_more_days_of_an_instance_than_it_has(tmp_path: Path, instance_days: str) -> None:
    """The first quarter has 90 days: a service on two hosts that was recorded on all of them lacks none, and keeps its cap."""
    start = record("2026-01-01T10:00").start_utc_ns
    work = [
        record(start + day * DAY_NS, 60, cpu=kwh(1), gpu=0, instance=host) for day in range(90) for host in ("gpu-01", "gpu-03")
    ]
    found = build_report(
        fold([*work, record("2026-04-05T10:00", cpu=0, gpu=0)]),
        Quarter(2026, 1),
        settings=make_settings(zone="FRA", timezone="UTC"),
        catalogue=write_catalogue(
            tmp_path,
            services=f"services: [{{id: vadore, name: V, status: poc, instance_days: {instance_days}}}]",
            targets="targets: [{id: t, indicator: energy, op: '<=', value: 1000, deadline: 2026Q1, status: proposed}]",
        ),
        factors=FactorSet([factor("FRA", 2026, 40.0)]),
    )
    assert (found.register[0].covered, found.register[0].instance_days_declared) == (1.0, 180)
    assert (found.targets[0].verdict, found.targets[0].reason) == ("tenu", None)


def test_days_on_more_instances_than_need_be_are_all_expected(tmp_path: Path) -> None:
    assert covered(tmp_path, "100", *days(92, "gpu-01")).covered == 0.92, "100 days are of two instances at least"


_ON = st.dictionaries(st.sampled_from(["gpu-01", "gpu-03"]), st.integers(1, 90), min_size=1)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_ON, _ON, st.sampled_from(["30", "92", "184", "{inference: {gpu-01: 92, gpu-03: 92}}"]))
def test_the_share_of_days_behind_a_change_is_one_at_most_and_one_where_all_are_recorded(
    tmp_path: Path, before: dict[str, int], now: dict[str, int], instance_days: str
) -> None:
    starts = {"2026-01-01T10:00": before, "2026-04-01T10:00": now}
    work = [
        record(record(start).start_utc_ns + day * DAY_NS, 60, cpu=kwh(1), gpu=0, instance=host, units_micro=micro(10))
        for start, on in starts.items()
        for host, number in on.items()
        for day in range(number)
    ]
    context = Context(
        fold(work),
        Quarter(2026, 2),
        make_settings(zone="FRA", timezone="UTC"),
        write_catalogue(tmp_path, services=f"services: [{{id: vadore, name: V, status: poc, instance_days: {instance_days}}}]"),
        FactorSet([factor("FRA", 2026, 40.0)]),
        record("2026-07-02T10:00").start_utc_ns,
        over=True,
    )
    found = serving_shares(context, Quarter(2026, 2), Quarter(2026, 1), {})
    for shares in found:
        assert all(0 < share <= 1 for share in shares.values())
    if before == now:
        assert found[0] == pytest.approx(found[1], abs=2 / 90), "a quarter of 91 days after one of 90"
    if instance_days == "30" and min(*before.values(), 90) >= 30:
        assert found[1]["vadore"] == 1


# -- words ---------------------------------------------------------------------------------------------------------------


def test_the_sentence_of_coverage_counts_every_service_once() -> None:
    coverage = Coverage(3, 6, 4, False, 0.3, (), declared=1, metered=2, estimated=1)
    french = "2 services comptés par des compteurs, 1 estimé par calcul, 1 seulement déclaré, 6 non mesurés ou trop peu mesurés."
    assert coverage_sentence(Language("fr"), coverage) == french
    english = "2 services counted by meters, 1 estimated by calculation, 1 only declared, 6 not measured, or not enough."
    assert coverage_sentence(Language("en"), coverage) == english


def test_days_say_what_the_register_expects() -> None:
    french = Language("fr")
    assert days_words(french, PhaseDays("inference", "gpu-01", 90, 92.0)) == f"inférence, gpu-01{NBSP}: 90 jours sur 92"
    assert days_words(french, PhaseDays("training", "", 1, None)) == f"entraînement{NBSP}: 1 jour, sans nombre attendu"
