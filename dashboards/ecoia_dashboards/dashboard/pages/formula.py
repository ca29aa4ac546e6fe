"""Where a figure comes from: the formula of any selection with its numbers filled in, term by term."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ecoia.exploring import FormulaTerm, HostedUse, MakingPart, Selected
from ecoia.impact.hosted import ESTIMATED
from ecoia.report import Headline, Quantity
from ecoia_dashboards import wording
from ecoia_dashboards.cleaning import clean
from ecoia_dashboards.dashboard.page import Page, Reading, Shown
from ecoia_dashboards.dashboard.pages.formula_errors import ErrorInUse, errors_in_use, errors_table
from ecoia_dashboards.dashboard.pages.formula_parts import hosted_table, making_table
from ecoia_dashboards.dashboard.pages.formula_tables import steps_table, terms_table
from ecoia_dashboards.dashboard.view import period_text
from ecoia_dashboards.language import Language
from ecoia_dashboards.wording import N_

FILTERS = ("service", "phase", "site", "region", "instance", "method", "run")
_CLOSE = 1e-12
"""Sums of the same numbers in another order differ by less, relatively: the last digit of a float."""


@dataclass(frozen=True)
class Sums:
    """Sums of the terms of the formula. ``kg`` is None where some term has no emission factor."""

    microjoules: int
    energy_kwh: float
    kg: float | None

    @classmethod
    def of(cls, terms: Sequence[FormulaTerm]) -> Sums:
        """Add up terms."""
        kg = [each.kg for each in terms if each.kg is not None]
        return cls(
            sum(each.microjoules for each in terms),
            math.fsum(each.energy_kwh for each in terms),
            math.fsum(kg) if kg and len(kg) == len(terms) else None,
        )


@dataclass(frozen=True)
class Formula:
    """The data of the page: the figures of a selection, and the terms that they are the sums of.

    ``agree`` says whether the sums of the terms are the figures: to the microjoule before any factor, to the last digit after.
    """

    microjoules: int
    energy_components: Quantity
    energy: Quantity
    boundary: str
    co2e_operational: Quantity
    co2e_embodied: Quantity
    co2e_api: Quantity
    headline: Headline
    terms: tuple[FormulaTerm, ...]
    making: tuple[MakingPart, ...]
    hosted: tuple[HostedUse, ...]
    sums: Sums
    agree: bool
    errors: tuple[ErrorInUse, ...]
    rows: int


def read(reading: Reading) -> Formula:
    """Read the terms of a selection."""
    selected = reading.explorer.selected(reading.selection)
    terms = tuple(reading.explorer.formula(reading.selection))
    sums = Sums.of(terms)
    return Formula(
        selected.microjoules,
        selected.energy_components,
        selected.energy,
        selected.boundary,
        selected.co2e_operational,
        selected.co2e_embodied,
        selected.co2e_api,
        selected.headline,
        terms,
        tuple(reading.explorer.making(reading.selection)),
        tuple(clean(each) for each in _hosted(selected, reading) if each.standing == ESTIMATED),
        sums,
        _agree(sums, selected),
        errors_in_use(terms, reading),
        reading.explorer.rows(reading.selection, None, 1).count,
    )


def _hosted(selected: Selected, reading: Reading) -> list[HostedUse]:
    """List the uses of hosted models behind the figure; none where tokens do not split like the selection."""
    return [] if selected.co2e_api.value is None else reading.explorer.hosted(reading.selection)


def _agree(sums: Sums, selected: Selected) -> bool:
    """Return whether the terms add up to the figures."""
    energy, kg = selected.energy.value, selected.co2e_operational.value
    return (
        sums.microjoules == selected.microjoules
        and math.isclose(sums.energy_kwh, energy or 0.0, rel_tol=_CLOSE)
        and (kg is None or (sums.kg is not None and math.isclose(sums.kg, kg, rel_tol=_CLOSE)))
    )


def show(content: Formula, reading: Reading, language: Language) -> Shown:
    """Say where the figure comes from."""
    period = period_text(reading.period, language)
    parts = [making_table(content, reading, language)] if content.making else []
    if content.hosted:
        parts.append(hosted_table(content, reading, language))
    if not content.terms:
        sentence = language.t("Aucune énergie n’est connue de cette sélection, %(period)s.", period=period)
        if content.hosted:
            sentence = language.t(
                "Aucune énergie n’est relevée : %(amount)s viennent de modèles externes, jetons produits × facteur.",
                amount=language.amount(content.co2e_api),
            )
        return Shown(sentence, tables={each.id: each for each in parts}, values={"content": content, "period": period})
    energy = (steps_table(content, language), terms_table(content, reading, language))
    tables = (*energy, *parts, errors_table(content.errors, language))
    return Shown(
        _sentence(content, language),
        _lead(content, language),
        tables={each.id: each for each in tables},
        values={"content": content, "period": period},
    )


def _sentence(content: Formula, language: Language) -> str:
    column = language.column([content.energy, content.energy_components])
    amounts = {"energy": column.amount(content.energy), "components": column.amount(content.energy_components)}
    ratio = (content.energy.value or 0.0) / content.energy_components.value if content.energy_components.value else 1.0
    if math.isclose(ratio, 1.0, rel_tol=_CLOSE):
        return language.t("%(energy)s, relevés sur les composants, sans rien d’ajouté.", **amounts)
    calibrated = any(each.wall_factor is not None for each in content.terms)
    building = content.boundary != "it"
    why = language.listed(
        said for said, holds in ((language.t("la prise"), calibrated), (language.t("le bâtiment"), building)) if holds
    )
    return language.t(
        "%(energy)s : %(components)s relevés sur les composants, × %(ratio)s pour %(why)s.",
        ratio=language.number(ratio),
        why=why,
        **amounts,
    )


def _lead(content: Formula, language: Language) -> str:
    used, energy = content.co2e_operational, content.energy.value
    if used.value is None:
        why = language.of(wording.REASONS, used.reason or "no-data")
        said = language.t("Le CO₂e d’usage n’est pas connu (%(why)s).", why=why)
    else:
        factor = Quantity(1000 * used.value / energy if energy else 0.0, "gCO2e/kWh")
        said = language.t(
            "À %(factor)s en moyenne, demi-heure par demi-heure, cette énergie émet %(kg)s.",
            factor=language.amount(factor),
            kg=language.amount(used),
        )
    others = (
        (content.co2e_embodied, N_("%(amount)s de fabrication")),
        (content.co2e_api, N_("%(amount)s de modèles externes")),
    )
    parts = [language.t(words, amount=language.amount(part)) for part, words in others if part.value]
    if parts and content.headline.co2e.value is not None:
        whole = {"parts": language.listed(parts), "whole": language.amount(content.headline.co2e)}
        total = (
            language.t("Avec %(parts)s, le total est d’au moins %(whole)s.", **whole)
            if content.headline.is_lower_bound
            else language.t("Avec %(parts)s, le total est de %(whole)s.", **whole)
        )
        return f"{said} {total}"
    return said


PAGE = Page("formula", "/formula", N_("D’où vient ce chiffre ?"), read, show, filters=FILTERS, in_navigation=False)
