"""Sum energy by site, and place each part of the CO2e in an organisation's inventory."""

from __future__ import annotations

from ecoia.impact.period_impact import EstimateOrReason
from ecoia.report.context import Context
from ecoia.report.model import Footprint, InventoryLine, SiteResult
from ecoia.report.quantities import quantity, shown

_INVENTORY: dict[str, tuple[int, int | None]] = {"electricity": (2, None), "capital-goods": (3, 2), "services": (3, 1)}


def site_results(context: Context) -> tuple[SiteResult, ...]:
    """Sum the energy of each site in the catalogue's order, then outside every site; empty where no site is declared."""
    assessment, results = context.period.assessment, []
    met = assessment.sites if context.catalogue.sites else set()
    for site in (*context.catalogue.sites, None):
        if site not in met:
            continue
        impact = assessment.impact(lambda _, where, site=site: where == site)  # type: ignore[misc]
        missing = impact.reason if impact.energy_kwh is None else None
        results.append(
            SiteResult(
                id=site.id if site else None,
                name=site.name if site else None,
                zone=(site.zone if site else None) or context.known.zone,
                energy_it=shown(EstimateOrReason(impact.energy_it, missing), "kWh"),
                energy=quantity(impact.energy_kwh, "kWh", impact.energy_interval, missing),
                boundary=impact.boundary,
            )
        )
    return tuple(results)


def zones(context: Context) -> tuple[str, ...]:
    """List the electricity zones that are known, sorted."""
    found = set()
    for strand in context.activity.strands:
        site = context.known.site_of(strand.instance)
        found.add(strand.zone or (site.zone if site else None) or context.known.zone)
    return tuple(sorted(zone for zone in found if zone))


def inventory(context: Context, footprint: Footprint) -> tuple[InventoryLine, ...]:
    """Place the parts of the footprint by scope and item: electricity by operator of the site, making, hosted models."""
    assessment = context.period.assessment
    groups = {site.operated if site else None for site in assessment.sites} or {None}
    upstream = ("upstream-included",) if any(scope == "lifecycle" for scope, _ in context.known.factors.pairs) else ()
    lines = []
    for operated in sorted(groups, key=str):
        co2e = footprint.co2e_operational
        if len(groups) > 1:
            impact = assessment.impact(lambda _, site, operated=operated: (site.operated if site else None) == operated)  # type: ignore[misc]
            co2e = quantity(impact.co2e_kg, "kgCO2e", impact.co2e_interval, impact.reason)
        supposed = upstream if operated else ("operated-not-said", *upstream)
        item, supposed = ("services", ()) if operated == "hosted" else ("electricity", supposed)
        lines.append(InventoryLine("co2e_operational", operated, co2e, *_INVENTORY[item], item, supposed))
    for part, item, supposed in (("co2e_embodied", "capital-goods", ("equipment-owned",)), ("co2e_api", "services", ())):
        lines.append(InventoryLine(part, None, footprint[part], *_INVENTORY[item], item, supposed))
    return tuple(lines)
