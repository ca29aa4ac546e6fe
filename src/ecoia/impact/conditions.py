"""Conditions of a half-hour on an instance: which factor, site figures, contracts and calibrations apply.

Instances are alike if the same site, calibrations and contracts name them. Conditions are looked up once for all instances that
are alike, and once for each zone and half-hour: a million rows need some thousand look-ups.
"""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from ecoia.impact.grid import GridFactors
from ecoia.impact.market import MarketFactors
from ecoia.impact.parameters import AssessmentParameters
from ecoia.impact.sites import NO_SITE, FigureIndexes
from ecoia.instances import fits
from ecoia.periods import utc_datetime
from ecoia.semconv import COMPONENTS


class Conditions(NamedTuple):
    """Conditions of an instance in a half-hour, except the value of the emission factor.

    Attributes:
        factor_use: Index of the use of factors (see ``GridFactors``), or why there is none (negative).
        site_figures: Indexes of the site and its figures.
        contracts: Indexes of the contracts that cover a part.
        calibrations: Index of the calibration of each component; -1: none.
    """

    factor_use: int
    site_figures: FigureIndexes
    contracts: tuple[int, ...]
    calibrations: tuple[int, ...]


class InstanceGroup(NamedTuple):
    """Instances that are alike: the index of their site (-1: none), and which calibrations, then contracts, name them."""

    site: int
    named: tuple[bool, ...]


class HalfHours(dict[int, Conditions]):
    """Conditions of half-hours for one zone and one group of instances, looked up when first asked for.

    ``micrograms_per_kwh`` holds the emission factors of the half-hours asked for so far.
    """

    def __init__(self, lookup: ConditionsLookup, zone: str, instance: str) -> None:
        super().__init__()
        self.micrograms_per_kwh: dict[int, int] = {}
        self._lookup, self._zone, self._instance = lookup, zone, instance

    def __missing__(self, half_hour_utc_ns: int) -> Conditions:
        conditions, value = self._lookup.look_up(self._zone, self._instance, half_hour_utc_ns)
        self.micrograms_per_kwh[half_hour_utc_ns] = value
        self[half_hour_utc_ns] = conditions
        return conditions


class ConditionsLookup:
    """Finds the conditions of half-hours, each once.

    Args:
        parameters: Parameters of the assessment.
        grid: Emission factors of the grid.
        market: Contracted emission factors.
    """

    def __init__(self, parameters: AssessmentParameters, grid: GridFactors, market: MarketFactors) -> None:
        self._parameters, self._grid, self._market = parameters, grid, market
        self._groups: dict[str, InstanceGroup] = {}
        self._half_hours: dict[tuple[str, InstanceGroup], HalfHours] = {}
        self._days: dict[int, date] = {}
        self._conditions: dict[tuple[str, InstanceGroup, date, int], Conditions] = {}

    def group_of(self, instance: str) -> InstanceGroup:
        """Return the group of instances that an instance belongs to."""
        group = self._groups.get(instance)
        if group is None:
            parameters = self._parameters
            patterns = [each.instances for each in parameters.calibrations] + [each.instances for each in parameters.contracts]
            named = tuple(fits(instance, each) for each in patterns)
            group = self._groups[instance] = InstanceGroup(parameters.site_index(instance), named)
        return group

    def zone_of(self, recorded: str | None, instance: str) -> str:
        """Return the zone of an instance: as recorded, else its site's, else the one given; empty where none is known."""
        site = self.group_of(instance).site
        return recorded or (self._parameters.sites[site].zone if site >= 0 else None) or self._parameters.zone or ""

    def half_hours(self, zone: str, instance: str) -> HalfHours:
        """Return the conditions of an instance in a zone, by half-hour."""
        where = zone, self.group_of(instance)
        found = self._half_hours.get(where)
        if found is None:
            found = self._half_hours[where] = HalfHours(self, zone, instance)
        return found

    def look_up(self, zone: str, instance: str, half_hour_utc_ns: int) -> tuple[Conditions, int]:
        """Return the conditions of a half-hour, and its emission factor in micrograms per kWh."""
        day = self._days.get(half_hour_utc_ns)
        if day is None:
            day = self._days[half_hour_utc_ns] = utc_datetime(half_hour_utc_ns).astimezone(self._parameters.timezone).date()
        factor_use, value = self._grid.at(zone, half_hour_utc_ns)
        group = self.group_of(instance)
        key = zone, group, day, factor_use
        conditions = self._conditions.get(key)
        if conditions is None:
            conditions = self._conditions[key] = self._conditions_of(zone, instance, group.site, day, factor_use)
        return conditions, value

    def _conditions_of(self, zone: str, instance: str, site: int, day: date, factor_use: int) -> Conditions:
        parameters = self._parameters
        calibrations = tuple(
            next((index for index, each in enumerate(parameters.calibrations) if each.covers(component, instance, day)), -1)
            for component in COMPONENTS
        )
        figures = parameters.sites[site].figure_indexes(day, site) if site >= 0 else NO_SITE
        return Conditions(factor_use, figures, self._market.covering(zone, instance, day), calibrations)
