"""Draw up the page's first sections: what is known, the verdicts, and the requests to the committee."""

from __future__ import annotations

from ecoia.impact.ledger_gaps import known_microjoules
from ecoia.report import FactorUsed, Quantity, TargetVerdict
from ecoia.semconv import MISSING, NOT_LACKING, STATUSES
from ecoia_dashboards import wording
from ecoia_dashboards.language import SHARE_UNIT
from ecoia_dashboards.pages.drawing import whole_at_wall
from ecoia_dashboards.pages.phrases import Phrases


class Summary(Phrases):
    """Texts of the summary, the commitment and the trajectory."""

    def aim(self, target: TargetVerdict) -> str:
        """Say what a target asks for."""
        if target.reduction is not None:
            return self.language.t(
                "%(share)s de moins en %(year)s que sur %(quarters)s",
                share=self.language.share(target.reduction),
                year=target.horizon,
                quarters=self.language.listed(map(self.language.quarter, target.baseline_quarters)),
            )
        if target.value is None:
            return "—"
        asked = self.amount(Quantity(target.value, target.unit)) if target.unit == SHARE_UNIT else self.exact(target)
        if target.op == ">=":
            return self.language.t("au moins %(value)s", value=asked)
        if target.op == "<=":
            return self.language.t("au plus %(value)s", value=asked)
        return f"{target.op or ''} {asked}".strip()

    def exact(self, target: TargetVerdict) -> str:
        """Write a threshold as it was decided, not rounded."""
        return self.language.with_unit(self.language.plain(target.value or 0.0), target.unit.replace("CO2e", "CO₂e"))

    @property
    def wall(self) -> str:
        """How much of the energy is known at the plug, by calibration or a meter there: ``whole``, ``part`` or ``none``."""
        totals = self.report.totals
        if not totals.energy_at_wall_microjoules:
            return "none"
        return "whole" if whole_at_wall(totals) else "part"

    @property
    def wall_share(self) -> str:
        """Share of the components' energy that is known at the plug."""
        totals = self.report.totals
        return self.language.share(totals.energy_at_wall_microjoules / totals.energy_components_microjoules)

    @property
    def at_constant_factor(self) -> Quantity | None:
        """The quarter's CO2e of use at the grid factors of the reference year; None where there is none."""
        now = next((point for point in self.report.trend if point.quarter == self.report.quarter), None)
        if now is None or now.co2e_at_constant_factor.value is None:
            return None
        return now.co2e_at_constant_factor

    def varies(self, factor: FactorUsed) -> bool:
        """Return whether a factor is a mean of several."""
        return factor.least_g_per_kwh != factor.greatest_g_per_kwh

    def statuses(self) -> list[tuple[str, str]]:
        """List the share of the energy of each origin, in a fixed order, zero included."""
        shares = self.report.energy_by_status
        known = [status for status in STATUSES if status != MISSING]
        return [
            (status, self.language.share(shares.get(status, 0.0)))
            for status in (*known, *(s for s in shares if s not in STATUSES))
            if self.report.totals.energy_components_microjoules
        ]

    def ledger_shortfall(self) -> str:
        """Say in one sentence how many days of the ledger are missing, and what they are worth as far as their runs tell."""
        gaps = self.report.ledger_gaps
        energy = self.energy(known_microjoules(gaps))
        if all(gap.microjoules is None for gap in gaps):
            energy = self.language.t("énergie inconnue")
        elif any(gap.microjoules is None for gap in gaps):
            energy = self.language.t("au moins %(energy)s", energy=energy)
        if "ledger-incomplete" in self.report.notices:
            return self.language.n(
                "Relevés incomplets : %(count)s jour y manque en tout ou en partie (%(energy)s), et les totaux sont trop bas.",
                "Relevés incomplets : %(count)s jours y manquent en tout ou en partie (%(energy)s), et les totaux sont trop bas.",
                len(gaps),
                energy=energy,
            )
        return self.language.n(
            "Relevés incomplets : %(count)s jour antérieur au trimestre y manque en tout ou en partie (%(energy)s), et "
            "l’évolution est faussée.",
            "Relevés incomplets : %(count)s jours antérieurs au trimestre y manquent en tout ou en partie (%(energy)s), et "
            "l’évolution est faussée.",
            len(gaps),
            energy=energy,
        )

    def missing_components(self) -> str:
        """List the components that are missing for some service."""
        found = {
            share.component
            for result in self.report.results
            for share in result.measure.methods
            if share.status == MISSING and share.name not in NOT_LACKING
        }
        return self.language.listed(self.language.of(wording.COMPONENTS, name) for name in sorted(found))
