"""The commitments: what is late stands first, every promise has its verdict, and nothing is said that is not declared."""

from __future__ import annotations

import html
import json
from dataclasses import replace
from typing import Any

import pytest

from ecoia.exploring import Explorer
from ecoia.report import QuarterlyReport
from ecoia_dashboards.dashboard.app import create_app
from ecoia_dashboards.dashboard.pieces.decided import late_first, unanswered
from ecoia_dashboards.dashboard.pieces.target_cards import kind_of, target_cards
from ecoia_dashboards.dashboard.pieces.words import Words
from ecoia_dashboards.language import Language
from support.changed_reports import ChangedReports
from support.dashboard import ask

QUARTER = "2026Q3"


def test_late_actions_stand_first(explorer: Explorer) -> None:
    report = explorer.report(QUARTER)
    action = report.actions[0]
    actions = [
        replace(action, id="done", late=False, state="done", due="2025Q4"),
        replace(action, id="ahead", late=False, state="planned", due="2026Q4"),
        replace(action, id="late", late=True, due="2026Q2"),
        replace(action, id="later", late=True, due="2026Q1"),
    ]
    found = late_first(replace(report, actions=tuple(actions)))
    assert [each.id for each in found] == ["later", "late", "ahead", "done"]


def test_a_recommendation_waits_until_a_decision_answers_it(explorer: Explorer) -> None:
    report = explorer.report(QUARTER)
    waiting = unanswered(report)
    assert [each.id for each in waiting] == ["r-2026q3-1"]
    decision = next(each for each in report.said if each.kind == "decision")
    answered = replace(report, said=(*report.said, replace(decision, id="d-new", about=waiting[0].id)))
    assert unanswered(answered) == []


def test_every_target_has_its_card_with_a_verdict_in_words(explorer: Explorer) -> None:
    report = explorer.report(QUARTER)
    for code in ("fr", "en"):
        cards = target_cards(Words(report, Language(code)))
        assert {card.id for card in cards} == {target.id for target in report.targets}
        assert len({card.name for card in cards}) == len(cards)  # a cap and a trajectory of one indicator differ by name
        assert all(card.verdict and card.why and card.bullet for card in cards)


@pytest.mark.parametrize(
    ("verdict", "kind"),
    [
        ("tenu", "met"),
        ("en-bonne-voie", "met"),
        ("non-tenu", "unmet"),
        ("depassement-quasi-certain", "unmet"),
        ("non-concluant", "unsure"),
    ],
)
def test_a_verdict_is_marked_by_what_it_says(explorer: Explorer, verdict: str, kind: str) -> None:
    assert kind_of(replace(explorer.report(QUARTER).targets[0], verdict=verdict)) == kind


def test_the_page_holds_what_was_decided_and_by_whom(app: Any) -> None:
    text = html.unescape(ask(app, f"/commitments?period={QUARTER}").text)
    for said in (
        "Maîtriser et réduire l'impact environnemental des services d'IA.",
        "Mesurer la traduction chez le prestataire",
        "Comité externe",
        "sans décision",
        "121\xa0% du budget 2026 employés",
        "3 trimestres passés sur quatre",
        "Bretagne",
    ):
        assert said in text


def test_regions_and_what_has_none_are_the_whole_of_each_service(app: Any) -> None:
    data = json.loads(ask(app, f"/api/v1/commitments?period={QUARTER}").text)
    shares: dict[str, float] = {}
    for each in data["regions"]:
        shares[each["service"]] = shares.get(each["service"], 0.0) + each["share"]
    assert shares
    assert all(share == pytest.approx(1.0) for share in shares.values())


def emptied(report: QuarterlyReport) -> QuarterlyReport:
    """Return a report without a charter's text, targets, or anything that people said."""
    commitments = tuple(replace(each, text=None) for each in report.commitments)
    return replace(report, commitments=commitments, targets=(), said=(), actions=(), regions=(), governance=())


def test_an_empty_catalogue_is_told_which_file_to_write(explorer: Explorer) -> None:
    changed: Any = ChangedReports(explorer, emptied)
    app = create_app(changed)
    page = html.unescape(ask(app, "/commitments").text)
    for file in ("charter.yaml", "targets.yaml", "committees.yaml"):
        assert file in page
    assert ask(app, "/").status == 200
    assert "aucune cible n’est adoptée" in html.unescape(ask(app, "/").text)


def test_a_verdict_stands_beside_the_interval_that_it_rests_on(explorer: Explorer) -> None:
    """A ratio's interval, where common errors cancel; else why a limit inside the interval is passed almost surely."""
    cards = target_cards(Words(explorer.report("2026Q3"), Language("fr")))
    budget = next(card for card in cards if "trajectoire" in card.name)
    assert "114" in budget.interval
    assert "s’y annulent" in budget.interval
    assert "136" not in budget.interval
    level = next(card for card in cards if card.name == "Énergie")
    assert "aucune erreur ne s’annule ici" in level.chance
    assert all("aucune erreur" not in card.chance for card in cards if card is not level)
