"""Texts that every sheet uses: its warnings, the names of services, amounts as people say them."""

from __future__ import annotations

from collections.abc import Mapping

from ecoia.report import Quantity, QuarterlyReport
from ecoia.scales import scale_of
from ecoia_dashboards import wording
from ecoia_dashboards.language import Language
from ecoia_dashboards.naming import service_names
from ecoia_dashboards.pages.drawing import DRAFT, rounded, warned_of

FIGURES = 2
"""Significant figures of a number in plain language."""
MOST_CHARACTERS = 300
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
        if quantity.value is None:
            raise ValueError("a quantity without a value has a reason, not an amount")
        return self._spoken(quantity.value, quantity.value, quantity.unit)

    def between(self, quantity: Quantity) -> str | None:
        """Write an interval as people say it, in the unit of the value; None where there is none."""
        if quantity.value is None or quantity.low is None or quantity.high is None:
            return None
        low, high = (self._spoken(bound, quantity.value, quantity.unit) for bound in (quantity.low, quantity.high))
        return self.language.t("entre %(low)s et %(high)s", low=low, high=high)

    def _spoken(self, number: float, scaled_by: float, unit: str) -> str:
        unit, size = scale_of([scaled_by], unit, FIGURES, kept="gCO2e")
        about = rounded(Quantity(number / size, unit), FIGURES).value or 0.0
        amount = self.language.with_unit(self.language.number(about, FIGURES), unit)
        mass, is_co2e, _ = amount.partition("CO₂e")
        return self.language.t("%(mass)s de CO₂e", mass=mass) if is_co2e else amount
