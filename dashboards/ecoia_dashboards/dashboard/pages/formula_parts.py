"""Tabulate the parts of a figure that no energy of the selection gives: making of equipment, models that others host."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ecoia.exploring import HostedUse
from ecoia.impact.embodied import MICROGRAMS_PER_KG
from ecoia.report import Quantity
from ecoia_dashboards.cleaning import clean
from ecoia_dashboards.dashboard.page import Reading
from ecoia_dashboards.dashboard.tables import FIGURE, Cell, Heading, Table
from ecoia_dashboards.language import SHARE_UNIT, Language

if TYPE_CHECKING:
    from ecoia_dashboards.dashboard.pages.formula import Formula

_MILLION = 1_000_000
_CLOSE = 1e-9
"""Both sides of a sum are of the same numbers, in another order."""


def _kg(micrograms: int) -> Quantity:
    return Quantity(micrograms / MICROGRAMS_PER_KG, "kgCO2e")


def making_table(content: Formula, reading: Reading, language: Language) -> Table:
    """Tabulate what the selection bears of each piece of equipment."""
    names = {each.id: each.name or each.id for each in reading.catalogue.equipment}
    lines: tuple[tuple[Cell, ...], ...] = tuple(
        (
            clean(names.get(each.equipment, each.equipment)),
            _kg(each.whole_micrograms),
            Quantity(each.micrograms / each.whole_micrograms, SHARE_UNIT),
            _kg(each.micrograms),
        )
        for each in content.making
    )
    wholes, borne = (sum(getattr(each, name) for each in content.making) for name in ("whole_micrograms", "micrograms"))
    figure = content.co2e_embodied
    shown = Quantity(figure.value, figure.unit, reason=figure.reason)
    agree = figure.value is not None and math.isclose(borne / MICROGRAMS_PER_KG, figure.value, rel_tol=_CLOSE)
    foot: tuple[tuple[Cell, ...], ...] = (
        (language.t("Somme des parts"), _kg(wholes), None, _kg(borne)),
        (language.t("Chiffre de la page"), None, language.t("égal") if agree else language.t("différent"), shown),
    )
    headings = (
        Heading(language.t("Équipement")),
        Heading(language.t("Fabrication dans la période"), FIGURE),
        Heading(language.t("× part de l’énergie"), FIGURE),
        Heading(language.t("= fabrication"), FIGURE),
    )
    title = language.t("Fabrication : la part de chaque machine, au prorata de l’énergie que la sélection y a prise")
    note = language.t(
        "Vient du parc déclaré (page Méthode), pas des relevés : les lignes de relevés ne portent que l’énergie et le CO₂e "
        "d’usage."
    )
    return Table("making", title, headings, lines, "", foot, note)


def hosted_table(content: Formula, reading: Reading, language: Language) -> Table:
    """Tabulate tokens x factor = CO2e of each use of a hosted model."""
    lines: tuple[tuple[Cell, ...], ...] = tuple(
        (
            language.t("%(provider)s, %(model)s", provider=each.provider, model=each.model),
            reading.names.get(each.service, each.service) or language.t("aucun service"),
            each.tokens_out,
            None if each.kg_per_million is None else Quantity(each.kg_per_million, "kgCO2e"),
            language.t("non dénombrés") if each.uncounted_out and not each.requests else each.requests,
            None if each.kg_per_request is None else Quantity(each.kg_per_request, "kgCO2e"),
            None if each.kg_per_million is None else Quantity(_of_calls(each), "kgCO2e"),
        )
        for each in content.hosted
    )
    total = math.fsum(map(_of_calls, content.hosted))
    figure = content.co2e_api.value
    agree = figure is not None and math.isclose(total, figure, rel_tol=_CLOSE)
    foot: tuple[tuple[Cell, ...], ...] = (
        (
            language.t("Somme des modèles"),
            "",
            sum(each.tokens_out for each in content.hosted),
            None,
            sum(each.requests for each in content.hosted),
            None,
            Quantity(total, "kgCO2e"),
        ),
        (
            language.t("Chiffre de la page"),
            "",
            None,
            None,
            None,
            language.t("égal") if agree else language.t("différent"),
            Quantity(figure, "kgCO2e", reason=content.co2e_api.reason),
        ),
    )
    headings = (
        Heading(language.t("Modèle")),
        Heading(language.t("Service")),
        Heading(language.t("Jetons produits"), FIGURE),
        Heading(language.t("× CO₂e par million de jetons"), FIGURE),
        Heading(language.t("+ appels"), FIGURE),
        Heading(language.t("× CO₂e par appel"), FIGURE),
        Heading(language.t("= CO₂e"), FIGURE),
    )
    title = language.t("Modèles externes : jetons produits et appels × facteurs du modèle (EcoLogits)")
    return Table("hosted", title, headings, lines, "", foot)


def _of_calls(it: HostedUse) -> float:
    """Return the CO2e of a use in kg: so much a token produced, a request and, where its provider says so, a token read in."""
    tokens = it.tokens_out * (it.kg_per_million or 0.0) + it.tokens_in * (it.kg_per_million_in or 0.0)
    return tokens / _MILLION + it.requests * (it.kg_per_request or 0.0)
