"""A verdict in a sentence: its state by what is judged, the figure that it rests on, the probability and the reason."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ecoia.report import BudgetState, Quantity, TargetVerdict
from ecoia.report.model import VERDICT_REASONS, VERDICTS
from ecoia_dashboards import wording
from ecoia_dashboards.language import LANGUAGES, NBSP, Language
from ecoia_dashboards.wording.verdicts import (
    INCOMPLETE,
    MARKS,
    probability,
    probability_words,
    verdict_sentence,
    verdict_words,
)
from support.large_organisation import large_report

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


def test_a_sentence_holds_state_figure_probability_and_reason() -> None:
    assert plain(verdict_sentence(FRENCH, CAP)) == (
        "Non concluant : 90,0 kWh (60,0 à 130 kWh) ; probabilité de dépassement : 31 % ; "
        "l’intervalle contient la valeur visée : la mesure ne permet pas de trancher."
    )
    assert plain(verdict_sentence(ENGLISH, CAP)).startswith(
        "Inconclusive: 90.0 kWh (60.0 to 130 kWh); probability of an overrun: 31%"
    )
    assert plain(verdict_sentence(FRENCH, PATH)) == (
        "Dépassement quasi certain : 121 % du budget 2026 employé (114 % à 128 %) ; "
        "probabilité que l’année dépasse son budget : plus de 99,9 % ; le budget de l’année est déjà dépassé."
    )


def test_a_floor_is_missed_and_not_exceeded() -> None:
    ahead = replace(FLOOR, verdict="depassement-quasi-certain", reason="likely-missed", miss_probability=1.0)
    said = plain(verdict_sentence(FRENCH, ahead))
    assert said.startswith("Manqué au niveau actuel : 67 % ; probabilité de ne pas atteindre la cible : 100 % ; au niveau de ce")
    assert "dépassement" not in said.lower()
    assert verdict_words(FRENCH, replace(ahead, op="<=")) == "dépassement quasi certain"


def test_a_trajectory_at_its_horizon_is_judged_by_its_change() -> None:
    late = replace(PATH, verdict="non-tenu", reason="below-value", miss_probability=0.98)
    said = plain(verdict_sentence(FRENCH, late))
    assert "depuis la référence" in said
    assert "budget" not in said
    assert said.endswith("probabilité que la réduction ne soit pas atteinte : 98 %.")


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


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_verdict_of_the_large_organisation_is_a_sentence(tmp_path: Path, lang: str) -> None:
    for target in large_report(tmp_path).targets:
        said = verdict_sentence(Language(lang), target)
        assert said[0].isupper()
        assert said.endswith(".")
        if target.miss_probability is not None:
            assert "probab" in said, said
