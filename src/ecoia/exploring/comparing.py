"""Compare two selections. The interval is that of the change: errors that both share cancel, so it is narrower than the ends'."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ecoia.exploring.behind import recorded_days
from ecoia.exploring.gathering import Gathered
from ecoia.exploring.lines import Change
from ecoia.exploring.selection import Selection
from ecoia.impact.change import difference_interval
from ecoia.impact.period_impact import BearerImpacts, EstimateOrReason
from ecoia.impact.uncertainty import Estimate
from ecoia.instances import host_of
from ecoia.report import Quantity
from ecoia.report.context import day_phase
from ecoia.report.quantities import quantity, relative
from ecoia.report.services import mostly_by
from ecoia.semconv import ESTIMATED, MEASURED

if TYPE_CHECKING:
    from ecoia.exploring.data import Data

_PARTS = ("operational", "embodied", "api")
_SAME_DAYS = 0.05
_SERVING = "inference"
_DAYS = 91.25  # of a quarter, on average


def compared(data: Data, now: Selection, before: Selection) -> Change:
    """Compare two selections.

    Args:
        data: What was filled.
        now: The selection whose change is asked for.
        before: The selection that it is compared with.
    """
    service = now.services[0] if len(now.services) == 1 else None
    return _change(data, (data.gathered(now), data.gathered(before)), _not_comparable(data, now, before), service)


def compared_by_service(data: Data, now: Selection, before: Selection) -> dict[str, Change]:
    """Compare each service of two selections, as ``compared`` does of the service alone, but in one pass.

    Args:
        data: What was filled.
        now: The selection whose change is asked for.
        before: The selection that it is compared with.
    """
    sides = [data.gathered_by_service(each) for each in (now, before)]
    listed = _not_comparable(data, now, before)
    found = {}
    for service in sorted({*sides[0], *sides[1]}):
        own = tuple(tuple(each for each in names if each == service) for names in listed)
        pair = tuple(side.get(service) or Gathered() for side in sides)
        found[service] = _change(data, pair, (own[0], own[1]), service)
    return found


def _change(
    data: Data, sides: Sequence[Gathered], listed: tuple[tuple[str, ...], tuple[str, ...]], service: str | None
) -> Change:
    """Compare what two selections let through, later first; ``service`` is the one that both are of."""
    impacts = [side.impacts(data.parameters) for side in sides]
    unequal, otherwise = listed
    reason = "days-unequal" if service in unequal else "counted-otherwise" if service in otherwise else None
    energy = [each.energy(_all(each)) for each in impacts]
    energy_it = [each.energy_it(_all(each)) for each in impacts]
    co2e, parts = _co2e(impacts)
    return Change(
        energy=_relative(energy, reason),
        energy_it=_relative(energy_it, reason),
        co2e=_relative(co2e, None),
        parts=parts,
        energy_absolute=_absolute(energy, "kWh"),
        co2e_absolute=_absolute(co2e, "kgCO2e"),
        days_unequal=unequal,
        counted_otherwise=otherwise,
        simulated=any(side.simulated for side in sides),
    )


def _all(impacts: BearerImpacts) -> list[tuple[str | None, str]]:
    return impacts.bearers(lambda _: True)


def _co2e(impacts: list[BearerImpacts]) -> tuple[list[EstimateOrReason], tuple[str, ...]]:
    """Return the CO2e of both sides in the parts that both know; as they are where use is not among these."""
    splits = [each.split(_all(each)) for each in impacts]
    parts = tuple(part for part in _PARTS if all(getattr(split, part).estimate is not None for split in splits))
    if "operational" not in parts:
        return [split.operational for split in splits], ()
    sums = [EstimateOrReason(Estimate.total(getattr(split, part).estimate for part in parts)) for split in splits]
    return sums, parts


def _relative(sides: list[EstimateOrReason], reason: str | None) -> Quantity:
    now, before = sides
    if now.estimate is None or before.estimate is None:
        return Quantity(None, "1", reason=now.reason if now.estimate is None else "baseline-missing")
    return Quantity(None, "1", reason=reason) if reason else relative(now.estimate, before.estimate)


def _absolute(sides: list[EstimateOrReason], unit: str) -> Quantity:
    now, before = sides
    if now.estimate is None or before.estimate is None:
        return Quantity(None, unit, reason=now.reason if now.estimate is None else "baseline-missing")
    bounds = difference_interval(now.estimate, before.estimate)
    return quantity(now.estimate.value - before.estimate.value, unit, bounds, None)


def _not_comparable(data: Data, now: Selection, before: Selection) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Name the services recorded on unequal shares of their days, and those that were counted otherwise.

    Of a quarter and an earlier one, these are the report's own; else the days that the register declares are taken as spread
    evenly over a quarter.
    """
    later, earlier = now.quarter, before.quarter
    alike = replace(before, first_day=now.first_day, until_day=now.until_day) == now
    if (
        later is not None
        and earlier is not None
        and earlier < later
        and alike
        and {str(later), str(earlier)} <= data.files.keys()
    ):
        explained = data.explained(later, earlier)
        if explained.reason is None:
            listed = (explained.unequal_days, explained.counted_otherwise)
            unequal, otherwise = (tuple(each for each in names if not now.services or each in now.services) for names in listed)
            return unequal, otherwise
    ways = [_ways(data, each) for each in (now, before)]
    otherwise = tuple(sorted(name for name in ways[0].keys() & ways[1].keys() if name and ways[0][name] != ways[1][name]))
    shares = [_shares_of_days(data, each) for each in (now, before)]
    both = shares[0].keys() & shares[1].keys()
    return tuple(sorted(name for name in both if abs(shares[0][name] - shares[1][name]) > _SAME_DAYS)), otherwise


def _ways(data: Data, selection: Selection) -> dict[str, str]:
    """Return what gave most of the energy of each service."""
    energies = {name: part.by_status_microjoules for name, part in data.gathered_by_service(selection).items()}
    return {name: mostly_by(energy) for name, energy in energies.items() if any(energy.values())}


def _shares_of_days(data: Data, selection: Selection) -> dict[str, float]:
    """Return the share of its declared days on which each service was recorded serving."""
    metered = selection.only(statuses=(MEASURED, ESTIMATED))  # declared activity does not count as recorded
    days: dict[str, dict[str, set[object]]] = {}
    for each in recorded_days(data, metered):
        if day_phase(each.phase) != _SERVING:
            continue
        days.setdefault(each.service, {}).setdefault(host_of(each.instance), set()).add(each.day)
    found = {}
    length = (selection.until_day - selection.first_day).days
    for service in data.catalogue.services:
        recorded = days.get(service.id)
        declared = sum(each.days for each in service.expected_days if each.phase == _SERVING)
        if recorded and declared:
            expected = declared * length / _DAYS
            found[service.id] = min(sum(map(len, recorded.values())) / expected, 1.0)
    return found
