"""Models that others host: tokens, CO2e where it is estimated, and the calls that have no estimate, with why."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ecoia.exploring import HostedUse
from ecoia.impact.hosted import ESTIMATED, UNMEASURED
from ecoia.impact.hosted_estimates import PROVIDER_ALIASES, Hypotheses
from ecoia.report import Quantity
from ecoia.report.quantities import ranged
from ecoia.semconv import PROVIDER_PHASES
from ecoia_dashboards import wording
from ecoia_dashboards.cleaning import clean
from ecoia_dashboards.dashboard.figures.model_bars import model_bars
from ecoia_dashboards.dashboard.page import Figure, Page, Reading, Shown
from ecoia_dashboards.dashboard.pieces.narrowing import check_names
from ecoia_dashboards.dashboard.tables import FIGURE, TEXT, Cell, Heading, Link, Table
from ecoia_dashboards.dashboard.view import period_text
from ecoia_dashboards.language import Language
from ecoia_dashboards.sums import added
from ecoia_dashboards.wording import N_

REMEDIES = {
    "no-ecologits": N_("Installer « ecoia[api] » là où les rapports sont faits : le passé sera estimé aussi."),
    "drifting-name": N_("Dans le code appelant, nommer la version exacte du modèle."),
    "unknown-model": N_("Vérifier le fournisseur et le nom du modèle, ou mettre EcoLogits à jour."),
    "input-only": N_("Rien à faire : un appel sans jeton produit (plongement) n’a pas de modèle d’estimation."),
    "not-metered": N_("Mesurer la machine qui sert ce modèle : « ecoia doctor » y dit ce qui manque."),
}
"""What whoever runs ecoia can do about tokens without an estimate (``impact.hosted.WHY_UNMEASURED``)."""


@dataclass(frozen=True)
class Hosted:
    """The data of the page.

    Attributes:
        co2e: CO2e of what is estimated; None of it is left out, nothing that has no estimate is in it.
        reason: Why the whole is not known, a code of reasons; None where it is.
        uses: Tokens by service, phase and model.
        units: Functional units of each service in the period, where they are counted; calls themselves are not.
        hypotheses: What the estimates of the quarter rest on.
    """

    co2e: Quantity
    reason: str | None
    uses: tuple[HostedUse, ...]
    units: Mapping[str, float]
    hypotheses: tuple[Hypotheses, ...]

    def of(self, standing: str) -> list[HostedUse]:
        """Return the uses of a standing."""
        return [each for each in self.uses if each.standing == standing]


def read(reading: Reading) -> Hosted:
    """Read the page's data."""
    check_names(reading)
    whole = reading.explorer.selected(reading.selection)
    uses = tuple(clean(each) for each in reading.explorer.hosted(reading.selection))
    estimated = [each for each in uses if each.standing == ESTIMATED]
    used = {(name, each.model) for each in estimated for name in (each.provider, PROVIDER_ALIASES.get(each.provider))}
    hypotheses = tuple(each for each in reading.report.model_hypotheses if (each.provider, each.model) in used)
    known = whole.headline.breakdown.get("co2e_api", whole.co2e_api)
    return Hosted(known, whole.headline.lacking.get("co2e_api"), uses, _units(uses, reading), hypotheses)


def _units(uses: Sequence[HostedUse], reading: Reading) -> dict[str, float]:
    """Return the units of each service, where no phase is left out of them."""
    services = sorted({each.service for each in uses if each.service})
    found = {service: reading.explorer.selected(reading.selection.only(services=(service,))).units for service in services}
    return {service: units for service, units in found.items() if units}


