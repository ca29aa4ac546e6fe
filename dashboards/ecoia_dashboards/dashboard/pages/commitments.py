"""Commitments: where each target stands, what was recommended and decided, what is done, what is late."""

from __future__ import annotations

from dataclasses import dataclass

from ecoia.report import ActionState, Answered, Body, Commitment, RegionShare, Said, TargetVerdict
from ecoia_dashboards.dashboard.figures.course import course_figure
from ecoia_dashboards.dashboard.page import Figure, Page, Reading, Shown
from ecoia_dashboards.dashboard.pieces.decided import decided_title, late_first, unanswered
from ecoia_dashboards.dashboard.pieces.people_tables import action_table, evaluation_table, region_table, said_table
from ecoia_dashboards.dashboard.pieces.target_cards import MET, budget_cards, kind_of, target_cards
from ecoia_dashboards.dashboard.pieces.words import Words
from ecoia_dashboards.language import Language
from ecoia_dashboards.wording import N_
from ecoia_dashboards.wording.verdicts import budget_words


@dataclass(frozen=True)
class Commitments:
    """The data of the page, of a whole quarter.

    Attributes:
        quarter: The quarter.
        commitment: The environmental commitment of the charter; None: the charter does not hold it.
        targets: The targets and their verdicts.
        said: Recommendations and decisions.
        actions: Actions, late ones first.
        bodies: Who decides and who recommends.
        evaluations: Answers of the services' self-assessments.
        regions: Figures of services apportioned to regions.
    """

    quarter: str
    commitment: Commitment | None
    targets: tuple[TargetVerdict, ...]
    said: tuple[Said, ...]
    actions: tuple[ActionState, ...]
    bodies: tuple[Body, ...]
    evaluations: tuple[Answered, ...]
    regions: tuple[RegionShare, ...]


def read(reading: Reading) -> Commitments:
    """Read the page's data."""
    report = reading.report
    return Commitments(
        report.quarter,
        report.environmental_commitment,
        report.targets,
        tuple(each for each in report.said if each.kind in ("recommendation", "decision")),
        tuple(late_first(report)),
        report.governance,
        report.evaluations,
        report.regions,
    )


def show(content: Commitments, reading: Reading, language: Language) -> Shown:
    """Say it in words."""
    words = Words(reading.report, language)
    charts = [course_figure(reading.report, target, language) for target in words.targets if target.course]
    tables = (
        said_table(content.said, words),
        action_table(content.actions, words),
        region_table(content.regions, words),
        evaluation_table(content.evaluations, words),
    )
    return Shown(
        sentence(content, words),
        lead(content, words, reading),
        figures={chart.id: Figure(chart, language.t("Tous les trimestres connus")) for chart in charts if chart is not None},
        tables={table.id: table for table in tables if table is not None},
        values={
            "content": content,
            "words": words,
            "targets": target_cards(words),
            "budgets": budget_cards(words),
        },
    )


def sentence(content: Commitments, words: Words) -> str:
    """Say how many targets are kept, how much of a budget is used, and what is late."""
    language = words.language
    adopted = [target for target in words.targets if target.status == "adopted"]
    kept = sum(kind_of(target) == MET for target in adopted)
    said = [_kept(kept, len(adopted), language)]
    used = next((text for target in adopted if target.budget and (text := budget_words(language, target.budget))), None)
    said += [used] if used else []
    if any(action.late for action in content.actions) or unanswered(words.report):
        said.append(decided_title(words))
    return language.t(" ; ").join(said) + "."


def _kept(kept: int, adopted: int, language: Language) -> str:
    if not adopted:
        return language.t("Aucune cible n’est adoptée")
    if not kept:
        return language.t("Aucune cible adoptée n’est tenue")
    return language.n(
        "%(count)s cible adoptée sur %(all)s est tenue ou en bonne voie",
        "%(count)s cibles adoptées sur %(all)s sont tenues ou en bonne voie",
        kept,
        all=language.whole(adopted),
    )


def lead(content: Commitments, words: Words, reading: Reading) -> str:
    """Quote the charter; and say of which quarter all of it is, where the address asks for other days."""
    said = []
    if content.commitment is not None and content.commitment.text:
        said.append(
            words.language.t(
                "Engagement n° %(number)s, %(name)s : « %(text)s »",
                number=content.commitment.number,
                name=content.commitment.name,
                text=content.commitment.text,
            )
        )
    if reading.period.quarter is None:
        said.append(words.language.t("Cette page porte sur tout le %(quarter)s.", quarter=words.quarter))
    return " ".join(said)


PAGE = Page("commitments", "/commitments", N_("Engagements"), read, show, of_whole=True)
