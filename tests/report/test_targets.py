"""Verdicts on the large organisation, and the laws that hold for every verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecoia.factors import FactorSet
from ecoia.impact.ledger_gaps import LedgerGap
from ecoia.indicators import INDICATORS
from ecoia.methods import Method
from ecoia.periods import DAY_NS, Quarter
from ecoia.records import Record, fold
from ecoia.report import NEARLY_CERTAIN, ON_TRACK, QuarterlyReport, TargetVerdict, build_report
from support.factor_sets import factor
from support.large_organisation import CATALOGUE, large_report
from support.made_once import untraced
from support.organisation import write_catalogue
from support.records import kwh, record
from support.settings import make_settings

FURTHER = """
  - {id: plafond-assistant, indicator: energy, service: assistant-conseiller, op: '<=', value: 1000000, deadline: 2026Q3}
  - {id: plafond-vadore, indicator: energy, service: vadore, op: '<=', value: 1000000, deadline: 2026Q3}
  - {id: plafond-chat, indicator: co2e_api, service: chat-candidat, op: '<=', value: 1000000, deadline: 2026Q3}
  - {id: plafond-fraude, indicator: energy, service: fraude, op: '<=', value: 1000000, deadline: 2026Q3}
  - {id: plafond-haut, indicator: energy, op: '<=', value: 1000000, deadline: 2026Q3}
  - {id: plafond-bas, indicator: energy, op: '<=', value: 10, deadline: 2026Q3}
  - {id: plafond-bas-demain, indicator: energy, op: '<=', value: 10, deadline: 2027Q3}
  - {id: plancher, indicator: energy, op: '>=', value: 10, deadline: 2026Q3}
  - {id: compteurs-assistant, indicator: energy_by_method, service: assistant-conseiller, op: '>=', value: 0.5, deadline: 2026Q3}
  - {id: compteurs-plafond, indicator: energy_by_method, op: '<=', value: 0.9, deadline: 2026Q3}
  - {id: budget, indicator: budget, trajectory: trajectoire, op: '<=', value: 1, deadline: 2026Q4}
  - {id: budget-echu, indicator: budget, trajectory: trajectoire, op: '<=', value: 1, deadline: 2026Q3}
  - {id: absorbe, indicator: absorbed_gain, op: '<=', value: 0, deadline: 2026Q3}
  - {id: absorbe-cv, indicator: absorbed_gain, service: analyse-cv, op: '<=', value: 0, deadline: 2026Q3}
  - {id: recalcul, indicator: recalculation, op: '<=', value: 0.05, deadline: 2026Q3}
  - {id: par-unite, indicator: energy_per_unit, service: assistant-conseiller, op: '<=', value: 100, deadline: 2026Q3}
  - {id: entrainement, indicator: sci_training, service: assistant-conseiller, op: '<=', value: 100, deadline: 2026Q3}
