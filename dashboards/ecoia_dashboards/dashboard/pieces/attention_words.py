"""Say what to look at: each point as a line that leads to its page."""

from __future__ import annotations

from dataclasses import dataclass

from ecoia.report import Quantity
from ecoia_dashboards import wording
from ecoia_dashboards.dashboard.pieces.attention import Cause, Point, Run
from ecoia_dashboards.dashboard.pieces.words import Words
from ecoia_dashboards.wording.marking import N_

_SHORT_ID = 8
_MOST_RUNS = 4
_SAVED = {
    "lost-runs": N_("%(energy)s dans des entraînements en échec ou abandonnés"),
    "idle": N_("%(energy)s de veille réservée"),
    "dominated-runs": N_("%(energy)s dans des entraînements qu’un autre égale pour moins"),
    "other-hours": N_("%(energy)s à des heures où l’électricité émet davantage"),
}


@dataclass(frozen=True)
class RunLink:
    """A run that a point names: its short id, its address, and what became of it."""

    text: str
    path: str
    said: str


@dataclass(frozen=True)
class PointLine:
    """A point in words.

    Attributes:
        title: What it is.
        path: Its page.
        service: The service that the page's address names; empty: none.
        text: Why it is there.
        runs: The runs that it names.
    """

    title: str
    path: str
    service: str
    text: str
    runs: tuple[RunLink, ...] = ()


def point_line(point: Point, words: Words) -> PointLine:
    """Say a point in words."""
    if point.kind == "change":
        return _change(point, words)
    if point.kind == "co2e" and point.co2e is not None:
        return _co2e_alone(point, point.co2e, words)
    if point.kind == "late":
        return _late(point, words)
    if point.kind in ("partly", "silent"):
        return _hole(point, words)
    return _saving(point, words)


def causes_said(causes: tuple[Cause, ...], words: Words) -> str:
    """List what made a change: ``ajustement (+ 1,2 MWh) et inférence (+ 0,6 MWh)``; empty where nothing is known."""
    return words.language.listed(
        words.language.t(
            "%(phase)s (%(size)s)",
            phase=words.language.of(wording.PHASES, cause.phase),
            size=words.language.change(cause.change),
        )
        for cause in causes
    )


def _change(point: Point, words: Words) -> PointLine:
    language, size = words.language, point.size
    said = [
        language.t(
            "écart établi, intervalle %(interval)s", interval=language.change_interval(size) or language.t("sans intervalle")
        )
    ]
    if point.causes:
        said.append(language.t("surtout : %(causes)s", causes=causes_said(point.causes, words)))
    if point.per_unit is not None and point.per_unit.value is not None:
        said.append(language.t("par unité rendue : %(change)s", change=language.direction(point.per_unit)))
    title = language.t(
        "%(service)s : énergie en %(change)s", service=words.service(point.service), change=language.direction(size)
    )
    return PointLine(title, f"/services/{point.service}", "", _sentence(said, words))


def _co2e_alone(point: Point, co2e: Quantity, words: Words) -> PointLine:
    language = words.language
    title = language.t("%(service)s : CO₂e en %(change)s", service=words.service(point.service), change=language.direction(co2e))
    said = [
        language.t(
            "écart établi, intervalle %(interval)s", interval=language.change_interval(co2e) or language.t("sans intervalle")
        )
    ]
    if point.size.value is not None:
        said.append(language.t("énergie : %(change)s", change=language.direction(point.size)))
    return PointLine(title, f"/services/{point.service}", "", _sentence(said, words))


def _saving(point: Point, words: Words) -> PointLine:
    language = words.language
    title = language.t(_SAVED[point.kind], energy=words.amount(point.size)) if point.kind in _SAVED else words.amount(point.size)
    saving = next((each for each in words.report.savings if (each.kind, each.service) == (point.kind, point.service)), None)
    said = [words.service(point.service)]
    if point.co2e is not None and point.co2e.value is not None:
        said.append(language.t("jusqu’à %(co2e)s évitables", co2e=words.amount(point.co2e)))
    if saving is not None and saving.may_harm:
        said.append(language.t("peut nuire à : %(harm)s", harm=words.harm(saving)))
    path = f"/services/{point.service}" if point.kind == "idle" else "/runs"
    shown = tuple(_run(run, words) for run in point.runs[:_MOST_RUNS])
    if len(point.runs) > len(shown):
        said.append(language.n("et %(count)s autre exécution", "et %(count)s autres exécutions", len(point.runs) - len(shown)))
    return PointLine(title, path, "" if point.kind == "idle" else point.service, _sentence(said, words), shown)


def _run(run: Run, words: Words) -> RunLink:
    said = [words.say(wording.OUTCOMES, run.outcome)] if run.outcome else []
    if run.energy is not None and run.energy.value is not None:
        said.append(words.amount(run.energy))
    return RunLink(run.id[:_SHORT_ID], f"/runs/{run.id}", ", ".join(said))


def _hole(point: Point, words: Words) -> PointLine:
    language = words.language
    name, path = words.service(point.service), f"/services/{point.service}"
    if point.kind == "silent":
        return PointLine(
            language.t("%(service)s : rien n’est relevé", service=name),
            path,
            "",
            language.t("Il tourne, d’après le registre ; son énergie n’est dans aucun total."),
        )
    return PointLine(
        language.t("%(service)s : relevé sur %(share)s de ses jours", service=name, share=words.amount(point.size)),
        path,
        "",
        language.t("Ne compte pas comme mesuré, et son évolution ne dit rien de son usage."),
    )


def _late(point: Point, words: Words) -> PointLine:
    language = words.language
    action = next(each for each in words.report.actions if each.id == point.action)
    said = [
        language.t("échéance %(due)s", due=language.quarter(action.due)),
        action.role,
        *([action.note] if action.note else []),
    ]
    return PointLine(
        language.t("En retard : %(action)s", action=words.short(action.text)), "/commitments", "", _sentence(said, words)
    )


def _sentence(said: list[str], words: Words) -> str:
    text = words.language.t(" ; ").join(part.rstrip(".") for part in said)
    return f"{text[:1].upper()}{text[1:]}."
