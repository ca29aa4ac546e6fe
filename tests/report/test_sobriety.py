"""Savings: drawn from the data alone, and the reasons stated where the data does not allow any."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecoia.catalogue import Catalogue
from ecoia.factors import FactorSet, default_factors
from ecoia.periods import Quarter
from ecoia.records import Record, fold
from ecoia.report import SAVINGS, UNSUPPORTED, QuarterlyReport, build_report
from ecoia.report.sobriety import MOST_COMPARED
from support.factor_sets import half_hourly
from support.organisation import write_catalogue
from support.records import kwh, outcome, record
from support.settings import make_settings

SERVICES = "services:\n  - {id: vadore, name: VADORE, status: generalised%s}\n"
HIGHER, LOWER = ", quality: {score: higher}", ", quality: {score: lower}"


def run(number: int, used: float, score: float | None = None, result: str = "ok") -> list[Record]:
    """A training run: its energy in kWh, its figure of quality, and its end."""
    start, run_id = f"2026-10-{number // 40 + 1:02}T{number % 20:02}:00", f"run-{number:03}"
    quality = {} if score is None else {"score": score}
    return [
        record(start, 25, cpu=kwh(used), ram=None, phase="training", run_id=run_id, quality=quality),
        outcome(start.replace(":00", ":26"), run_id, result),
    ]


def report(folder: Path, records: list[Record], direction: str = HIGHER) -> QuarterlyReport:
    return build_report(
        fold([*records, record("2027-01-05T10:00", cpu=1)]),
        Quarter(2026, 4),
        settings=make_settings(zone="FRA"),
        catalogue=write_catalogue(folder, services=SERVICES % direction),
        factors=default_factors(),
    )


def reasons(found: QuarterlyReport) -> dict[str, str]:
    return {each.kind: each.reason for each in found.unsupported}


@pytest.mark.parametrize(("direction", "front"), [(HIGHER, {"run-000", "run-003"}), (LOWER, {"run-000", "run-001"})])
def test_on_the_front_is_what_no_run_equals_for_less(tmp_path: Path, direction: str, front: set[str]) -> None:
    runs = [*run(0, 1, 0.5), *run(1, 2, 0.4), *run(2, 3, 0.5), *run(3, 4, 0.9)]
    (found,) = report(tmp_path, runs, direction).frontiers
    assert set(found.front) == front
    assert [each.run_id for each in found.runs] == ["run-000", "run-001", "run-002", "run-003"]
    assert (found.metric, found.better, found.left_out) == ("score", "higher" if direction == HIGHER else "lower", 0)


def test_lost_runs_have_the_co2e_of_their_own_hours(tmp_path: Path) -> None:
    """The mean of the phase would give the run that failed at 100 g a kWh the 55 g of both."""
    hours = FactorSet(half_hourly("FRA", "2026-10-01T00:00", [10.0, 10.0, 100.0, 100.0]))
    records = [*run(0, 1), *run(1, 1, result="failed")]
    found = build_report(
        fold([*records, outcome("2026-10-20T10:00", "run-000", "ok")]),
        Quarter(2026, 4),
        settings=make_settings(zone="FRA"),
        catalogue=write_catalogue(tmp_path, services=SERVICES % HIGHER),
        factors=hours,
    )
    (saving,) = [each for each in found.savings if each.kind == "lost-runs"]
    assert saving.runs == ("run-001",)
    assert saving.energy.value == pytest.approx(1, rel=1e-12)
    assert saving.co2e.value == pytest.approx(0.1, rel=1e-12)


def test_runs_that_are_all_lost_have_the_whole_of_their_phase(tmp_path: Path) -> None:
    """The sums of runs are the report's own: nothing of it is lost or doubled between them, interval included."""
    records = [each for number in range(3) for each in run(number, 1 + number, result="failed")]
    found = report(tmp_path, records)
    (saving,) = [each for each in found.savings if each.kind == "lost-runs"]
    (work,) = [each.measure for each in found.results if each.phase == "training"]
    assert saving.microjoules == work.energy_components_microjoules
    assert (saving.energy, saving.co2e) == (work.energy, work.co2e)


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    return write_catalogue(tmp_path_factory.mktemp("catalogue"), services=SERVICES % HIGHER)


