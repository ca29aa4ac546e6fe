"""The words of a verdict: its state by what is judged, the probability that the target is missed, and the budget used."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ecoia.report import BudgetState, Quantity, QuarterlyReport, TargetVerdict
from ecoia.report.model import VERDICT_REASONS, VERDICTS
from ecoia_dashboards import wording
from ecoia_dashboards.figures.trajectory import trajectory
from ecoia_dashboards.language import NBSP, Language
from ecoia_dashboards.wording.verdicts import (
    INCOMPLETE,
    MARKS,
    budget_words,
    judged_by_budget,
    probability,
    probability_words,
    verdict_words,
)

FRENCH, ENGLISH = Language("fr"), Language("en")
CAP = TargetVerdict(
    "t", "energy", "<=", 100.0, "kWh", "2026Q3", "adopted", "non-concluant", "interval-straddles",
    Quantity(90.0, "kWh", 60.0, 130.0), miss_probability=0.31,
)  # fmt: skip
FLOOR = replace(CAP, indicator="coverage_services", op=">=", value=0.9, unit="1", observed=Quantity(0.67, "1"))
_NOT_GIVEN = Quantity(None, "kWh", reason="too-few-quarters")
BUDGET = BudgetState(
    2026, Quantity(100.0, "kWh"), Quantity(121.0, "kWh"), Quantity(1.21, "1", 1.14, 1.28), Quantity(46.0, "kWh"),
    Quantity(0.9999999, "1"), _NOT_GIVEN, 0.9999999,
)  # fmt: skip
PATH = replace(
    CAP, op=None, value=None, deadline=None, reduction=0.3, horizon=2026, observed=Quantity(0.1, "1", 0.05, 0.15),
    verdict="depassement-quasi-certain", reason="budget-spent", miss_probability=0.9999999, budget=BUDGET,
)  # fmt: skip


def plain(text: str) -> str:
    return text.replace(NBSP, " ").replace("\N{NARROW NO-BREAK SPACE}", " ")


def said(target: TargetVerdict, language: Language = FRENCH) -> str:
    return plain(probability_words(language, target) or "")


def test_a_probability_says_of_what_it_is() -> None:
    assert said(CAP) == "probabilité de dépassement : 31 %"
    assert said(CAP, ENGLISH) == "probability of an overrun: 31%"
    assert said(replace(FLOOR, miss_probability=1.0)) == "probabilité de manquer la cible : 100 %"
    assert said(PATH) == "probabilité que l’année dépasse son budget : plus de 99,9 %"
    late = replace(PATH, verdict="non-tenu", reason="below-value", miss_probability=0.98)
    assert said(late) == "probabilité que la réduction ne soit pas atteinte : 98 %"


def test_a_floor_is_missed_and_not_exceeded() -> None:
    ahead = replace(FLOOR, verdict="depassement-quasi-certain", reason="likely-missed", miss_probability=1.0)
    assert verdict_words(FRENCH, ahead) == "manqué au niveau actuel"
    assert verdict_words(FRENCH, replace(ahead, op="<=")) == verdict_words(FRENCH, PATH) == "dépassement quasi certain"


def test_the_budget_that_is_used_has_an_interval() -> None:
    assert plain(budget_words(FRENCH, BUDGET) or "") == "121 % du budget 2026 employés (114 % à 128 %)"
    assert budget_words(FRENCH, replace(BUDGET, consumed=Quantity(None, "1", reason="too-few-quarters"))) is None
    assert [judged_by_budget(each) for each in (CAP, PATH, replace(PATH, reason="below-value"))] == [False, True, False]


@pytest.mark.parametrize(
    ("value", "said"), [(0.99996, "plus de 99,9 %"), (0.00001, "moins de 0,1 %"), (0.5, "50 %"), (0.047, "4,7 %")]
)
def test_what_is_not_certain_is_not_rounded_to_certainty(value: float, said: str) -> None:
    assert plain(probability(FRENCH, value)) == said
    assert plain(probability(FRENCH, 1.0, certain=True)) == "100 %"


def test_a_probability_beside_something_missing_is_of_what_is_known() -> None:
    assert set(INCOMPLETE) <= set(VERDICT_REASONS)
    open_ = replace(CAP, reason="coverage-incomplete", miss_probability=0.02)
    assert plain(probability_words(FRENCH, open_) or "") == "probabilité de dépassement : 2 % d’après ce qui est connu"
    assert probability_words(FRENCH, replace(CAP, miss_probability=None)) is None


def test_every_verdict_has_words_and_a_mark() -> None:
    assert set(VERDICTS) == set(wording.VERDICTS) == set(wording.VERDICTS_ON_FLOORS) == set(MARKS)
    assert set(VERDICT_REASONS) <= {*wording.VERDICT_REASONS, *wording.REASONS}


def test_the_figure_of_a_budget_says_that_it_is_spent_only_where_the_verdict_does(large: QuarterlyReport) -> None:
    target = next(each for each in large.targets if each.budget)
    spent = trajectory(large, target, FRENCH)
    assert spent is not None
    assert "budget 2026 dépassé" in plain(spent.title)
    unsure = replace(target.budget, consumed=Quantity(1.02, "1", 0.9, 1.15), spent_probability=0.63)
    open_ = trajectory(large, replace(target, budget=unsure, miss_probability=0.9), FRENCH)
    assert open_ is not None
    assert "dépassé" not in open_.title
    assert "90 %" in plain(open_.title)
