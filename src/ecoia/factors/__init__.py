"""Emission factors of electricity: dated, sourced, by zone. Sources disagree, so one set is used and named, never mixed.

The table is read in place from the installed codecarbon: nothing is copied into ecoia, and codecarbon itself is not
imported (that costs 210 ms and resets its logger).
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

from ecoia.errors import FactorError

_CODECARBON_TABLE = Path("data", "private_infra", "global_energy_mix.json")


@dataclass(frozen=True, order=True)
class Factor:
    """What a kilowatt-hour used in a zone emits, in gCO2e, over a validity interval (both days included).

    ``scope``: ``lifecycle`` (fuel, plants, upstream) or ``direct`` (combustion). ``basis``: ``production`` or
    ``consumption`` mix. ``release`` is the edition in which it was found.
    """

    zone: str
    value_g_per_kwh: float
    year: int
    valid_from: date
    valid_to: date
    scope: str
    basis: str
    source: str
    licence: str
    release: str
    factor_set: str


class FactorSet:
    """Factors of one source.

    Args:
        factors: Any number of zones and years, one factor a zone and year.

    Raises:
        ValueError: two factors of one zone and year.
    """

    def __init__(self, factors: Iterable[Factor]) -> None:
        self._by_zone: dict[str, dict[int, Factor]] = {}
        for factor in factors:
            years = self._by_zone.setdefault(factor.zone, {})
            if factor.year in years:
                raise ValueError(f"two factors for zone {factor.zone!r} in {factor.year}: a factor set holds one")
            years[factor.year] = factor

    def zones(self) -> tuple[str, ...]:
        """The zones that it covers, sorted."""
        return tuple(sorted(self._by_zone))

    def check(self, zone: str) -> None:
        """Refuse a zone that is not covered in any year.

        Raises:
            FactorError: the message names the zone and the remedy.
        """
        if zone not in self._by_zone:
            raise FactorError(
                f"no emission factor covers zone '{zone}': check the code (ISO 3166 alpha-3, e.g. FRA); "
                f"{len(self._by_zone)} zones are known: list them with 'ecoia config --zones'"
            )

    def for_zone(self, zone: str, year: int) -> Factor:
        """The factor of a year; where the set has none, of the latest year before it (``Factor.year`` then says so).

        A later year's factor is never used for an earlier year.

        Raises:
            FactorError: the zone is not covered, or not yet in that year.
        """
        self.check(zone)
        years = self._by_zone[zone]
        usable = [known for known in years if known <= year]
        if not usable:
            raise FactorError(
                f"no emission factor covers zone '{zone}' in {year}: the earliest known is of {min(years)}; "
                "energy is kept, CO2e of that year is not computed"
            )
        return years[max(usable)]


@cache
def default_factors() -> FactorSet:
    """The table that the installed codecarbon carries: one latest year a country (France: 2023, 56.04 g/kWh).

    The file names no source. codecarbon's maintainers generate it from Our World in Data's energy data set, whose
    ``carbon_intensity_elec`` (lifecycle, of what is generated in the country) comes from Ember, under CC BY 4.0.

    Raises:
        FactorError: codecarbon or its table is not there.
    """
    spec = importlib.util.find_spec("codecarbon")  # finds, does not run, the package
    folders = list(spec.submodule_search_locations or ()) if spec else []
    path = next((found for folder in folders if (found := Path(folder) / _CODECARBON_TABLE).is_file()), None)
    if path is None:
        raise FactorError("the emission factors that codecarbon carries were not found: reinstall it (pip install 'codecarbon')")
    release = importlib.metadata.version("codecarbon")
    table = json.loads(path.read_text(encoding="utf-8"))
    return FactorSet(
        Factor(
            zone=zone,
            value_g_per_kwh=float(entry["carbon_intensity"]),
            year=int(entry["year"]),
            valid_from=date(int(entry["year"]), 1, 1),
            valid_to=date(int(entry["year"]), 12, 31),
            scope="lifecycle",
            basis="production",
            source="Our World in Data, from Ember (yearly electricity data), as carried by codecarbon",
            licence="CC BY 4.0",
            release=f"codecarbon {release}",
            factor_set=f"codecarbon-{release}",
        )
        for zone, entry in table.items()
        if float(entry["carbon_intensity"]) > 0  # no grid emits nothing over its life cycle: a 0 there is a gap in the source
    )