def show(content: Hosted, reading: Reading, language: Language) -> Shown:
    """Say it in words."""
    estimated, unmeasured = content.of(ESTIMATED), content.of(UNMEASURED)
    chart = model_bars(_by_model(estimated), language)
    subtitle = language.t("CO₂e estimé par EcoLogits d’après les jetons produits, bâtiment et serveurs du fournisseur compris")
    figures = {} if chart is None else {"models": Figure(chart, subtitle)}
    tables = {"uses": _uses(content, reading, language)}
    if unmeasured:
        tables["unmeasured"] = _unmeasured(unmeasured, reading, language)
    if content.hypotheses:
        tables["hypotheses"] = _hypotheses(content, language)
    values = {
        "content": content,
        "tokens_in": sum(each.tokens_in for each in content.uses),
        "tokens_out": sum(each.tokens_out for each in content.uses),
    }
    return Shown(_sentence(content, reading, language), _lead(content, language), figures, tables, values)


def _by_model(uses: Sequence[HostedUse]) -> list[tuple[str, Quantity]]:
    """Add up the CO2e of each model; all calls to one model share its error."""
    found: dict[str, list[Quantity]] = {}
    for each in uses:
        found.setdefault(each.model, []).append(each.co2e)
    return [(model, added(parts, "kgCO2e")) for model, parts in found.items()]


def _sentence(content: Hosted, reading: Reading, language: Language) -> str:
    period = period_text(reading.period, language)
    if not content.uses:
        return language.t("Aucun appel à un modèle externe n’est enregistré (%(period)s).", period=period)
    estimated, unmeasured = content.of(ESTIMATED), content.of(UNMEASURED)
    if not estimated and not unmeasured:
        return language.t(
            "Aucun modèle externe : ceux qui sont appelés tournent sur des machines déjà mesurées (%(period)s).", period=period
        )
    if content.co2e.value is None or not estimated:
        return language.t("Les modèles externes sont appelés, mais leur CO₂e n’est pas estimé (%(period)s).", period=period)
    amount = language.amount(content.co2e)
    if unmeasured:
        return language.t(
            "Les modèles externes ont émis au moins %(amount)s de CO₂e estimé (%(period)s) : des appels n’ont pas d’estimation.",
            amount=amount,
            period=period,
        )
    return language.t(
        "Les modèles externes ont émis %(amount)s de CO₂e, estimé et non mesuré (%(period)s).", amount=amount, period=period
    )


def _lead(content: Hosted, language: Language) -> str:
    if not content.uses:
        return ""
    said = [
        language.t(
            "Personne ne mesure ces serveurs ici : le CO₂e est estimé d’après les jetons (fragments de mots) produits et le "
            "nombre d’appels. Une analyse publiée (Mistral Large 2, juillet 2025) trouve 24 fois plus : la borne haute l’intègre."
        )
    ]
    if any(each.is_lower_bound for each in content.uses):
        said.append(language.t("Des appels n’ont pas été dénombrés : seuls leurs jetons comptent, et le CO₂e est un minimum."))
    unmeasured = content.of(UNMEASURED)
    if unmeasured:
        tokens = sum(each.tokens_in + each.tokens_out for each in unmeasured)
        models = len({(each.provider, each.model) for each in unmeasured})
        said.append(
            language.n(
                "%(count)s modèle est sans estimation, avec %(tokens)s jetons.",
                "%(count)s modèles sont sans estimation, avec %(tokens)s jetons.",
                models,
                tokens=language.whole(tokens),
            )
        )
    return " ".join(said)


def _where(it: HostedUse, reading: Reading, language: Language) -> Cell:
    """Lead to the service that calls a model."""
    phase = language.of(wording.PHASES, it.phase)
    if not it.service:
        return language.t("aucun service, %(phase)s", phase=phase)
    return Link(reading.names.get(it.service, it.service), f"/services/{it.service}", phase)


