"""Draw up the services as committees read them: one line each, the greatest CO2e first, and the three that matter."""

from __future__ import annotations

from dataclasses import dataclass

from ecoia.report import ChangeLine, Quantity, ServiceEntry, ServiceFootprint
from ecoia_dashboards import wording
from ecoia_dashboards.language import SHARE_UNIT
from ecoia_dashboards.pages.phrases import Phrases

LEADING = 3
"""How many services the first page names."""
_LEAST_PART = 0.4  # of a service's CO2e, for one part of it to be why the service matters


@dataclass(frozen=True)
class ServiceLine:
    """A service in a committee's table: amounts in the units of the columns, and the exact values behind them.

    ``partial``: a part of its CO2e is not known.
    """

    id: str
    co2e: Quantity
    energy: Quantity
    share: float | None
    change: Quantity | None
    counted: str
    simulated: bool
    partial: bool


class Services(Phrases):
    """Texts of the services' table and of those that matter most."""

    @property
    def service_lines(self) -> list[ServiceLine]:
        """Every recorded service, from the greatest whole CO2e to the smallest, then by energy."""
        lines = [self._line(found) for found in self.report.services]
        return sorted(lines, key=lambda line: (-(line.co2e.value or 0.0), -(line.energy.value or 0.0), line.id))

    def _line(self, found: ServiceFootprint) -> ServiceLine:
        entry = self.entries.get(found.service)
        whole = self.report.headline.co2e.value
        own = found.headline.co2e
        change = self._changed.get(found.service)
        return ServiceLine(
            id=found.service,
            co2e=own,
            energy=entry.energy if entry else Quantity(None, "kWh", reason="no-data"),
            share=own.value / whole if own.value is not None and whole else None,
            change=change.energy if change and not _mostly_hosted(found) else None,
            counted=self.language.of(wording.COUNTED_BY, entry.counted_by) if entry and entry.counted_by else "—",
            simulated=any(result.simulated for result in self.report.results if result.service == found.service),
            partial=bool(found.headline.lacking),
        )

    @property
    def entries(self) -> dict[str, ServiceEntry]:
        """The register's entries by id."""
        return {entry.id: entry for entry in self.report.register}

    @property
    def _changed(self) -> dict[str | None, ChangeLine]:
        """The change of each service since the quarter before, by id."""
        return {
            line.explained.service: line
            for change in self.report.changes
            if change.against == "previous-quarter"
            for line in change.services
        }

    @property
    def leading(self) -> list[tuple[ServiceLine, str]]:
        """The services with the greatest share of the whole, each with why it matters."""
        return [(line, self._why(line)) for line in self.service_lines[:LEADING] if line.share]

    def _why(self, line: ServiceLine) -> str:
        """Say in a few words what makes a service matter: its main part, an established change, what could be spared."""
        found = next(each for each in self.report.services if each.service == line.id)
        said = [
            self.language.t(
                "%(share)s %(part)s",
                share=self.language.share(value / line.co2e.value),
                part=self.language.of(wording.CO2E_SHARES, part),
            )
            for part in found.headline.parts
            if line.co2e.value and (value := found.footprint[part].value) and value >= _LEAST_PART * line.co2e.value
        ][:1]
        if line.change is not None and line.change.direction in ("rise", "fall"):
            said.append(self.language.t("énergie en %(change)s sur un trimestre", change=self.language.direction(line.change)))
        spared = max(
            (each for each in self.report.savings if each.service == line.id and each.energy.value),
            key=lambda each: each.energy.value or 0.0,
            default=None,
        )
        if spared is not None:
            said.append(self.language.t("jusqu’à %(amount)s évitables", amount=self.amount(spared.energy)))
        return self.language.t(" ; ").join(said)

    def part_of_whole(self, line: ServiceLine) -> str:
        """Write the share of a service in the whole CO2e."""
        return self.language.amount(Quantity(line.share, SHARE_UNIT))


def _mostly_hosted(found: ServiceFootprint) -> bool:
    """Say whether most of a service's CO2e is that of models of others: a change of its own energy would say nothing of it."""
    hosted = found.headline.breakdown.get("co2e_api", Quantity(None, "kgCO2e")).value
    return hosted is not None and hosted > (found.headline.co2e.value or 0.0) / 2