@given(runs=st.lists(st.tuples(st.integers(1, 50), st.integers(0, 6)), min_size=2, max_size=12))
def test_what_is_spared_is_what_is_above_the_least_as_good_run(catalogue: Catalogue, runs: list[tuple[int, int]]) -> None:
    records = [each for number, (used, score) in enumerate(runs) for each in run(number, used, score / 10)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ecoia.report.sobriety._LEAST_SHARE", 1e-9)
        found = build_report(
            fold(records),
            Quarter(2026, 4),
            settings=make_settings(zone="FRA"),
            catalogue=catalogue,
            factors=default_factors(),
        )
    least = [min(other for other, theirs in runs if theirs >= score) for _, score in runs]
    noise = math.exp(1.96 * math.sqrt(2 * math.expm1(math.log(1.05) ** 2)))
    spared = sum(used - best for (used, _), best in zip(runs, least, strict=True) if used > best * noise)
    assert sum(each.microjoules for each in found.savings if each.kind == "dominated-runs") == kwh(spared)
    (frontier,) = found.frontiers
    assert len(frontier.front) == sum(used <= best * noise for (used, _), best in zip(runs, least, strict=True))


@pytest.mark.parametrize(("used", "spared"), [(11.4, 0), (11.5, 1.5)], ids=["within noise", "beyond noise"])
def test_a_run_that_is_dearer_within_noise_spares_nothing(tmp_path: Path, used: float, spared: float) -> None:
    """Two runs have an error of 5 % each: a difference is beyond noise from 14.5 % on."""
    found = report(tmp_path, [*run(0, used, 0.5), *run(1, 10, 0.5)])
    assert sum(each.microjoules for each in found.savings if each.kind == "dominated-runs") == pytest.approx(kwh(spared))
    (frontier,) = found.frontiers
    assert ("run-000" in frontier.front) == (spared == 0)


def test_many_runs_are_bounded_the_front_first_then_the_costliest(tmp_path: Path) -> None:
    runs = [each for number in range(60) for each in run(number, 10 + number, 0.5)] + run(60, 1, 0.5)
    (found,) = report(tmp_path, runs).frontiers
    assert len(found.runs) == MOST_COMPARED
    assert found.left_out == 61 - MOST_COMPARED
    assert found.front == ("run-060",)
    assert {each.run_id for each in found.runs[1:]} == {f"run-{number:03}" for number in range(60 - MOST_COMPARED + 1, 60)}


@pytest.mark.parametrize(
    ("runs", "direction", "reason"),
    [
        ([], HIGHER, "no-runs"),
        (run(0, 1), HIGHER, "no-quality"),
        (run(0, 1, 0.5, "failed"), HIGHER, "no-quality"),
        (run(0, 1, 0.5), HIGHER, "too-few-runs"),
        ([*run(0, 1, 0.5), *run(1, 2, 0.5)], "", "no-direction"),
        ([*run(0, 1, 0.5), *run(1, 2, 0.6)], HIGHER, "nothing-found"),
    ],
)
def test_why_no_run_is_said_to_be_too_costly(tmp_path: Path, runs: list[Record], direction: str, reason: str) -> None:
    found = report(tmp_path, runs, direction)
    assert reasons(found)["dominated-runs"] == reason
    assert [each for each in found.savings if each.kind == "dominated-runs"] == []


@pytest.mark.parametrize("count", [5, 40])
def test_what_many_services_lose_little_by_little_is_listed(tmp_path: Path, count: int) -> None:
    """No service alone reaches 1 %; together, the failed runs of forty are 20 % of the quarter and those of five 0.25 %."""
    small = 0.5 if count == 40 else 0.05
    records = [record("2026-11-05T08:00", 25, cpu=kwh(100 - small * count), ram=None)]
    for number in range(count):
        start, work = "2026-10-05T08:00", {"run_id": f"run-{number}", "service": f"s-{number}"}
        records.append(record(start, 25, cpu=kwh(small), ram=None, phase="training", **work))
        records.append(outcome(start, result="failed", **work))
    found = report(tmp_path, records)
    listed = [each.microjoules for each in found.savings if each.kind == "lost-runs"]
    assert kwh(small * count) - sum(listed) < kwh(1)
    assert bool(listed) == (count == 40)
    assert (reasons(found).get("lost-runs") == "nothing-found") == (count == 5)


def test_each_kind_is_either_listed_or_explained(tmp_path: Path) -> None:
    for place, runs in enumerate(([], run(0, 1, 0.5, "failed"), [*run(0, 9, 0.5), *run(1, 2, 0.5)])):
        found = report(tmp_path / str(place), runs)
        assert {each.kind for each in found.savings} | set(reasons(found)) == set(SAVINGS)
        assert set(reasons(found).values()) <= set(UNSUPPORTED)
    assert reasons(found)["other-hours"] == "flat-factors"
    assert reasons(found)["idle"] == "idle-not-separated"


def test_runs_of_which_nobody_knows_the_end_are_not_said_to_be_fine(tmp_path: Path) -> None:
    at_work = record("2026-12-31T10:00", 25, cpu=kwh(3), ram=None, phase="training", run_id="run-1")
    (silent,) = (each for each in report(tmp_path, [at_work]).unsupported if each.kind == "lost-runs")
    assert (silent.reason, silent.services) == ("no-outcomes", ("vadore",))


def test_nobody_who_started_a_run_is_in_it(tmp_path: Path) -> None:
    found = report(tmp_path, [*run(0, 9, 0.5), *run(1, 2, 0.5)])
    fields = {name for each in (*found.costliest_runs, *found.savings, *found.frontiers) for name in asdict(each)}
    assert not any("user" in name or "author" in name for name in fields)
    assert "mlflow.user" not in found.to_json()
