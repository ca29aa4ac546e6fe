"""Draw up how the figures are known: origins, what is left out, factors, what the ledger lacks, and ways of counting."""

from __future__ import annotations

from collections.abc import Callable

from ecoia.impact.ledger_gaps import LedgerShortfall, known_microjoules
from ecoia.periods import Quarter
from ecoia.report import FactorUsed, PhaseDays, Quantity
from ecoia.semconv import ESTIMATED, MEASURED, MISSING, NOT_LACKING, STATUSES
from ecoia_dashboards import wording
from ecoia_dashboards.language import QuantityColumn
from ecoia_dashboards.pages.drawing import whole_at_wall
from ecoia_dashboards.pages.phrases import Phrases
from ecoia_dashboards.wording.coverage import coverage_sentence, days_words


class Summary(Phrases):
    """Texts of the summary and of the scope."""

    @property
    def wall(self) -> str:
        """How much of the energy is known at the plug, by calibration or a meter there: ``whole``, ``part`` or ``none``."""
        totals = self.report.totals
        if not totals.energy_at_wall_microjoules:
            return "none"
        return "whole" if whole_at_wall(totals) else "part"

    @property
    def wall_said(self) -> str:
        """Say which part of the energy is known at the plug, and what is left out."""
        if self.wall == "whole":
            return self.language.t(
                "À la prise (étalonnage du site, wattmètre ou modèle de serveur) : alimentation, ventilation, disques et réseau "
                "des serveurs compris."
            )
        if self.wall == "part":
            return self.language.t(
                "À la prise (étalonnage du site, wattmètre ou modèle de serveur) pour %(share)s de l’énergie des composants ; "
                "le reste hors alimentation, ventilation, disques et réseau.",
                share=self.wall_share,
            )
        return self.language.t("Processeurs, cartes graphiques et mémoire ; hors alimentation, ventilation, disques et réseau.")

    def sharing_hosts(self, may_see: Callable[[str], bool] | None = None) -> str:
        """Name the services that got a share of a host's energy: neighbours that nobody measures are not in their intervals.

        Args:
            may_see: Whether the reader may see a service; None: every one.
        """
        found = {
            result.service
            for result in self.report.results
            if any(each.component != "gpu" and each.status in (MEASURED, ESTIMATED) for each in result.measure.methods)
        }
        return self.listed_services(sorted(each for each in found if may_see is None or may_see(each)))

    @property
    def boundary_said(self) -> str:
        """Say whether the building is in the energy."""
        if self.report.totals.boundary == "site":
            return self.language.t("bâtiment compris")
        if self.report.totals.boundary == "part":
            return self.language.t("bâtiment compris pour une partie")
        return self.language.t("informatique seule, hors bâtiment")

    @property
    def pue_said(self) -> str:
        """List the PUE of each site in the quarter, those that held one after the other, with how they are known; or nothing."""
        quarter = Quarter.parse(self.report.quarter)
        first, until = quarter.first_day().isoformat(), quarter.shift(1).first_day().isoformat()
        found: dict[str, list[str]] = {}
        for each in self.report.site_figures:
            if each.kind == "pue" and (each.from_day or first) < until and (each.until_day or until) > first:
                quality = self.language.of(wording.QUALITIES, each.quality)
                found.setdefault(each.site, []).append(f"{self.language.plain(each.value)} ({quality})")
        then = self.language.t(" puis ")
        return self.language.listed(f"{self.site(site)} {then.join(values)}" for site, values in found.items())

    def beside_co2e(self, column: QuantityColumn) -> list[str]:
        """Say what stands beside the whole CO2e and in no total: use at the reference year's factors, and by contracts.

        Args:
            column: How the whole is written: its unit is that of the others.
        """
        said = []
        constant, market = self.at_constant_factor, self.report.totals.co2e_operational_market
        if constant is not None:
            said.append(
                self.language.t(
                    "usage au facteur d’émission de %(year)s : %(amount)s",
                    year=self.report.reference_year,
                    amount=column.amount(constant),
                )
            )
        if market.value is not None:
            said.append(
                self.language.t(
                    "usage selon les contrats d’électricité, à côté et dans aucun total : %(amount)s",
                    amount=column.amount(market),
                )
            )
        elif self.report.contracts:
            said.append(self.language.t("usage selon les contrats d’électricité : %(reason)s", reason=self.amount(market)))
        return said

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
        """Say how many days of the ledger are missing and what they are worth: of the quarter, and of those it compares with."""
        found = {each.quarter: each for each in self.report.ledger_shortfalls}
        now, gaps = found.pop(self.report.quarter, None), self.report.ledger_gaps
        if now is not None:
            said = self.language.n(
                "Relevés incomplets : %(count)s jour y manque en tout ou en partie (%(energy)s), et les totaux sont trop bas.",
                "Relevés incomplets : %(count)s jours y manquent en tout ou en partie (%(energy)s), et les totaux sont trop bas.",
                now.days,
                energy=self._worth(now.microjoules, now.unknown_days, now.days),
            )
        else:
            unknown = sum(gap.microjoules is None for gap in gaps)
            said = self.language.n(
                "Relevés incomplets : %(count)s jour antérieur au trimestre y manque en tout ou en partie (%(energy)s), et "
                "l’évolution est faussée.",
                "Relevés incomplets : %(count)s jours antérieurs au trimestre y manquent en tout ou en partie (%(energy)s), et "
                "l’évolution est faussée.",
                len(gaps),
                energy=self._worth(known_microjoules(gaps), unknown, len(gaps)),
            )
        if not found:
            return said
        quarters = self.language.listed(map(self._lacking, found.values()))
        compared = self.language.t("Dans les trimestres comparés, il manque : %(quarters)s.", quarters=quarters)
        return f"{said} {compared}"

    def _lacking(self, shortfall: LedgerShortfall) -> str:
        """Say what a quarter lacks, with its name."""
        return self.language.n(
            "%(count)s jour du %(quarter)s (%(energy)s)",
            "%(count)s jours du %(quarter)s (%(energy)s)",
            shortfall.days,
            quarter=self.language.quarter(shortfall.quarter),
            energy=self._worth(shortfall.microjoules, shortfall.unknown_days, shortfall.days),
        )

    def _worth(self, microjoules: int, unknown_days: int, days: int) -> str:
        """Say what missing days are worth, of which some may be worth an unknown energy."""
        if unknown_days == days:
            return self.language.t("énergie inconnue")
        energy = self.language.energy(microjoules)
        return self.language.t("au moins %(energy)s", energy=energy) if unknown_days else energy

    def missing_components(self) -> str:
        """List the components that are missing for some service."""
        found = {
            share.component
            for result in self.report.results
            for share in result.measure.methods
            if share.status == MISSING and share.name not in NOT_LACKING
        }
        return self.language.listed(self.language.of(wording.COMPONENTS, name) for name in sorted(found))

    @property
    def ways_of_counting(self) -> str:
        """Say by what the services are counted, and how many are not."""
        return coverage_sentence(self.language, self.report.coverage)

    def days(self, days: PhaseDays) -> str:
        """Say how many days of a phase, on an instance, are recorded of those expected."""
        return days_words(self.language, days)
