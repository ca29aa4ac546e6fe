"""Zones of electricity, and the codes and names that publishers give them."""

from __future__ import annotations

import csv
import gettext
from functools import cache
from pathlib import Path
from typing import Any

from ecoia.settings import is_zone

_CODECARBON_TABLE = Path(__file__).with_name("codecarbon.csv")


@cache
def codecarbon_table() -> dict[str, tuple[int, float]]:
    """Return codecarbon's yearly table, as ``tools/codecarbon_tables.py`` wrote it: country -> (year, gCO2e/kWh).

    Example:
        >>> codecarbon_table()["FRA"][0]
        2023
    """
    with _CODECARBON_TABLE.open(encoding="ascii", newline="") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        return {row["zone"]: (int(row["year"]), float(row["gco2e_per_kwh"])) for row in rows}


def is_known(zone: str) -> bool:
    """Return whether a zone is a country or a part of one. Publishers choose the parts, so any part of a country is accepted.

    Example:
        >>> is_known("FRA"), is_known("DNK-DK1"), is_known("FRX")
        (True, True, False)
    """
    if not is_zone(zone):
        return False
    country = zone.partition("-")[0]
    return country in codecarbon_table() or _countries().get(alpha_3=country) is not None


def of_electricity_maps(zone_id: str) -> str | None:
    """Return the zone of an Electricity Maps code; None where the code has no country.

    Example:
        >>> of_electricity_maps("FR"), of_electricity_maps("DK-DK1"), of_electricity_maps("XX")
        ('FRA', 'DNK-DK1', None)
    """
    country, hyphen, part = zone_id.strip().upper().partition("-")
    found = _countries().get(alpha_2=country)
    zone = f"{found.alpha_3}{hyphen}{part}" if found else ""
    return zone if is_zone(zone) else None


def of_french_name(name: str) -> str | None:
    """Return the country of a French name (ISO 3166 as translated in pycountry), in any case; None where there is none.

    Example:
        >>> of_french_name("allemagne")
        'DEU'
    """
    return _french_names().get(name.strip().casefold())


@cache
def _french_names() -> dict[str, str]:
    import pycountry

    french = gettext.translation("iso3166-1", pycountry.LOCALES_DIR, languages=["fr"]).gettext
    return {
        french(name).casefold(): country.alpha_3
        for country in pycountry.countries
        for name in filter(None, (country.name, getattr(country, "common_name", None)))
    }


def _countries() -> Any:
    import pycountry  # only needed for a code that codecarbon's table does not have

    return pycountry.countries
