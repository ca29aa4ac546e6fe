"""Draw up the page's changes: terms against other quarters, and quarters computed again."""

from __future__ import annotations

from collections.abc import Iterable

from ecoia.impact.recalculation import Recalculation
from ecoia.report import Quantity, QuarterChange
from ecoia_dashboards import wording
from ecoia_dashboards.language import SHARE_UNIT
from ecoia_dashboards.pages.phrases import Phrases


class Changes(Phrases):
    """Texts of the evolution and the recalculations."""

    def compared(self, change: QuarterChange) -> str:
        """Say what a change is against."""
        return self.language.t(
            wording.COMPARED.get(change.against, change.against), quarter=self.language.quarter(change.reference)
        )

    def causes_head(self) -> list[tuple[str, str]]:
        """Head a column for each cause of a recalculation."""
        return [(self.language.of(wording.CAUSES, cause), "num") for cause in wording.CAUSES]

    def restated(self, it: Recalculation) -> str:
        """Write how far a recalculated quarter is from the published one, and the threshold from which it is restated."""
        relative = self.language.change(Quantity(it.relative, SHARE_UNIT))
        return self.language.t(
            "%(relative)s, seuil %(threshold)s", relative=relative, threshold=self.language.share(it.threshold)
        )

    def named_parts(self, parts: Iterable[str]) -> str:
        """List some parts of the CO2e by the names of their indicators."""
        return self.language.listed(self.language.of(wording.INDICATORS, part) for part in parts)

    def listed_parts(self, change: QuarterChange) -> str:
        """List the parts of the CO2e that are in a change."""
        return self.language.listed(self.language.of(wording.PARTS, part) for part in change.parts)

    @property
    def absorbed(self) -> bool:
        """Whether the volume of some service absorbed its gain."""
        return any(line.explained.absorbed_gain for change in self.report.changes for line in change.services)

    @property
    def absorbing(self) -> str:
        """Name the services whose volume absorbed their gain."""
        found = {
            line.explained.service
            for change in self.report.changes
            for line in change.services
            if line.explained.absorbed_gain and line.explained.service is not None
        }
        return self.language.t("Services concernés : %(names)s.", names=self.listed_services(sorted(found))) if found else ""

    def terms(self, change: QuarterChange) -> list[str]:
        """List the terms that some line of a change has."""
        lines = [*change.services, *([change.total] if change.total else [])]
        return [name for name in wording.TERMS if any(name in line.explained.terms for line in lines)]
