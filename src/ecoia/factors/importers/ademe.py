"""ADEME, Base Carbone: average mixes of electricity of each year and country."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from ecoia.factors.files import FactorValue
from ecoia.factors.importers.registry import Publisher, PublisherFile
from ecoia.factors.model import CONSUMPTION, LIFECYCLE, PRODUCTION
from ecoia.factors.tables import TableLine, check_value, number, table
from ecoia.factors.zones import of_french_name
from ecoia.periods import utc_ns

_PARIS = ZoneInfo("Europe/Paris")
_TOTAL = "Total poste non décomposé"
_COLUMNS = (
    "Type Ligne",
    "Statut de l'élément",
    "Nom attribut français",
    "Nom frontière français",
    "Code de la catégorie",
    "Unité français",
    "Localisation géographique",
    "Sous-localisation géographique français",
    _TOTAL,
)
_YEAR = re.compile(r"\b(20\d\d)\b")
_BASES = {"consommation": CONSUMPTION, "production": PRODUCTION}
_MAINLAND = "france continentale"


def read(file: PublisherFile) -> Iterator[FactorValue]:
    """Read average mixes in kgCO2e/kWh with decimal commas. The total includes supply and losses: scope ``lifecycle``."""
    found = []
    for line in table(file.text, ";", _COLUMNS, file.faults):
        reason = _not_a_mix(line.cells)
        if reason is not None:
            file.left_out[reason] += 1
            continue
        value = _value(line, file)
        if value is not None:
            found.append(value)
    yield from sorted(found, key=lambda value: (value.start_utc_ns, value.line))  # the file is not in order of time


def _not_a_mix(cells: Mapping[str, str]) -> str | None:
    """Return why a line is no average mix of electricity; None where it is one."""
    if cells["Type Ligne"] != "Elément":
        return "parts of a total"
    if not cells["Code de la catégorie"].startswith("Electricité"):
        return "not electricity"
    if not cells["Statut de l'élément"].startswith("Valide"):
        return "archived"
    if cells["Unité français"].casefold() != "kgco2e/kwh":
        return "electricity in another unit"
    if "mix moyen" not in cells["Nom attribut français"].casefold():
        return "electricity, not an average mix"
    return None


def _value(line: TableLine, file: PublisherFile) -> FactorValue | None:
    """Read an average mix; None where it lacks something (counted) or is wrong (noted)."""
    cells = line.cells
    year = _YEAR.search(cells["Nom attribut français"])
    basis = _BASES.get(cells["Nom frontière français"].casefold())
    zone = file.given.get("zone") or _zone(cells)
    if year is None or basis is None or zone is None:
        lacks = "year" if year is None else "production or consumption mix" if basis is None else "known country"
        file.left_out[f"electricity without a {lacks}"] += 1
        return None
    kilograms = number(cells[_TOTAL], line.line, _TOTAL, file.faults, decimal=",")
    if kilograms is None or not check_value(kilograms * 1000, line.line, _TOTAL, cells[_TOTAL], LIFECYCLE, file.faults):
        return None
    start, end = (utc_ns(datetime(int(year[1]) + n, 1, 1, tzinfo=_PARIS)) for n in (0, 1))
    # Round where decimal kilograms become grams: 0,0517 is 51.7 and not 51.699999999999996.
    return FactorValue(line.line, zone, start, end, round(kilograms * 1000, 9), LIFECYCLE, basis, "ADEME, Base Carbone")


def _zone(cells: Mapping[str, str]) -> str | None:
    place = cells["Localisation géographique"].casefold()
    return "FRA" if place == _MAINLAND else of_french_name(cells["Sous-localisation géographique français"] or place)


PUBLISHER = Publisher(
    name="ademe",
    details={"title": "ADEME, Base Carbone: average mixes of electricity", "licence": "Licence Ouverte 2.0 (Etalab)"},
    read=read,
    recognises=lambda header: {"Type Ligne", "Code de la catégorie"} <= {each.strip('"') for each in header.split(";")},
)
