"""Tabulate what figures rest on: emission factors, figures of sites, equipment, calibrations, contracts, errors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ecoia.report import FactorUsed, FigureUsed, Quantity
from ecoia_dashboards import wording
from ecoia_dashboards.dashboard.tables import FIGURE, Cell, Heading, Table
from ecoia_dashboards.language import SHARE_UNIT
from ecoia_dashboards.pages.summary import Summary

_PER_KWH = "gCO2e/kWh"
_EVERYWHERE = ("*",)


def method_tables(words: Summary) -> Iterator[Table]:
    """Give every table, also those without a line."""
    yield _factors(words)
    yield _site_figures(words)
    yield _equipment(words)
    yield _calibrations(words)
    yield _contracts(words)
    yield _deviations(words)


def _factors(words: Summary) -> Table:
    language, report = words.language, words.report
    headings = (
        Heading(language.t("Zone")),
        Heading(language.t("Moyenne sur l’énergie"), FIGURE),
        Heading(language.t("Plus petite valeur"), FIGURE),
        Heading(language.t("Plus grande valeur"), FIGURE),
        Heading(language.t("Année")),
        Heading(language.t("Portée")),
        Heading(language.t("Source")),
        Heading(language.t("Licence")),
    )
    lines: tuple[tuple[Cell, ...], ...] = tuple(
        (
            f"{language.zone(each.zone)} ({each.zone})",
            *(Quantity(g, _PER_KWH) for g in (each.value_g_per_kwh, each.least_g_per_kwh, each.greatest_g_per_kwh)),
            _year(each, words),
            f"{language.of(wording.SCOPES, each.scope)}, {language.of(wording.BASES, each.basis)}",
            _factor_source(each, words),
            each.licence,
        )
        for each in report.factors_of_quarter
    )
    title = language.n("%(count)s facteur d’émission", "%(count)s facteurs d’émission", len(lines))
    subtitle = language.t("%(quarter)s · valeurs de demi-heures, pondérées par l’énergie employée", quarter=words.quarter)
    return Table("factors", title, headings, lines, subtitle)


def _year(factor: FactorUsed, words: Summary) -> str:
    language, said = words.language, [str(factor.year)]
    if not factor.same_year:
        said.append(language.t("autre année que le trimestre"))
    if factor.filled:
        said.append(language.t("trou comblé %(rule)s", rule=language.of(wording.FILLS, factor.filled)))
    return ", ".join(said)


def _factor_source(factor: FactorUsed, words: Summary) -> str:
    language = words.language
    said = language.t(
        "%(source)s (jeu « %(set)s », édition %(release)s)", source=factor.source, set=factor.factor_set, release=factor.release
    )
    if factor.retrieved_on:
        said += ", " + language.t("relevé le %(day)s", day=language.day(factor.retrieved_on))
    return said


def _site_figures(words: Summary) -> Table:
    language, report = words.language, words.report
    headings = (
        Heading(language.t("Site")),
        Heading(language.t("Chiffre")),
        Heading(language.t("Valeur"), FIGURE),
        Heading(language.t("Qualité")),
        Heading(language.t("Validité")),
        Heading(language.t("Source")),
    )
    lines = tuple(
        (
            words.site(each.site),
            language.of(wording.FIGURES, each.kind),
            Quantity(each.value, "kWh/kWh" if each.kind == "pue" else "L/kWh"),
            language.of(wording.QUALITIES, each.quality),
            words.validity(each),
            _dated(each.source, each.dated, words),
        )
        for each in report.site_figures
    )
    return Table("site_figures", _sites_title(report.site_figures, words), headings, lines)


def _sites_title(figures: Sequence[FigureUsed], words: Summary) -> str:
    language = words.language
    generic = sum(each.quality == "default" for each in figures)
    whole = language.n("%(count)s chiffre de site", "%(count)s chiffres de sites", len(figures))
    if not generic:
        return language.t("%(figures)s, aucun générique", figures=whole)
    return language.n("%(figures)s, dont %(count)s générique", "%(figures)s, dont %(count)s génériques", generic, figures=whole)


def _dated(source: str, day: str, words: Summary) -> str:
    return f"{source} ({words.language.day(day)})" if day else source


def _equipment(words: Summary) -> Table:
    language, report = words.language, words.report
    headings = (
        Heading(language.t("Équipement")),
        Heading(language.t("Machines")),
        Heading(language.t("Fabrication"), FIGURE),
        Heading(language.t("Durée de vie, ans"), FIGURE),
        Heading(language.t("Part réservée"), FIGURE),
        Heading(language.t("Ce trimestre"), FIGURE),
        Heading(language.t("Usage")),
        Heading(language.t("Source")),
    )
    lines = tuple(
        (
            each.name or each.id,
            ", ".join(each.instances + each.devices),
            Quantity(each.co2e_kg, "kgCO2e"),
            language.plain(each.life_years),
            Quantity(each.reserved_share, SHARE_UNIT),
            Quantity(each.quarter_micrograms / 1e9, "kgCO2e"),
            words.validity(each),
            _dated(each.source, each.dated, words),
        )
        for each in report.equipment
    )
    whole = Quantity(sum(each.quarter_micrograms for each in report.equipment) / 1e9, "kgCO2e")
    title = language.n(
        "Fabrication : %(amount)s ce trimestre, d’%(count)s équipement",
        "Fabrication : %(amount)s ce trimestre, de %(count)s équipements",
        len(lines),
        amount=language.amount(whole),
    )
    subtitle = language.t(
        "%(quarter)s · fabrication × durée d’usage dans le trimestre / durée de vie × part réservée", quarter=words.quarter
    )
    return Table("equipment", title, headings, lines, subtitle)


def _calibrations(words: Summary) -> Table:
    language, report = words.language, words.report
    headings = (
        Heading(language.t("Composant")),
        Heading(language.t("Énergie à la prise / énergie du composant"), FIGURE),
        Heading(language.t("Dispersion"), FIGURE),
        Heading(language.t("Machines")),
        Heading(language.t("Validité")),
        Heading(language.t("Source")),
    )
    lines = tuple(
        (
            language.of(wording.COMPONENTS, each.component),
            language.plain(each.wall_factor),
            None if each.gsd is None else language.plain(each.gsd),
            _machines(each.instances, words),
            words.validity(each),
            _dated(each.source, each.measured_on, words),
        )
        for each in report.calibrations
    )
    title = language.n("%(count)s étalonnage à la prise", "%(count)s étalonnages à la prise", len(lines))
    return Table("calibrations", title, headings, lines)


def _machines(instances: Sequence[str], words: Summary) -> str:
    return words.language.t("toutes") if tuple(instances) == _EVERYWHERE else ", ".join(instances)


def _contracts(words: Summary) -> Table:
    language, report = words.language, words.report
    headings = (
        Heading(language.t("Fournisseur")),
        Heading(language.t("Facteur"), FIGURE),
        Heading(language.t("Part couverte"), FIGURE),
        Heading(language.t("Zone")),
        Heading(language.t("Machines")),
        Heading(language.t("Validité")),
        Heading(language.t("Preuve")),
    )
    lines = tuple(
        (
            each.supplier,
            Quantity(each.gco2e_per_kwh, _PER_KWH),
            Quantity(each.share, SHARE_UNIT),
            language.zone(each.zone),
            _machines(each.instances, words),
            words.validity(each),
            each.evidence,
        )
        for each in report.contracts
    )
    market = report.totals.co2e_operational_market
    title = language.n("%(count)s contrat d’électricité", "%(count)s contrats d’électricité", len(lines))
    subtitle = language.t(
        "CO₂e d’usage selon les contrats (market-based) : %(amount)s, à côté du chiffre selon le lieu, dans aucun total",
        amount=words.amount(market),
    )
    return Table("contracts", title, headings, lines, subtitle)


def _deviations(words: Summary) -> Table:
    language, report = words.language, words.report
    headings = (
        Heading(language.t("Source d’erreur")),
        Heading(language.t("Dispersion"), FIGURE),
        Heading(language.t("Par défaut"), FIGURE),
    )
    lines = tuple(
        (language.of(wording.DEVIATIONS, each.name), language.plain(each.gsd), language.plain(each.default))
        for each in report.deviations
    )
    changed = sum(each.gsd != each.default for each in report.deviations)
    title = (
        language.n(
            "Sources d’erreur : %(count)s dispersion n’est pas celle de la méthode",
            "Sources d’erreur : %(count)s dispersions ne sont pas celles de la méthode",
            changed,
        )
        if changed
        else language.t("Sources d’erreur : toutes les dispersions sont celles de la méthode")
    )
    subtitle = language.t("Dispersion (écart-type géométrique) : 1,25 veut dire « à 25 %% près, deux fois sur trois »")
    note = (
        language.t("L’organisation en a changé, pour ce motif : %(because)s", because=report.deviations_because)
        if changed and report.deviations_because
        else ""
    )
    return Table("deviations", title, headings, lines, subtitle, note=note)
