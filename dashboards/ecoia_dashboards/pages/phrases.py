"""Write codes, amounts and names in the language of a page."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence

from ecoia.report import (
    CalibrationUsed,
    ContractUsed,
    EquipmentUsed,
    FigureUsed,
    MethodShare,
    Quantity,
    QuarterlyReport,
    ServiceEntry,
)
from ecoia_dashboards import wording
from ecoia_dashboards.language import Language
from ecoia_dashboards.naming import service_names
from ecoia_dashboards.pages.drawing import rounded

_MOST_IDS = 5  # run ids named in a line
_LONGEST_NAME = 64  # characters of a name on the first page


class Phrases:
    """Phrases of a page: codes in words, amounts with their unit, names for ids."""

    def __init__(self, report: QuarterlyReport, language: Language) -> None:
        self.report, self.language = report, language
        self.names = service_names(report)
        self.quarter = language.quarter(report.quarter)

    @property
    def not_measured(self) -> list[ServiceEntry]:
        """The named services in the denominator of the coverage that are not measured, or too little: not those retired."""
        return [each for each in self.report.register if each.in_scope and not each.measured]

    @property
    def not_every_day(self) -> list[ServiceEntry]:
        """The services that count as measured and were not recorded on all of their days: the totals lack the others."""
        return [each for each in self.report.register if each.measured and each.covered is not None and each.covered < 1]

    def service(self, service_id: str) -> str:
        """Name a service; its id where it is not registered."""
        return self.names.get(service_id, service_id)

    def short(self, text: str) -> str:
        """Shorten a name or a text of the organisation, for the first page; the other parts have all of it."""
        return textwrap.shorten(text, _LONGEST_NAME, placeholder="…") or text[:_LONGEST_NAME]

    def listed_services(self, service_ids: Iterable[str]) -> str:
        """List the names of some services."""
        return self.language.listed(map(self.service, service_ids))

    def site(self, site_id: str) -> str:
        """Name a site; its id where it has no name."""
        return next((site.name for site in self.report.sites if site.id == site_id and site.name), site_id)

    @property
    def zones(self) -> str:
        """List the electricity zones by the names of their countries; empty where there is none."""
        return self.language.listed(map(self.language.zone, self.report.zones)) if self.report.zones else ""

    def say(self, sentences: Mapping[str, str], code: str) -> str:
        """Say a code in words; the code itself where it has none."""
        return self.language.of(dict(sentences), code)

    def lost(self, cause: str) -> str:
        """Name a loss by its cause; a cause may name its object after a colon."""
        head, _, rest = cause.partition(":")
        said = self.language.of(wording.LOST, head)
        return f"{said}{self.language.t(' : ')}{rest}" if rest else said

    def method(self, share: MethodShare) -> str:
        """Say how energy was obtained; a meter that could not be read keeps its name."""
        if share.name.endswith(":unread"):
            return self.language.t(
                "%(meter)s illisible", meter=self.language.of(wording.METHODS, share.name.removesuffix(":unread"))
            )
        return self.language.of(wording.METHODS, share.name)

    def amount(self, quantity: Quantity, figures: int = 3) -> str:
        """Write a value with its unit, or the reason why there is none."""
        if quantity.value is None:
            return self.language.of(wording.REASONS, quantity.reason or "no-data")
        return self.language.amount(rounded(quantity, figures), figures)

    def interval(self, quantity: Quantity, figures: int = 3) -> str | None:
        """Write the 95 % interval of a figure; None where it has none."""
        return self.language.interval(rounded(quantity, figures), figures)

    def count(self, number: float) -> str:
        """Write a number of functional units: whole where they are, else with their decimals."""
        return self.language.plain(number)

    def validity(self, used: CalibrationUsed | ContractUsed | FigureUsed | EquipmentUsed) -> str:
        """Say from and until when something holds."""
        day = self.language.day
        if used.from_day and used.until_day:
            return self.language.t("du %(start)s au %(end)s exclu", start=day(used.from_day), end=day(used.until_day))
        if used.from_day:
            return self.language.t("depuis le %(start)s", start=day(used.from_day))
        if used.until_day:
            return self.language.t("jusqu’au %(end)s exclu", end=day(used.until_day))
        return self.language.t("sans limite")

    def commitment_name(self, number: int) -> str:
        """Name a commitment of the charter; its number where the charter does not hold it."""
        names = {commitment.number: commitment.name for commitment in self.report.commitments}
        return names.get(number) or self.language.t("engagement n° %(number)s", number=number)

    def run_ids(self, ids: Sequence[str]) -> str:
        """List the first of some runs, and how many more there are."""
        first = ", ".join(ids[:_MOST_IDS])
        more = len(ids) - _MOST_IDS
        return (
            first
            if more <= 0
            else self.language.n("%(runs)s et %(count)s autre", "%(runs)s et %(count)s autres", more, runs=first)
        )