def _uses(content: Hosted, reading: Reading, language: Language) -> Table:
    """Tabulate every use, with its standing; the sum stands below."""
    uses = sorted(content.uses, key=lambda each: (-(each.co2e.value or 0.0), -each.tokens_out, each.service, each.model))
    lines: tuple[tuple[Cell, ...], ...] = tuple(
        (
            _where(each, reading, language),
            language.t("%(provider)s, %(model)s", provider=each.provider, model=each.model),
            _requests(each, language),
            each.tokens_in,
            each.tokens_out,
            each.co2e if each.standing == ESTIMATED else None,
            each.energy if each.standing == ESTIMATED else None,
            each.water if each.standing == ESTIMATED else None,
            None if each.input_factor is None else language.t("× %(factor)s", factor=language.number(each.input_factor, 2)),
            _per_unit(each, content),
            _standing(each, language),
        )
        for each in uses
    )
    whole = [sum(getattr(each, name) for each in uses) for name in ("requests", "tokens_in", "tokens_out")]
    foot = ((language.t("Ensemble"), "", *whole, content.co2e, _sum(uses, "energy"), _sum(uses, "water"), None, None, ""),)
    headings = (
        Heading(language.t("Service")),
        Heading(language.t("Modèle")),
        Heading(language.t("Appels dénombrés"), FIGURE, less_important=True),
        Heading(language.t("Jetons reçus"), FIGURE, less_important=True),
        Heading(language.t("Jetons produits"), FIGURE),
        Heading(language.t("CO₂e estimé"), FIGURE),
        Heading(language.t("Énergie chez le fournisseur"), FIGURE, less_important=True),
        Heading(language.t("Eau"), FIGURE, less_important=True),
        Heading(language.t("× si les jetons reçus comptaient, au plus"), FIGURE, less_important=True),
        Heading(language.t("CO₂e par unité rendue"), FIGURE, less_important=True),
        Heading(language.t("Ce qu’il en est fait"), TEXT, less_important=True),
    )
    subtitle = language.t(
        "Jetons par service, phase et modèle ; énergie et eau sont celles du fournisseur, avec l’étendue des hypothèses, et "
        "n’entrent dans aucun total"
    )
    return Table("uses", _uses_title(content, reading, language), headings, lines, subtitle, foot)


def _requests(it: HostedUse, language: Language) -> Cell:
    """Count calls; say where some, or all, are of before they were counted."""
    if not it.uncounted_out:
        return it.requests
    return language.t("%(count)s et d’autres", count=language.whole(it.requests)) if it.requests else language.t("non dénombrés")


def _sum(uses: Sequence[HostedUse], name: str) -> Quantity | None:
    """Add up energy or water of the estimated uses; the ends of their ranges add up, as they share EcoLogits' hypotheses.

    There is no range where one of them is a point: how sure a point is, nobody knows.
    """
    parts: list[Quantity] = [getattr(each, name) for each in uses if each.standing == ESTIMATED]
    if not parts:
        return None
    value = math.fsum(each.value or 0.0 for each in parts)
    lows, highs = ([end for each in parts if (end := getattr(each, bound)) is not None] for bound in ("low", "high"))
    if len(lows) < len(parts) or len(highs) < len(parts):
        return Quantity(value, parts[0].unit)
    return Quantity(value, parts[0].unit, math.fsum(lows), math.fsum(highs))


def _per_unit(it: HostedUse, content: Hosted) -> Quantity | None:
    """Divide an estimate by the units of its service (exchanges, summaries), which calls serve; their own number is not kept."""
    units = content.units.get(it.service)
    if it.standing != ESTIMATED or not units or it.phase in PROVIDER_PHASES:
        return None
    value, low, high = (None if each is None else 1000 * each / units for each in (it.co2e.value, it.co2e.low, it.co2e.high))
    return Quantity(value, "gCO2e", low, high, it.co2e.reason)


def _uses_title(content: Hosted, reading: Reading, language: Language) -> str:
    produced: dict[str, int] = {}
    for each in content.uses:
        produced[each.service] = produced.get(each.service, 0) + each.tokens_out
    whole = sum(produced.values())
    if not whole:
        return language.t("Aucun jeton produit")
    first = max(sorted(produced), key=lambda service: produced[service])
    name = reading.names.get(first, first) or language.t("aucun service")
    return language.t("%(service)s : %(share)s des jetons produits", service=name, share=language.share(produced[first] / whole))


