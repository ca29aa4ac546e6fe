"""Draw up the page's results: methods, runs, kinds of energy, and the columns of indicators."""

from __future__ import annotations

from collections.abc import Sequence

from ecoia.indicators import Indicator, held_by, parts_first
from ecoia.report import EquipmentUsed, MethodShare, PhaseResult, Quantity, Sensitivity
from ecoia.semconv import KINDS, MISSING
from ecoia_dashboards.language import SHARE_UNIT
from ecoia_dashboards.pages.columns import Columns
from ecoia_dashboards.wording.indicators import page_heading

_SHOWN_ELSEWHERE = ("energy_it", "co2e_constant_factor")  # indicators that have a line of their own, or are in the tables alone

_SCORES = ("sci_consumer", "sci_provider")


class Results(Columns):
    """Texts of the results, the uncertainties and the annexes."""

    @property
    def footprint_columns(self) -> list[Indicator]:
        """The sums that the page lists by service."""
        return [each for each in parts_first(held_by("footprint")) if each.unit != SHARE_UNIT and each.id not in _SHOWN_ELSEWHERE]

    @property
    def intensity_columns(self) -> list[Indicator]:
        """The intensities that the page lists by service; the scores of SCI for AI have a table of their own."""
        return [each for each in held_by("intensity") if each.id not in _SCORES]

    @property
    def shows_provider_scores(self) -> bool:
        """Whether the register declares for any service what its provider's score is divided by."""
        return any(each.provider is not None and each.provider.unit is not None for each in self.report.services)

    @property
    def rate_columns(self) -> list[Indicator]:
        """The rates that the page lists by service."""
        return [each for each in held_by("footprint") if each.unit == SHARE_UNIT and each.id not in _SHOWN_ELSEWHERE]

    def headings(self, indicators: Sequence[Indicator]) -> list[tuple[str, str]]:
        """Head the columns of some indicators, each with its style."""
        return [(self.language.t(page_heading(each.id)), "num") for each in indicators]

    def methods(self, result: PhaseResult) -> list[tuple[str, list[tuple[MethodShare, str | None]]]]:
        """List by component how its energy was obtained, with the share of each method where there are several."""
        rows = []
        for component in dict.fromkeys(share.component for share in result.measure.methods):
            shares = [share for share in result.measure.methods if share.component == component]
            whole = sum(share.microjoules for share in shares)
            rows.append(
                (
                    component,
                    [
                        (
                            share,
                            self.language.share(share.microjoules / whole)
                            if len(shares) > 1 and whole and share.status != MISSING
                            else None,
                        )
                        for share in shares
                    ],
                )
            )
        return rows

    def runs(self, result: PhaseResult) -> str:
        """Say how the runs of a service and phase ended; an end without a run is left out."""
        say, runs = self.language, result.runs
        found = [
            say.n("%(count)s réussi", "%(count)s réussis", runs.get("ok", 0)),
            say.n("%(count)s en échec", "%(count)s en échec", runs.get("failed", 0)),
            say.n("%(count)s abandonné", "%(count)s abandonnés", runs.get("abandoned", 0)),
        ]
        return ", ".join(text for text, code in zip(found, ("ok", "failed", "abandoned"), strict=True) if runs.get(code))

    def kinds(self) -> list[tuple[str, int, str]]:
        """List where the energy went: services, idle, unattributed, overhead. They add up to the total, to the microjoule."""
        known = self.report.energy_by_kind_microjoules
        whole = sum(known.values())
        ordered = [kind for kind in KINDS if kind in known] + [kind for kind in known if kind not in KINDS]
        return [(kind, known[kind], self.language.share(known[kind] / whole) if whole else "—") for kind in ordered]

    @property
    def kinds_gap(self) -> int:
        """The total less the sum of the kinds, in microjoules: 0, or an error to be seen."""
        return self.report.totals.energy_components_microjoules - sum(self.report.energy_by_kind_microjoules.values())

    def precision(self) -> list[tuple[str, str]]:
        """List the share of the known CO2e of each class of precision."""
        return [(rank, self.language.share(share)) for rank, share in self.report.precision.items()]

    def otherwise(self, it: Sensitivity) -> str:
        """Write how much less or more the CO2e of use would be."""
        now = self.report.footprint.co2e_operational.value
        if it.value.value is None or not now:
            return "—"
        return self.language.change(Quantity(it.value.value / now - 1, SHARE_UNIT))

    def borne(self, item: EquipmentUsed) -> list[tuple[str, str]]:
        """List who bears how much of the making of a piece of equipment."""
        nobody = self.language.t("aucun service")
        return [(self.service(id_) if id_ else nobody, self.made(part)) for id_, part in item.by_service_micrograms.items()]