"""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> QuarterlyReport:
    """The large organisation, with more targets."""
    text = (CATALOGUE / "targets.yaml").read_text(encoding="utf-8").replace("recalculation:", f"{FURTHER}\nrecalculation:")
    with untraced():
        return large_report(tmp_path_factory.mktemp("catalogue"), targets=text)


@pytest.fixture(scope="module")
def judged(large: QuarterlyReport) -> dict[str, TargetVerdict]:
    """Its verdicts by the id of their target."""
    return {each.id: each for each in large.targets}


# -- what a target is about ----------------------------------------------------------------------------------------------


def test_a_cap_of_one_service_is_met_whatever_of_others_is_not_measured(judged: dict[str, TargetVerdict]) -> None:
    for name in ("sci-assistant", "plafond-assistant", "compteurs-assistant", "par-unite", "entrainement"):
        assert (judged[name].verdict, judged[name].reason) == ("tenu", None), name
    assert (judged["plafond-haut"].verdict, judged["plafond-haut"].reason) == ("non-concluant", "coverage-incomplete")


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("plafond-vadore", "coverage-incomplete"),  # its graphics card, if it has one, gave no energy
        ("plafond-chat", "coverage-incomplete"),
        ("plafond-fraude", "coverage-incomplete"),
    ],
)
def test_a_cap_of_one_service_is_open_while_something_of_it_is_missing(
    judged: dict[str, TargetVerdict], target: str, reason: str
) -> None:
    assert (judged[target].verdict, judged[target].reason) == ("non-concluant", reason)
    assert judged[target].miss_probability == pytest.approx(0, abs=1e-6), "of what is known"


def test_a_share_that_is_counted_by_meters_is_no_floor_while_services_are_not_measured(judged: dict[str, TargetVerdict]) -> None:
    found = judged["mesure"]
    assert found.observed.value is not None
    assert found.observed.value > 0.5
    assert (found.verdict, found.reason, found.miss_probability) == ("non-concluant", "coverage-incomplete", None)
    assert judged["compteurs-plafond"].verdict == "tenu", "what is not measured lowers the share"


def test_what_is_missing_never_spares_a_target_that_is_missed(judged: dict[str, TargetVerdict]) -> None:
    assert (judged["plafond-bas"].verdict, judged["plafond-bas"].reason) == ("non-tenu", "below-value")
    ahead = judged["plafond-bas-demain"]
    assert (ahead.verdict, ahead.reason) == ("depassement-quasi-certain", "likely-missed")
    assert judged["plancher"].verdict == "tenu", "what is missing raises a sum"
    assert judged["couverture"].verdict == "non-tenu"


def test_every_known_figure_has_a_probability(judged: dict[str, TargetVerdict]) -> None:
    for found in judged.values():
        if found.observed.value is not None and found.reason not in ("coverage-incomplete", "deadline-ahead"):
            assert found.miss_probability is not None, found.id
    assert judged["plafond-co2e"].miss_probability == pytest.approx(0.58, abs=0.1)
    assert judged["plafond-co2e"].verdict == "non-concluant"


def test_an_interval_that_is_nearly_all_beyond_the_value_is_not_inconclusive(judged: dict[str, TargetVerdict]) -> None:
    found = judged["plafond-energie"]
    assert found.observed.low is not None
    assert found.value is not None
    assert found.observed.low < found.value, "so it is not certainly missed"
    assert (found.verdict, found.reason) == ("depassement-quasi-certain", "interval-mostly-beyond")
    assert found.miss_probability is not None
    assert found.miss_probability >= 0.95


# -- trajectories and what rests on several quarters ---------------------------------------------------------------------


def test_a_budget_that_is_spent_is_almost_certainly_overrun(judged: dict[str, TargetVerdict]) -> None:
    found = judged["trajectoire"]
    assert (found.verdict, found.reason) == ("depassement-quasi-certain", "budget-spent")
    assert found.miss_probability is not None
    assert found.miss_probability >= NEARLY_CERTAIN
    assert found.budget is not None
    assert found.budget.consumed.low is not None
    assert found.budget.consumed.low > 1, "errors that the year and the baseline share cancel"
    assert found.budget.spent.low < found.budget.budget.value, "the level's own interval would not say so"


def test_the_course_of_a_trajectory_begins_with_its_baseline(judged: dict[str, TargetVerdict]) -> None:
    course = judged["trajectoire"].course
    assert [point.quarter for point in course] == ["2025Q2", "2025Q3", "2025Q4", "2026Q1", "2026Q2", "2026Q3"]
    mean = sum(point.level.value or 0 for point in course[:3]) / 3
    assert [point.due for point in course] == pytest.approx([mean] * 3 + [0.7 * mean] * 3)
    assert course[-1].level.low is not None
    assert all(not each.course for each in judged.values() if each.reduction is None)


def test_budget_absorbed_gain_and_recalculation_can_be_targets(judged: dict[str, TargetVerdict]) -> None:
    state = judged["trajectoire"].budget
    assert state is not None
    assert judged["budget"].observed == judged["budget-echu"].observed == state.consumed
    assert (judged["budget"].verdict, judged["budget-echu"].verdict) == ("depassement-quasi-certain", "non-tenu")
    assert (judged["budget"].trajectory, judged["budget"].service) == ("trajectoire", None)
    assert judged["absorbe"].observed.unit == "1"
    assert 0 <= (judged["absorbe"].observed.value or 0) <= 1
    assert judged["absorbe-cv"].observed.value in (0, 1, None)
    assert (judged["recalcul"].verdict, judged["recalcul"].reason) == ("non-concluant", "no-data")


def test_every_indicator_can_be_a_target() -> None:
    assert all(each.target for each in INDICATORS.values())


# -- laws ----------------------------------------------------------------------------------------------------------------

Q4, OVER = Quarter(2026, 4), record("2027-01-05T10:00", cpu=0, gpu=0, ram=0)
DAYS = 20


def days(energies: dict[int, float], **fields: Any) -> list[Record]:
    """Some kWh of ``vadore`` on each of some days of the quarter."""
    first = record("2026-10-01T10:00").start_utc_ns
    return [record(first + day * DAY_NS, cpu=kwh(energy), gpu=0, ram=0, **fields) for day, energy in sorted(energies.items())]


def verdict(
    folder: Path, target: str, *records: Record, services: str | None = None, ledger: tuple[LedgerGap, ...] = ()
) -> TargetVerdict:
    """Judge one target, of one service that declares ``DAYS`` days."""
    register = services or f"services: [{{id: vadore, name: V, status: poc, instance_days: {DAYS}}}]"
    built = build_report(
        fold([*records, OVER]),
        Q4,
        settings=make_settings(zone="FRA", timezone="UTC"),
        catalogue=write_catalogue(folder, targets=f"targets: [{{id: t, {target}}}]", services=register),
        factors=FactorSet([factor("FRA", year, 40.0) for year in (2026, 2027)]),
        gaps=ledger,
    )
    return built.targets[0]


SEVERAL = st.dictionaries(st.integers(0, DAYS - 1), st.floats(0.1, 100), min_size=1, max_size=DAYS)
RELAXED = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
INDICATOR_AND_OP = st.sampled_from([("energy", "<="), ("energy_it", "<="), ("energy_by_method", ">="), ("idle_rate", "<=")])


@RELAXED
@given(SEVERAL, st.data(), st.floats(0.01, 5), st.sampled_from(["2026Q3", "2026Q4", "2027Q1"]))
def test_who_records_less_gains_nothing(
    tmp_path: Path, whole: dict[int, float], data: st.DataObject, factor: float, deadline: str
) -> None:
    whole = {day: whole.get(day, 1.0) for day in range(DAYS)}
    kept = data.draw(st.sets(st.sampled_from(sorted(whole)), min_size=1))
    target = f"indicator: energy, op: '<=', value: {sum(whole.values()) * factor}, deadline: {deadline}"
    all_known = verdict(tmp_path, target, *days(whole))
    part_known = verdict(tmp_path, target, *days({day: whole[day] for day in kept}))
    good = ("tenu", "en-bonne-voie")
    assert part_known.verdict not in good or kept == whole.keys()
    if all_known.verdict not in good:
        assert part_known.verdict not in good
    missed = ("non-tenu", "depassement-quasi-certain")
    if part_known.verdict in missed:
        assert all_known.verdict in missed, "a day more never makes up for a target that is missed"


@RELAXED
@given(SEVERAL, st.floats(0.01, 1000), st.floats(0.01, 1000), st.sampled_from(["<=", ">="]))
def test_a_stricter_value_is_never_less_likely_missed(
    tmp_path: Path, energies: dict[int, float], one: float, other: float, op: str
) -> None:
    loose, strict = sorted((one, other), reverse=op == "<=")
    found = [
        verdict(tmp_path, f"indicator: energy, op: '{op}', value: {value}, deadline: 2026Q4", *days(energies))
        for value in (loose, strict)
    ]
    assert found[0].miss_probability <= found[1].miss_probability + 1e-9


@RELAXED
@given(SEVERAL, st.floats(0.1, 3), INDICATOR_AND_OP, st.sampled_from(["2026Q4", "2027Q1"]))
def test_a_state_agrees_with_its_probability(
    tmp_path: Path, energies: dict[int, float], factor: float, what: tuple[str, str], deadline: str
) -> None:
    indicator, op = what
    value = min(factor / 3, 1.0) if INDICATORS[indicator].unit == "1" else sum(energies.values()) * factor
    found = verdict(tmp_path, f"indicator: {indicator}, op: '{op}', value: {value}, deadline: {deadline}", *days(energies))
    missed = found.miss_probability
    if found.verdict == "en-bonne-voie":
        assert missed <= ON_TRACK
    if found.verdict == "depassement-quasi-certain":
        assert missed >= NEARLY_CERTAIN
    if found.verdict in ("tenu", "non-tenu"):
        assert (missed <= 0.0251) if found.verdict == "tenu" else (missed >= 0.9749)
    assert (found.verdict == "en-bonne-voie") <= (deadline == "2027Q1"), "at the deadline, nearly certain is said of a miss alone"
    assert (found.verdict in ("tenu", "non-tenu")) <= (deadline == "2026Q4")


CAP = "indicator: energy, op: '<=', value: 1000000, deadline: 2026Q4"
FLOOR = "indicator: energy_by_method, op: '>=', value: 0.5, deadline: 2026Q4"
WHOLE = dict.fromkeys(range(DAYS), 1.0)
UNKNOWN = Method("missing", "none")


@pytest.mark.parametrize("target", [CAP, FLOOR])
@pytest.mark.parametrize(
    ("energies", "values", "reason"),
    [
        (WHOLE, {}, None),
        (WHOLE, {"services": "unnamed: {count: 30}\nservices: [{id: vadore, name: V, status: poc, instance_days: 20}]"},
         "coverage-incomplete"),
        (WHOLE, {"services": "services: [{id: vadore, name: V, status: poc}]"}, "days-not-declared"),
        ({0: 1 / 60}, {}, "coverage-incomplete"),  # one minute: the only service is not measured
        (dict.fromkeys(range(DAYS - 1), 1.0), {}, "days-missing"),  # measured, by 19 days of 20
        (WHOLE, {"ledger": (LedgerGap("2026-11-23", "host-1", "missing", "r"),)}, "ledger-incomplete"),
        (WHOLE, {"ledger": (LedgerGap("2026-09-23", "host-1", "missing", "r"),)}, None),
    ],
)  # fmt: skip
def test_a_target_names_what_is_missing(
    tmp_path: Path, target: str, energies: dict[int, float], values: dict[str, Any], reason: str | None
) -> None:
    found = verdict(tmp_path, target, *days(energies), **values)
    assert (found.verdict, found.reason) == (("tenu", None) if reason is None else ("non-concluant", reason))


def test_days_of_training_fill_no_gap(tmp_path: Path) -> None:
    serving = days(dict.fromkeys(range(DAYS - 4), 1.0))
    training = days(dict.fromkeys(range(DAYS), 1.0), phase="training", instance="host-2")
    found = verdict(tmp_path, f"{CAP}, service: vadore", *serving, *training)
    assert (found.verdict, found.reason) == ("non-concluant", "days-missing")