def _standing(it: HostedUse, language: Language) -> str:
    said = language.of(wording.STANDINGS, it.standing)
    return said if it.why is None else f"{said}{language.t(' : ')}{language.of(wording.WHY_UNMEASURED, it.why)}"


def _unmeasured(uses: Sequence[HostedUse], reading: Reading, language: Language) -> Table:
    """Tabulate the tokens without an estimate, why, and what would mend it."""
    lines: tuple[tuple[Cell, ...], ...] = tuple(
        (
            language.t("%(provider)s, %(model)s", provider=each.provider, model=each.model),
            _where(each, reading, language),
            each.tokens_in,
            each.tokens_out,
            each.rows,
            language.of(wording.WHY_UNMEASURED, each.why or ""),
            language.of(REMEDIES, each.why or ""),
        )
        for each in uses
    )
    headings = (
        Heading(language.t("Modèle")),
        Heading(language.t("Service"), less_important=True),
        Heading(language.t("Jetons reçus"), FIGURE, less_important=True),
        Heading(language.t("Jetons produits"), FIGURE, less_important=True),
        Heading(language.t("Lignes des relevés"), FIGURE, less_important=True),
        Heading(language.t("Pourquoi")),
        Heading(language.t("Remède")),
    )
    models = len({(each.provider, each.model) for each in uses})
    title = language.n("%(count)s modèle sans estimation", "%(count)s modèles sans estimation", models)
    return Table("unmeasured", title, headings, lines, language.t("Leur CO₂e est inconnu, et non pas nul"))


def _hypotheses(content: Hosted, language: Language) -> Table:
    """Tabulate what the estimates rest on; CO2e is of a million tokens produced."""
    lines: tuple[tuple[Cell, ...], ...] = tuple(
        (
            language.t("%(provider)s, %(model)s", provider=each.provider, model=each.model),
            *_supposed(each, language),
            ranged((each.low_kg, each.high_kg), "kgCO2e", None),
            ranged((1000 * each.request_low_kg, 1000 * each.request_high_kg), "gCO2e", None),
            _source(each, language),
        )
        for each in content.hypotheses
    )
    headings = (
        Heading(language.t("Modèle")),
        Heading(language.t("Paramètres (milliards)")),
        Heading(language.t("Architecture"), TEXT, less_important=True),
        Heading(language.t("Zone supposée"), TEXT, less_important=True),
        Heading(language.t("PUE, WUE supposés"), TEXT, less_important=True),
        Heading(language.t("CO₂e par million de jetons produits"), FIGURE),
        Heading(language.t("CO₂e par appel"), FIGURE),
        Heading(language.t("Source"), TEXT, less_important=True),
    )
    subtitle = language.t("L’intervalle est celui des hypothèses d’EcoLogits ; celui du total y ajoute l’erreur du modèle")
    return Table("hypotheses", language.t("Ce que les estimations supposent"), headings, lines, subtitle)


def _supposed(it: Hypotheses, language: Language) -> tuple[Cell, ...]:
    """Say what EcoLogits supposes of a model and its servers; nothing where the provider says what calls take."""
    if it.source:
        return (None,) * 4
    zone = language.zone(it.zone)
    return (
        _parameters(it, language),
        language.t("publiée") if it.architecture_published else language.t("non publiée"),
        language.t("%(zone)s, d’un autre fournisseur", zone=zone) if it.zone_of_another else zone,
        language.t("%(pue)s ; %(wue)s L/kWh", pue=it.pue, wue=it.wue),
    )


def _source(it: Hypotheses, language: Language) -> str:
    if not it.source:
        return f"EcoLogits {it.ecologits_version}"
    return language.t("%(source)s, %(day)s", source=it.source, day=language.day(it.dated))


def _parameters(it: Hypotheses, language: Language) -> str:
    if it.active_parameters == it.total_parameters:
        return it.total_parameters
    return language.t("%(total)s, dont %(active)s actifs", total=it.total_parameters, active=it.active_parameters)


PAGE = Page("llm", "/llm", N_("Modèles externes"), read, show, filters=("service", "phase", "site", "instance"))
