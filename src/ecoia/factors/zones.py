"""Zones of electricity, and the codes and names that publishers give them."""

from __future__ import annotations

import gettext
import importlib.util
import json
from functools import cache
from pathlib import Path
from typing import Any

from ecoia.errors import FactorError
from ecoia.settings import is_zone

_CODECARBON_TABLE = Path("data", "private_infra", "global_energy_mix.json")


@cache
def codecarbon_table() -> dict[str, dict[str, Any]]:
    """Return the yearly table of the installed codecarbon, by country.

    Raises:
        FactorError: codecarbon or its table is missing.
    """
    spec = importlib.util.find_spec("codecarbon")  # finds the package without importing it
    folders = list(spec.submodule_search_locations or ()) if spec else []
    path = next((found for folder in folders if (found := Path(folder) / _CODECARBON_TABLE).is_file()), None)
    if path is None:
        raise FactorError("the emission factors that codecarbon carries were not found: reinstall it (pip install 'codecarbon')")
    table: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return table


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
