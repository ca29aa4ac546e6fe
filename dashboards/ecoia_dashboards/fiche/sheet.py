"""Texts that every sheet uses: its warnings, the names of services, amounts as people say them."""

from __future__ import annotations

from collections.abc import Mapping

from ecoia.readable.scales import Scale, decimals_for, scale_of
from ecoia.report import Quantity, QuarterlyReport
from ecoia_dashboards import wording
from ecoia_dashboards.language import SHARE_UNIT, Language
from ecoia_dashboards.naming import service_names
from ecoia_dashboards.pages.drawing import DRAFT, rounded, warned_of

FIGURES = 2
"""Significant figures of a number in plain language."""
MOST_CHARACTERS = 240
"""Characters of a purpose, and of a source."""


class Sheet:
    """A sheet of a service or a region.

    Args:
        report: The quarter's data.
        language: Language of the sheet.
        name: Name of what the sheet is of.
    """

    def __init__(self, report: QuarterlyReport, language: Language, name: str) -> None:
        self.report, self.language, self.name = report, language, name
        self.quarter = language.quarter(report.quarter)
        self.warnings = [language.t(DRAFT)] if report.seal is None else []
        self.warnings += [language.of(wording.NOTICES, code) for code in self._codes()]

    def _codes(self) -> list[str]:
        return [code for code in warned_of(self.report) if code in ("simulated", "no-data")]

    def say(self, sentences: Mapping[str, str], code: str) -> str:
        """Say a code in words; the code itself where it has none."""
        return self.language.of(dict(sentences), code)

    def service(self, service_id: str) -> str:
        """Name a service; its id where it is not registered."""
        return service_names(self.report).get(service_id, service_id)

    def about(self, quantity: Quantity) -> str:
        """Write a value as people say it: two figures, ``0,31 g de CO₂e``.

        Raises:
            ValueError: the quantity has no value.
        """
        unit, size = self.scale(quantity)
        number = (quantity.value or 0.0) / size
        return self.in_words(self.language.number(_about(number), FIGURES), unit)

    def between(self, quantity: Quantity) -> str | None:
        """Write an interval as people say it, ``entre 0,18 et 0,54 g de CO₂e``; None where there is none."""
        if quantity.value is None or quantity.low is None or quantity.high is None:
            return None
        unit, size = self.scale(quantity)
        low, high = (self.language.number(_about(bound / size), FIGURES) for bound in (quantity.low, quantity.high))
        return self.language.t("entre %(low)s et %(high)s", low=low, high=self.in_words(high, unit))

    def beside(self, part: Quantity, whole: Quantity) -> str:
        """Write a part in the unit of its whole, to one figure more than the whole has."""
        unit, size = self.scale(whole)
        decimals = decimals_for((whole.value or 0.0) / size, FIGURES) + 1
        number, least = (part.value or 0.0) / size, 10.0**-decimals
        if 0 < number < least:
            return self.language.t("moins de %(amount)s", amount=self.in_words(self.language.fixed(least, decimals), unit))
        return self.in_words(self.language.fixed(number, decimals), unit)

    def given(self, quantity: Quantity) -> str:
        """Write a value that somebody chose, without rounding it: ``2 g de CO₂e``."""
        if quantity.unit == SHARE_UNIT:
            return self.language.share(quantity.value or 0.0)
        unit, size = self.scale(quantity)
        return self.in_words(self.language.plain((quantity.value or 0.0) / size), unit)

    def scale(self, quantity: Quantity) -> Scale:
        """Choose the unit in which people say a value.

        Raises:
            ValueError: the quantity has no value.
        """
        if quantity.value is None:
            raise ValueError("a quantity without a value has a reason, not an amount")
        return scale_of([quantity.value], quantity.unit, FIGURES, kept="gCO2e" if "CO2e" in quantity.unit else "Wh")

    def in_words(self, number: str, unit: str) -> str:
        """Join a number and its unit as people say them."""
        mass, is_co2e, _ = unit.partition("CO2e")
        amount = self.language.with_unit(number, mass)
        return self.language.t("%(mass)s de CO₂e", mass=amount) if is_co2e else amount


def _about(number: float) -> float:
    """Round to the figures that people say."""
    return rounded(Quantity(number, ""), FIGURES).value or 0.0
