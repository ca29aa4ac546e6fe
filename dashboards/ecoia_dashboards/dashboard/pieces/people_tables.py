"""Tabulate people's part: recommendations and decisions, actions, self-assessments, regions. Roles and bodies, never persons."""

from __future__ import annotations

from collections.abc import Sequence

from ecoia.report import ActionState, Answered, Quantity, RegionShare, Said
from ecoia_dashboards import wording
from ecoia_dashboards.dashboard.pieces.decided import unanswered
from ecoia_dashboards.dashboard.pieces.words import Words
from ecoia_dashboards.dashboard.tables import FIGURE, Cell, Heading, Link, Table


def said_table(said: Sequence[Said], words: Words) -> Table | None:
    """Tabulate recommendations and decisions, those without an answer first; None where there are none."""
    if not said:
        return None
    language, waiting = words.language, unanswered(words.report)
    texts = {each.id: each.text for each in said}
    ordered = sorted(said, key=lambda each: (each not in waiting, each.kind != "recommendation", each.date or ""))
    headings = (
        Heading(language.t("Texte")),
        Heading(language.t("Nature")),
        Heading(language.t("Instance")),
        Heading(language.t("Date")),
        Heading(language.t("Service"), less_important=True),
        Heading(language.t("Suite")),
    )
    lines: tuple[tuple[Cell, ...], ...] = tuple(
        (
            each.text,
            language.of(wording.SAID, each.kind),
            words.body(each.body),
            language.day(each.date) if each.date else None,
            _service(each.service, words),
            _answer(each, words, texts),
        )
        for each in ordered
    )
    title = language.n("%(count)s recommandation ou décision", "%(count)s recommandations et décisions", len(lines))
    return Table("said", title, headings, lines, _quarter(words))


def _answer(each: Said, words: Words, texts: dict[str | None, str]) -> str:
    language = words.language
    if each.kind == "decision":
        return language.t("répond à : %(text)s", text=words.short(texts[each.about])) if each.about in texts else ""
    decision = next((other for other in words.report.said if other.kind == "decision" and other.about == each.id), None)
    if decision is None:
        return language.t("sans décision")
    return language.t("décision : %(text)s", text=words.short(decision.text))


def action_table(actions: Sequence[ActionState], words: Words) -> Table | None:
    """Tabulate actions, late ones first; None where there are none."""
    if not actions:
        return None
    language = words.language
    headings = (
        Heading(language.t("Action")),
        Heading(language.t("État")),
        Heading(language.t("Échéance")),
        Heading(language.t("Rôle")),
        Heading(language.t("Service"), less_important=True),
        Heading(language.t("Note"), less_important=True),
    )
    lines: tuple[tuple[Cell, ...], ...] = tuple(
        (
            each.text,
            _state(each, words),
            language.quarter(each.due),
            each.role,
            _service(each.service, words),
            each.note,
        )
        for each in actions
    )
    late = sum(each.late for each in actions)
    title = (
        language.n("%(count)s action en retard", "%(count)s actions en retard", late)
        if late
        else language.n("%(count)s action, à l’heure", "%(count)s actions, aucune en retard", len(actions))
    )
    return Table("actions", title, headings, lines, _quarter(words))


def _state(action: ActionState, words: Words) -> str:
    said = words.language.of(wording.ACTION_STATES, action.state)
    return words.language.t("en retard, %(state)s", state=said) if action.late else said


def region_table(regions: Sequence[RegionShare], words: Words) -> Table | None:
    """Tabulate figures of regions, by region, what no region has last; None where there are none."""
    if not regions:
        return None
    language = words.language
    headings = (
        Heading(language.t("Région")),
        Heading(language.t("Service")),
        Heading(language.t("Part des unités"), FIGURE),
        Heading(language.t("Énergie répartie"), FIGURE),
        Heading(language.t("CO₂e réparti"), FIGURE, less_important=True),
        Heading(language.t("Source"), less_important=True),
    )
    lines: tuple[tuple[Cell, ...], ...] = tuple(
        (
            each.region or language.t("sans région"),
            _service(each.service, words),
            Quantity(each.share, "1", reason="no-units" if each.share is None else None),
            each.energy,
            each.co2e,
            each.source,
        )
        for each in sorted(regions, key=lambda each: (each.is_residual, each.region, each.service))
    )
    named = len({each.region for each in regions if not each.is_residual})
    title = language.n("%(count)s région, selon les unités", "%(count)s régions, selon les unités", named)
    note = language.t("Réparti selon les unités rendues à chaque région, et non mesuré sur place.")
    return Table("regions", title, headings, lines, _quarter(words), note=note)


def evaluation_table(evaluations: Sequence[Answered], words: Words) -> Table | None:
    """Tabulate the answers of self-assessments; None where there are none."""
    if not evaluations:
        return None
    language = words.language
    headings = (
        Heading(language.t("Service")),
        Heading(language.t("Question")),
        Heading(language.t("Réponse")),
        Heading(language.t("Trimestre"), less_important=True),
        Heading(language.t("Commentaire"), less_important=True),
    )
    lines: tuple[tuple[Cell, ...], ...] = tuple(
        (
            _service(each.service, words),
            language.of(wording.EVALUATION_QUESTIONS, each.question),
            language.of(wording.EVALUATION_ANSWERS, each.answer),
            language.quarter(each.quarter),
            each.comment,
        )
        for each in evaluations
    )
    services = len({each.service for each in evaluations})
    title = language.n("%(count)s service s’est auto-évalué", "%(count)s services se sont auto-évalués", services)
    return Table("evaluations", title, headings, lines, _quarter(words))


def _service(id_: str | None, words: Words) -> Cell:
    return Link(words.service(id_), f"/services/{id_}") if id_ else None


def _quarter(words: Words) -> str:
    return words.quarter
