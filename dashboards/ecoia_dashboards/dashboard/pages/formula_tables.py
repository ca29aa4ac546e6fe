"""Tabulate the formula of a selection: its steps from what was recorded to the total, and its terms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ecoia.exploring import FormulaTerm
from ecoia.report import Quantity
from ecoia.units import MICROJOULES_PER_KWH
from ecoia_dashboards import wording
from ecoia_dashboards.dashboard.page import Reading
from ecoia_dashboards.dashboard.tables import FIGURE, Cell, Heading, Table
from ecoia_dashboards.language import Language

if TYPE_CHECKING:
    from ecoia_dashboards.dashboard.pages.formula import Formula

_PER_KWH = "gCO2e/kWh"


def exact(value: float, unit: str, language: Language) -> str:
    """Write every digit of a number, so that it can be copied and computed with."""
    return language.with_unit(repr(value).replace(".", "," if language.code == "fr" else "."), unit)


def steps_table(content: Formula, language: Language) -> Table:
    """Tabulate the way from what was recorded to the total, one operation a line."""
    headings = (
        Heading(language.t("Étape")),
        Heading(language.t("Opération")),
        Heading(language.t("Résultat"), FIGURE),
        Heading(language.t("Intervalle à 95 %%"), FIGURE),
        Heading(language.t("Valeur complète"), FIGURE),
    )
    title = language.t("De l’énergie relevée au CO₂e, étape par étape")
    return Table(
        "steps",
        title,
        headings,
        tuple(_steps(content, language)),
        language.t("La dernière colonne a tous les chiffres, à copier"),
    )


def _steps(content: Formula, language: Language) -> Iterator[tuple[Cell, ...]]:
    joules = language.with_unit(str(content.microjoules), "µJ")
    counted = language.n("Σ d’%(count)s terme", "Σ de %(count)s termes", len(content.terms))
    yield language.t("Énergie relevée"), counted, *_amount(content.energy_components, language), joules
    it_kwh = sum(each.microjoules * (each.wall_factor or 1.0) for each in content.terms) / MICROJOULES_PER_KWH
    components, energy = content.energy_components.value or 0.0, content.energy.value or 0.0
    if any(each.wall_factor is not None for each in content.terms):
        said = language.t("× %(factor)s, facteur de prise moyen", factor=language.number(it_kwh / components, 5))
    else:
        said = language.t("× 1 : aucun étalonnage, donc sans alimentation, ventilation ni disques")
    yield language.t("À la prise"), said, language.amount(Quantity(it_kwh, "kWh")), None, exact(it_kwh, "kWh", language)
    factor = language.number(energy / it_kwh if it_kwh else 1.0, 5)
    said = {
        "it": language.t("× 1 : aucun PUE n’est connu, donc hors bâtiment"),
        "part": language.t("× %(factor)s, PUE moyen (inconnu pour une partie, comptée hors bâtiment)", factor=factor),
        "site": language.t("× %(factor)s, PUE moyen", factor=factor),
    }[content.boundary]
    yield language.t("Énergie"), said, *_amount(content.energy, language), exact(energy, "kWh", language)
    yield from _carbon_steps(content, energy, language)


def _carbon_steps(content: Formula, energy: float, language: Language) -> Iterator[tuple[Cell, ...]]:
    used = content.co2e_operational
    said = "—"
    if used.value is not None and energy:
        factor = Quantity(1000 * used.value / energy, _PER_KWH)
        said = language.t("× %(factor)s, facteur moyen du réseau", factor=language.amount(factor, 5))
    yield language.t("CO₂e d’usage"), said, *_known(used, language)
    making = language.t("+ part des machines qui tombe dans la période")
    if content.making:
        making = language.n(
            "+ part d’%(count)s machine, ci-dessous", "+ parts de %(count)s machines, ci-dessous", len(content.making)
        )
    yield (
        language.t("Fabrication"),
        making,
        *_known(content.co2e_embodied, language),
    )
    yield (
        language.t("Modèles externes"),
        language.t("+ jetons produits × estimation par modèle"),
        *_known(content.co2e_api, language),
    )
    whole = content.headline.co2e
    said = language.t("= somme de ce qui est connu : au moins") if content.headline.is_lower_bound else language.t("= somme")
    yield language.t("CO₂e"), said, *_known(whole, language)


def _known(quantity: Quantity, language: Language) -> tuple[str | None, ...]:
    if quantity.value is None:
        return language.of(wording.REASONS, quantity.reason or "no-data"), None, None
    return *_amount(quantity, language), exact(quantity.value, quantity.unit, language)


def _amount(quantity: Quantity, language: Language) -> tuple[str, str | None]:
    return language.amount(quantity), language.interval(quantity)


def terms_table(content: Formula, reading: Reading, language: Language) -> Table:
    """Tabulate the terms, and below them their sums beside the figures of the page."""
    headings = (
        Heading(language.t("Composant, et comment il est connu")),
        Heading(language.t("Relevé, µJ"), FIGURE),
        Heading(language.t("× prise"), FIGURE),
        Heading(language.t("× PUE"), FIGURE),
        Heading(language.t("= énergie"), FIGURE),
        Heading(language.t("× facteur"), FIGURE),
        Heading(language.t("= CO₂e d’usage"), FIGURE),
        Heading(language.t("Site, zone et source du facteur")),
    )
    sites = {site.id: site.name or site.id for site in reading.report.sites if site.id}
    lines = tuple(_line(each, sites, language) for each in content.terms)
    sums = content.sums
    kg = Quantity(sums.kg, "kgCO2e", reason=None if sums.kg is not None else content.co2e_operational.reason)
    foot = (
        (language.t("Somme des termes"), sums.microjoules, None, None, Quantity(sums.energy_kwh, "kWh"), None, kg, None),
        (
            language.t("Chiffre de la page"),
            content.microjoules,
            None,
            None,
            Quantity(content.energy.value, "kWh", reason=content.energy.reason),
            None,
            Quantity(content.co2e_operational.value, "kgCO2e", reason=content.co2e_operational.reason),
            language.t("égal") if content.agree else language.t("différent"),
        ),
    )
    title = (
        language.t("Énergie et CO₂e d’usage : les termes s’additionnent exactement au chiffre de la page")
        if content.agree
        else language.t("Les termes ne s’additionnent pas au chiffre de la page : ne pas s’y fier")
    )
    return Table("terms", title, headings, lines, language.t("Une ligne par composant, méthode, site et facteur"), foot)


def _line(term: FormulaTerm, sites: dict[str, str], language: Language) -> tuple[Cell, ...]:
    how = f"{language.of(wording.METHODS, term.method)}, {language.of(wording.STATUSES, term.status)}"
    factor = Quantity(term.factor_g_per_kwh, _PER_KWH, reason="no-zone" if not term.zone else "no-factor")
    return (
        f"{language.of(wording.COMPONENTS, term.component)}{language.t(' : ')}{how}",
        term.microjoules,
        "1" if term.wall_factor is None else language.plain(term.wall_factor),
        "1" if term.pue is None else language.plain(term.pue),
        Quantity(term.energy_kwh, "kWh"),
        factor if term.microjoules else None,
        Quantity(term.kg, "kgCO2e", reason=factor.reason),
        _where(term, sites, language),
    )


def _where(term: FormulaTerm, sites: dict[str, str], language: Language) -> str:
    said = [sites.get(term.site, term.site) or language.t("hors de tout site déclaré")]
    said.append(language.zone(term.zone) if term.zone else language.t("zone inconnue"))
    if term.factor_source:
        said.append(f"{term.factor_source} {term.factor_year} ({term.factor_set})")
    return " · ".join(said)
