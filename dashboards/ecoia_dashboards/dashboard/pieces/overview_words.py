"""Say the overview: its sentence, what stands below it, its key figures, and how sure they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from markupsafe import Markup

from ecoia.report import Coverage, Quantity, TargetVerdict
from ecoia_dashboards import wording
from ecoia_dashboards.dashboard import marks
from ecoia_dashboards.dashboard.address import Period
from ecoia_dashboards.dashboard.figures.course import course_figure
from ecoia_dashboards.dashboard.page import Figure, Reading
from ecoia_dashboards.dashboard.pieces.attention import Point
from ecoia_dashboards.dashboard.pieces.attention_words import PointLine, causes_said, point_line
from ecoia_dashboards.dashboard.pieces.service_lines import ServiceLine
from ecoia_dashboards.dashboard.pieces.words import Words
from ecoia_dashboards.dashboard.view import period_text
from ecoia_dashboards.figures import trend
from ecoia_dashboards.language import SHARE_UNIT, Language
from ecoia_dashboards.pages.targets import MISSED
from ecoia_dashboards.wording.evaluation import certainty

if TYPE_CHECKING:
    from ecoia_dashboards.dashboard.pages.overview import Overview

_ORIGINS = ("measured", "estimated", "declared")


@dataclass(frozen=True)
class KeyLines:
    """What the key figures are drawn with.

    Attributes:
        energy: The energy of the last quarters.
        co2e: Their CO2e.
        measured: Share of the energy that meters gave.
        origins: The energy by how it is known, as a bar.
        legend: Each origin that there is: its swatch and its share.
        meanings: The same with what each origin means.
    """

    energy: Markup
    co2e: Markup
    measured: Quantity
    origins: Markup
    legend: list[tuple[Markup, str]]
    meanings: list[tuple[Markup, str]]


def when(period: Period, language: Language) -> str:
    """Write a period as the time of something: ``au T3 2026``, or ``du 1er juillet 2026 au 31 juillet 2026``."""
    text = period_text(period, language)
    return language.t("au %(quarter)s", quarter=text) if period.quarter is not None else text


def sentence(content: Overview, words: Words, reading: Reading) -> str:
    """Say how much, whose, and against which commitment."""
    language, period = words.language, when(reading.period, words.language)
    if content.energy.value is None and content.headline.co2e.value is None:
        if reading.address.filters:
            return language.t("Rien ne correspond à ces filtres %(when)s.", when=period)
        return language.t("Rien n’est enregistré %(when)s : tout y est inconnu, et non pas nul.", when=period)
    amount = words.amount(content.energy) if content.energy.value is not None else words.whole(content.headline)
    if content.whole is None:
        known = sum(line.microjoules is not None for line in content.services.lines)
        if not reading.address.filters:
            return language.n(
                "%(amount)s %(when)s, dans %(count)s service.",
                "%(amount)s %(when)s, dans %(count)s services.",
                known,
                amount=amount,
                when=period,
            )
        return language.n(
            "%(amount)s %(when)s pour la sélection, dans %(count)s service.",
            "%(amount)s %(when)s pour la sélection, dans %(count)s services.",
            known,
            amount=amount,
            when=period,
        )
    text = language.t("%(amount)s %(when)s", amount=amount, when=period)
    first = greatest(content)
    if first is not None:
        text += language.t(", dont %(share)s pour un seul service", share=language.share(first[1]))
    return text + _promises(words) + "."


def greatest(content: Overview) -> tuple[ServiceLine, float] | None:
    """Return the service with the most energy and its share of all; None where two share that place, or nothing is known."""
    known = sorted((line for line in content.services.lines if line.energy.value), key=lambda line: -(line.energy.value or 0.0))
    if not known or not content.energy.value or (len(known) > 1 and known[0].microjoules == known[1].microjoules):
        return None
    return known[0], (known[0].energy.value or 0.0) / content.energy.value


def _promises(words: Words) -> str:
    language = words.language
    adopted = [target for target in words.report.targets if target.status == "adopted"]
    missed = sum(target.verdict in MISSED for target in adopted)
    if not adopted:
        return language.t(" ; aucune cible n’est adoptée")
    if not missed:
        return language.t(" ; aucune cible adoptée n’est manquée")
    return language.n(
        " ; %(count)s cible adoptée sur %(all)s est manquée ou quasi manquée",
        " ; %(count)s cibles adoptées sur %(all)s sont manquées ou quasi manquées",
        missed,
        all=language.whole(len(adopted)),
    )


def lead(content: Overview, words: Words, reading: Reading) -> str:
    """Say which service that is, which one grew most and why, which targets are missed, and what is not measured."""
    language = words.language
    if content.whole is None:
        return ""
    first = greatest(content)
    said = [language.t("Ce service est %(name)s.", name=first[0].name)] if first is not None else []
    said.append(_growth(content, words, reading))
    missed = [target for target in words.targets if target.status == "adopted" and target.verdict in MISSED]
    if missed:
        said.append(
            language.n(
                "Cible manquée ou quasi manquée : %(names)s.",
                "Cibles manquées ou quasi manquées : %(names)s.",
                len(missed),
                names=language.listed(dict.fromkeys(_promise(words, target) for target in missed)),
            )
        )
    coverage = content.whole.coverage
    lacking = coverage.named + coverage.unnamed - coverage.measured
    if lacking > 0:
        said.append(
            language.n(
                "%(count)s service sur %(all)s n’est pas mesuré, ou pas assez : son énergie manque, en tout ou partie.",
                "%(count)s services sur %(all)s ne sont pas mesurés, ou pas assez : leur énergie manque, en tout ou partie.",
                lacking,
                all=language.whole(coverage.named + coverage.unnamed),
            )
        )
    return " ".join(part for part in said if part)


def _promise(words: Words, target: TargetVerdict) -> str:
    name = words.target_name(target)
    name = words.language.t("trajectoire %(year)s", year=str(target.horizon)) if target.reduction is not None else name
    return name[:1].lower() + name[1:]


def _growth(content: Overview, words: Words, reading: Reading) -> str:
    language, whole = words.language, content.whole
    if whole is None or reading.reference is None:
        return ""
    rises = [point for point in whole.attention.points if point.kind == "change" and point.size.direction == "rise"]
    reference = period_text(reading.reference, language)
    if not rises:
        return language.t("Aucune hausse de service n’est établie par rapport au %(reference)s.", reference=reference)
    point = rises[0]
    values = {"service": words.service(point.service), "size": language.change(point.size)}
    causes = causes_said(point.causes, words)
    if not causes:
        return language.t(
            "Plus forte hausse établie depuis le %(reference)s : %(service)s, %(size)s.",
            reference=reference,
            **values,
        )
    return language.t(
        "Plus forte hausse établie depuis le %(reference)s : %(service)s, %(size)s, surtout %(causes)s.",
        reference=reference,
        causes=causes,
        **values,
    )


def figures(content: Overview, words: Words, target: TargetVerdict | None) -> dict[str, Figure]:
    """Draw the trajectory of a target, or the trend where there is none; nothing where only a part of a quarter is looked at."""
    if content.whole is None:
        return {}
    report, language = words.report, words.language
    chart = course_figure(report, target, language) if target is not None else trend(report, language)
    if chart is None:
        return {}
    subtitle = (
        language.t("%(name)s, par trimestre", name=words.target_name(target))
        if target is not None
        else language.t("Énergie et CO₂e d’usage par trimestre, tous services")
    )
    return {"trajectory": Figure(replace(chart, id="trajectory"), subtitle)}


def key_lines(content: Overview, language: Language) -> KeyLines:
    """Draw what stands beside the key figures."""
    shares = _shares(content.by_status_microjoules)
    return KeyLines(
        energy=marks.sparkline([point.energy.value for point in content.course]),
        co2e=marks.sparkline([point.co2e.value for point in content.course]),
        measured=Quantity(shares.get("measured", 0.0), SHARE_UNIT) if shares else Quantity(None, SHARE_UNIT, reason="no-data"),
        origins=marks.stacked_bar(shares),
        legend=[
            (marks.swatch(origin), f"{language.of(wording.STATUSES, origin)} {language.share(share)}")
            for origin, share in shares.items()
        ],
        meanings=[
            (
                marks.swatch(origin),
                f"{language.of(wording.STATUSES, origin)}{language.t(' : ')}{language.of(wording.STATUS_MEANINGS, origin)}",
            )
            for origin in shares
        ],
    )


def scope_said(coverage: Coverage, reading: Reading, language: Language) -> str:
    """Say what the services in scope are, and which of the table's lines are not among them."""
    said = language.n("%(count)s service du registre", "%(count)s services du registre", coverage.named)
    if coverage.unnamed:
        said = language.n(
            "%(named)s et %(count)s que l’organisation compte sans le nommer",
            "%(named)s et %(count)s que l’organisation compte sans les nommer",
            coverage.unnamed,
            named=said,
        )
    register = reading.report.register
    retired = sum(each.registered and not each.in_scope for each in register)
    stray = sum(not each.registered for each in register)
    besides = []
    if retired:
        besides.append(language.n("%(count)s retiré", "%(count)s retirés", retired))
    if stray:
        besides.append(language.n("%(count)s relevé sans être au registre", "%(count)s relevés sans être au registre", stray))
    if not besides:
        return f"{said}."
    return language.t("%(said)s ; le tableau liste aussi %(besides)s.", said=said, besides=language.listed(besides))


