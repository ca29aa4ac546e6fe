"""Word the sheet of a region: its share of each service's own units, and the units that are listed for no region."""

from __future__ import annotations

import textwrap

from ecoia.report import Quantity, QuarterlyReport, RegionShare
from ecoia_dashboards import wording
from ecoia_dashboards.fiche.sheet import MOST_CHARACTERS, Sheet
from ecoia_dashboards.language import Language

MOST_LINES = 15
"""How many services a region's sheet lists, so that it stays one page; the tables hold the others."""


class RegionSheet(Sheet):
    """Texts of a region's sheet.

    Args:
        report: The quarter's data.
        language: Language of the sheet.
        region: Name of the region.
    """

    def __init__(self, report: QuarterlyReport, language: Language, region: str) -> None:
        super().__init__(report, language, region)
        every = sorted(
            (each for each in report.regions if each.region == region),
            key=lambda each: (-(each.co2e.value or 0.0), each.service),
        )
        self.lines: list[RegionShare] = every[:MOST_LINES]
        self.left_out = len(every) - len(self.lines)
        self.energy = language.column([each.energy for each in self.lines])
        self.co2e = language.column([each.co2e for each in self.lines])
        sources = "; ".join(dict.fromkeys(each.source for each in every))
        self.sources = textwrap.shorten(sources, MOST_CHARACTERS, placeholder="…")

    def unit(self, service_id: str) -> str:
        """Name what a unit of a service is; empty where it has no name."""
        return next((entry.functional_unit or "" for entry in self.report.register if entry.id == service_id), "")

    def why(self, quantity: Quantity) -> str:
        """Say why a figure has no value."""
        return self.say(wording.REASONS, quantity.reason or "no-data")

    @property
    def residuals(self) -> list[str]:
        """For each service of the sheet, the units that are listed for no region."""
        services = [each.service for each in self.lines]
        found = [each for each in self.report.regions if each.is_residual and each.service in services and each.units > 0]
        return [
            self.language.t(
                "%(service)s : %(units)s unités (%(share)s des siennes) ne sont rattachées à aucune région.",
                service=self.service(each.service),
                units=self.language.plain(each.units),
                share=self.language.share(each.share or 0.0),
            )
            for each in found
        ]
