"""Draw up targets as bullets: what was found beside what was promised, the verdict, and how likely it is missed."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from ecoia.report import NEARLY_CERTAIN, TargetVerdict
from ecoia_dashboards.dashboard import marks
from ecoia_dashboards.dashboard.pieces.words import Words
from ecoia_dashboards.pages.targets import MISSED
from ecoia_dashboards.wording.verdicts import budget_words, probability_words

MET, UNMET, UNSURE = "met", "unmet", "unsure"
_KEPT = ("tenu", "en-bonne-voie")
_QUARTERS = 4


@dataclass(frozen=True)
class TargetCard:
    """A target in words, with its bullet.

    Attributes:
        id: Its id.
        name: Its name.
        proposed: Whether no committee adopted it yet.
        verdict: The verdict in words.
        kind: ``met``, ``unmet`` or ``unsure``: how the verdict is marked.
        bullet: The drawing; empty where nothing is known.
        found: What was found, and what was promised.
        interval: The interval of what was found.
        why: Why the verdict is what it is.
        chance: How likely it is missed.
        due: Its deadline.
        decided: Who adopted it, and when.
    """

    id: str
    name: str
    proposed: bool
    verdict: str
    kind: str
    bullet: Markup
    found: str
    interval: str
    why: str
    chance: str
    due: str
    decided: str


@dataclass(frozen=True)
class BudgetCard:
    """The budget of a year in words: how much is used, and how much of the year has passed.

    Attributes:
        name: The target.
        used: How much of the budget is used.
        drawing: The used share, with its interval, against the share of the year that has passed.
        elapsed: How much of the year has passed.
        expected: Where the year is expected to end.
        verdict: The verdict in words.
        kind: How it is marked.
    """

    name: str
    used: str
    drawing: Markup
    elapsed: str
    expected: str
    verdict: str
    kind: str


def target_cards(words: Words) -> list[TargetCard]:
    """Draw up every target, adopted ones and missed ones first."""
    return [_card(words, target) for target in words.targets]


def targets_title(words: Words) -> str:
    """Say how many of the adopted targets are kept."""
    adopted = [target for target in words.report.targets if target.status == "adopted"]
    if not adopted:
        return words.language.t("Engagement n° 7 : aucune cible n’est adoptée")
    kept = sum(kind_of(target) == MET for target in adopted)
    if not kept:
        return words.language.n(
            "Engagement n° 7 : la seule cible adoptée n’est pas tenue",
            "Engagement n° 7 : aucune des %(count)s cibles adoptées n’est tenue",
            len(adopted),
        )
    return words.language.n(
        "Engagement n° 7 : %(count)s cible adoptée sur %(all)s est tenue ou en bonne voie",
        "Engagement n° 7 : %(count)s cibles adoptées sur %(all)s sont tenues ou en bonne voie",
        kept,
        all=words.language.whole(len(adopted)),
    )


def budget_cards(words: Words) -> list[BudgetCard]:
    """Draw up the budget of each trajectory that has one."""
    return [card for target in words.targets if (card := budget_card(words, target)) is not None]


def budget_card(words: Words, target: TargetVerdict) -> BudgetCard | None:
    """Draw up the budget of a trajectory; None where it has none, or nothing is known of its use."""
    budget, language = target.budget, words.language
    used = budget_words(language, budget) if budget is not None else None
    if budget is None or used is None:
        return None
    passed = int(words.report.quarter[-1])
    consumed = budget.consumed
    drawing = marks.bullet(
        consumed.value,
        consumed.low,
        consumed.high,
        passed / _QUARTERS,
        at_least=False,
        verdict=kind_of(target),
        said=f"{used}. {_elapsed(words, passed)}",
    )
    expected = ""
    if budget.expected.value is not None and budget.budget.value is not None:
        column = language.column([budget.expected, budget.budget])
        expected = language.t(
            "Fin %(year)s attendue : %(expected)s (%(interval)s), pour un budget de %(budget)s.",
            year=str(budget.year),
            expected=column.amount(budget.expected),
            interval=column.interval(budget.expected) or language.t("sans intervalle"),
            budget=column.amount(budget.budget),
        )
    return BudgetCard(
        target_name(words, target), used, drawing, _elapsed(words, passed), expected, words.judged(target), kind_of(target)
    )


def target_name(words: Words, target: TargetVerdict) -> str:
    """Name a target; a trajectory by its year as well, as there may be a cap on the same indicator."""
    name = words.target_name(target)
    if target.reduction is None:
        return name
    return words.language.t("%(name)s, trajectoire %(year)s", name=name, year=str(target.horizon))


def kind_of(target: TargetVerdict) -> str:
    """Return how a verdict is marked."""
    if target.verdict in _KEPT:
        return MET
    return UNMET if target.verdict in MISSED else UNSURE


def _elapsed(words: Words, passed: int) -> str:
    return words.language.n(
        "Trait : %(count)s trimestre passé sur quatre.", "Trait : %(count)s trimestres passés sur quatre.", passed
    )


def _card(words: Words, target: TargetVerdict) -> TargetCard:
    language = words.language
    body = words.body(target.decision_body) if target.decision_body else ""
    day = language.day(target.decision_date) if target.decision_date else ""
    return TargetCard(
        id=target.id,
        name=target_name(words, target),
        proposed=target.status == "proposed",
        verdict=words.judged(target),
        kind=kind_of(target),
        bullet=_bullet(target),
        found=_found(words, target),
        interval=_interval(words, target),
        why=words.why(target),
        chance=_chance(words, target),
        due=words.due(target),
        decided=", ".join(part for part in (body, day) if part),
    )


def _bullet(target: TargetVerdict) -> Markup:
    """Draw a level against its target; of a trajectory, the share of its budget that the year used. The text beside says it."""
    level, aim = target.observed, target.value
    if target.budget is not None:
        level, aim = target.budget.consumed, 1.0
    if level.value is None or aim is None:
        return Markup()
    return marks.bullet(level.value, level.low, level.high, aim, at_least=target.op == ">=", verdict=kind_of(target))


def _found(words: Words, target: TargetVerdict) -> str:
    language, budget = words.language, target.budget
    if budget is not None and budget.spent.value is not None and budget.budget.value is not None:
        column = language.column([budget.spent, budget.budget])
        return language.t(
            "%(spent)s employés en %(year)s, pour un budget de %(budget)s (%(aim)s)",
            spent=column.amount(budget.spent),
            year=str(budget.year),
            budget=column.amount(budget.budget),
            aim=words.aim(target),
        )
    return language.t("%(found)s ; cible : %(aim)s", found=words.observed(target), aim=words.aim(target))


def _interval(words: Words, target: TargetVerdict) -> str:
    """Say the interval that the verdict rests on: of a trajectory that of the ratio, since its reference is measured alike."""
    language = words.language
    if target.budget is not None:
        found = language.interval(target.budget.consumed)
        return (
            language.t(
                "intervalle à 95 %% du rapport au budget : %(interval)s ; le budget vient des mêmes mesures que la consommation, "
                "et leurs erreurs communes s’y annulent",
                interval=found,
            )
            if found
            else ""
        )
    found = words.observed_interval(target)
    return language.t("intervalle à 95 %% : %(interval)s", interval=found) if found else ""


def _chance(words: Words, target: TargetVerdict) -> str:
    """Say how likely a target is missed, and how it can be nearly certain of a limit inside the interval."""
    said, missed, level = probability_words(words.language, target) or "", target.miss_probability, target.observed
    inside = level.low is not None and level.high is not None and target.value is not None
    if not (said and inside and target.budget is None and missed is not None and missed >= NEARLY_CERTAIN):
        return said
    if not (level.low or 0.0) < (target.value or 0.0) < (level.high or 0.0):
        return said
    why = words.language.t(
        "aucune erreur ne s’annule ici : la borne basse suppose que l’alimentation et la ventilation, non mesurées, ne prennent "
        "rien, la probabilité compte toutes leurs parts possibles"
    )
    return f"{said} ({why})"