def parts_said(content: Overview, words: Words) -> str:
    """List the parts of the CO2e, each with what is known of it."""
    headline, language = content.headline, words.language
    column = words.co2e_column(headline)
    said = []
    for part in dict.fromkeys((*headline.parts, *headline.lacking)):
        known, lacking = headline.breakdown.get(part), headline.lacking.get(part)
        name = language.of(wording.CO2E_PARTS, part)
        amount = column.amount(known) if known is not None and known.value is not None else ""
        reason = language.of(wording.REASONS, lacking) if lacking else ""
        said.append(f"{name}{language.t(' : ')}{', '.join(text for text in (amount, reason) if text)}")
    return language.t(" ; ").join(said)


def _shares(microjoules: Mapping[str, int]) -> dict[str, float]:
    whole = sum(microjoules.values())
    return {origin: microjoules[origin] / whole for origin in _ORIGINS if whole and microjoules.get(origin)}


def points(content: Overview, words: Words, reading: Reading) -> list[PointLine]:
    """Say what to look at."""
    found: tuple[Point, ...] = content.whole.attention.points if content.whole is not None else ()
    return [point_line(point, words) for point in found if not point.service or reading.may_see(point.service)]


def sure(content: Overview, words: Words) -> list[tuple[str, str]]:
    """List how sure the figures are: each a term and what is to be said of it."""
    language = words.language
    found: list[tuple[str, str]] = []
    for name, quantity in ((language.t("Énergie"), content.energy), (language.t("CO₂e"), content.headline.co2e)):
        code, interval = certainty(quantity), words.interval(quantity)
        if code is not None and interval:
            said = language.t("Intervalle à 95 %% : %(interval)s.", interval=interval)
            found.append((name, f"{words.say(wording.CERTAINTY, code)} {said}"))
    change = content.energy_change
    if change is not None and change.value is not None:
        found.append(
            (
                language.t("Écart d’énergie"),
                language.t(
                    "%(change)s : un écart est plus sûr que chaque total, ce que les compteurs ont d’erreur s’y annule.",
                    change=words.evolution(change),
                ),
            )
        )
    if content.whole is not None:
        found.append((language.t("Services"), words.ways_of_counting))
        found.append((language.t("Compteurs"), words.wall_said))
    return [(name, f"{text[:1].upper()}{text[1:]}") for name, text in found]
