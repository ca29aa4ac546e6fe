"""Readers of what publishers give: ADEME Base Carbone, RTE eCO2mix, Electricity Maps, and the generic CSV.

Each turns a file into a ``FactorSet`` whose normalised form is kept in the catalogue. What a file holds that is no factor of
electricity is left out and counted, by reason; a line that should be one and is wrong refuses the file.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from ecoia.factors import files
from ecoia.factors.files import Faults, Row, Value
from ecoia.factors.model import CONSUMPTION, DIRECT, LIFECYCLE, PRODUCTION, FactorSet
from ecoia.factors.zones import is_known, of_electricity_maps, of_french_name
from ecoia.periods import HALF_HOUR_NS, half_hour_start, utc_ns

_PARIS = ZoneInfo("Europe/Paris")
_MISSING = ("", "ND", "-", "--")
_ETALAB = "Licence Ouverte 2.0 (Etalab)"


@dataclass(frozen=True)
class Imported:
    """What an import gave: the set, its normalised file, and what was left out, by reason."""

    factors: FactorSet
    text: str
    left_out: Mapping[str, int]


@dataclass(frozen=True)
class Kind:
    """A publisher's form: its encoding, what it always says, and what reads its values."""

    encoding: Callable[[bytes], str]
    says: Mapping[str, str]
    read: Callable[[str, Faults, Mapping[str, str], Counter[str]], Iterable[Value]]


def read_as(path: Path, kind: str, given: Mapping[str, str], timezone: tzinfo, *, encoding: str | None = None) -> Imported:
    """Read a publisher's file.

    Args:
        path: The file.
        kind: One of ``KINDS``, or ``generic``.
        given: Details (``files.DETAILS``) that stand over what the kind says; ``id`` and ``retrieved_on`` are needed. ``zone``
            names the zone of a file that does not.
        timezone: Where the days of a generic file begin.
        encoding: Where the file is not in its publisher's.

    Raises:
        FactorFileError: something is wrong; the message has one line a mistake.
    """
    data = files.read_bytes(path)
    details = {name: value for name, value in given.items() if name in files.DETAILS}
    if kind == GENERIC:
        if encoding is not None:
            data = files.decode(data, encoding, Faults(path.name)).encode()
        factors, said = files.parse_generic(data, path.name, timezone, details)
        return Imported(factors, files.render(factors, said), {})
    form, faults, left_out = KINDS[kind], Faults(path.name), Counter[str]()
    text = files.decode(data, encoding or form.encoding(data), faults)
    said = files.read_details({**form.says, **details}, data, faults)
    factors = files.build(list(form.read(text, faults, given, left_out)), said, timezone, faults)
    return Imported(factors, files.render(factors, said), dict(left_out))


# --------------------------------------------------------------------------------------------------------------- ADEME

_ADEME_COLUMNS = (
    "Type Ligne",
    "Statut de l'élément",
    "Nom attribut français",
    "Nom frontière français",
    "Code de la catégorie",
    "Unité français",
    "Localisation géographique",
    "Sous-localisation géographique français",
    "Total poste non décomposé",
)
_ADEME_YEAR = re.compile(r"\b(20\d\d)\b")
_ADEME_BASES = {"consommation": CONSUMPTION, "production": PRODUCTION}
_MAINLAND = "france continentale"


def _ademe(text: str, faults: Faults, given: Mapping[str, str], left_out: Counter[str]) -> Iterator[Value]:
    """Average mixes of electricity, in kgCO2e/kWh with decimal commas. The total has supply and losses in it: a life cycle."""
    found = []
    for row in files.table(text, faults.name, ";", None, _ADEME_COLUMNS, faults):
        cells = row.cells
        reason = _not_a_mix(cells)
        if reason is not None:
            left_out[reason] += 1
            continue
        year = _ADEME_YEAR.search(cells["Nom attribut français"])
        basis = _ADEME_BASES.get(cells["Nom frontière français"].casefold())
        zone = given.get("zone") or _ademe_zone(cells)
        if year is None or basis is None or zone is None:
            lacks = "year" if year is None else "production or consumption mix" if basis is None else "known country"
            left_out[f"electricity without a {lacks}"] += 1
            continue
        column = "Total poste non décomposé"
        kilograms = files.number(cells[column], row.line, column, faults, decimal=",")
        if kilograms is None or not files.check_value(kilograms * 1000, row.line, column, cells[column], LIFECYCLE, faults):
            continue
        start, end = (utc_ns(datetime(int(year[1]) + n, 1, 1, tzinfo=_PARIS)) for n in (0, 1))
        # Rounded where kilograms written in decimal become grams: 0,0517 is 51.7 and not 51.699999999999996.
        grams = round(kilograms * 1000, 9)
        found.append(Value(row.line, zone, start, end, grams, LIFECYCLE, basis, "ADEME, Base Carbone"))
    yield from sorted(found, key=lambda value: (value.start_utc_ns, value.line))  # its lines are in no order of time


def _not_a_mix(cells: Mapping[str, str]) -> str | None:
    """Why a line is no average mix of electricity; None when it is one."""
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


def _ademe_zone(cells: Mapping[str, str]) -> str | None:
    place = cells["Localisation géographique"].casefold()
    return "FRA" if place == _MAINLAND else of_french_name(cells["Sous-localisation géographique français"] or place)


# ------------------------------------------------------------------------------------------------------------- eCO2mix

_RATES = ("Taux de Co2", "Taux de CO2 (g/kWh)")
_INSTANTS = ("Date et Heure", "Date - Heure")
_HOURS = ("Heures", "Heure")


def _eco2mix(text: str, faults: Faults, given: Mapping[str, str], left_out: Counter[str]) -> Iterator[Value]:
    """RTE's estimate of what burning emits, of what is generated in France: direct, production; no inventory.

    Both forms: the tab-separated ``.xls`` of the site, and the ``;`` of open data. A half-hour is the mean of the values that its
    rows give (a row each quarter of an hour, or each half); where none gives one it stays unknown.
    """
    header = text.partition("\n")[0]
    delimiter = "\t" if "\t" in header else ";"
    columns = [column.strip() for column in header.split(delimiter)]
    rate = next((name for name in _RATES if name in columns), _RATES[delimiter == ";"])
    instant = next((name for name in _INSTANTS if name in columns), None)
    hours = next((name for name in _HOURS if name in columns), _HOURS[0])
    needed = ("Périmètre", "Date", hours, rate)
    half_hours: dict[int, list[tuple[Row, float]]] = {}
    seen: dict[int, int] = {}
    clock = _Clock()
    zone = given.get("zone") or "FRA"
    for row in files.table(text, faults.name, delimiter, None, needed, faults, ragged=True):
        cells = row.cells
        if len(cells) < len(needed) or not cells.get("Date"):
            left_out["notice of the publisher"] += 1
            continue
        if cells["Périmètre"].casefold() != "france":
            faults.add(row.line, "Périmètre", cells["Périmètre"], "only the national file has a rate of CO2: import that one")
            continue
        written = cells.get(rate, "")
        missing = written.upper() in _MISSING
        at = _offset_time(row, instant, faults) if instant else clock.read(row, hours, missing, faults)
        if at is None:
            continue
        if at in seen:
            faults.add(row.line, "Date", f"{cells['Date']} {cells[hours]}", f"the same time as line {seen[at]}: keep one")
            continue
        seen[at] = row.line
        if missing:
            left_out["no value"] += 1
            continue
        value = files.number(written, row.line, rate, faults)
        if value is not None and files.check_value(value, row.line, rate, written, DIRECT, faults):
            half_hours.setdefault(half_hour_start(at), []).append((row, value))
    for start in sorted(half_hours):
        values = half_hours[start]
        mean = sum(value for _, value in values) / len(values)
        yield Value(values[0][0].line, zone, start, start + HALF_HOUR_NS, mean, DIRECT, PRODUCTION, "RTE, eCO2mix")


def _eco2mix_encoding(data: bytes) -> str:
    """The site's files are CP1252 with tabs, open data is UTF-8 with semicolons."""
    return "cp1252" if b"\t" in data.partition(b"\n")[0] else "utf-8"


class _Clock:
    """Local times of France in the order of a file, as instants. In autumn an hour comes twice: the second is an hour later."""

    def __init__(self) -> None:
        self._met: dict[datetime, int] = {}
        self._latest: tuple[int, int] | None = None

    def read(self, row: Row, hours: str, missing: bool, faults: Faults) -> int | None:
        written = f"{row.cells['Date']} {row.cells[hours]}"
        try:
            local = datetime.strptime(written, "%Y-%m-%d %H:%M").replace(tzinfo=_PARIS)
        except ValueError:
            try:
                local = datetime.strptime(written, "%d/%m/%Y %H:%M").replace(tzinfo=_PARIS)
            except ValueError:
                faults.add(row.line, "Date", written, "write a day and a time, 2026-01-01 and 00:30, or 01/01/2026 and 00:30")
                return None
        if local.astimezone(UTC).astimezone(_PARIS).replace(fold=0) != local.replace(fold=0):
            if not missing:  # files that have 48 half-hours every day leave these empty
                faults.add(row.line, "Date", written, "this hour is skipped in spring in France: leave its value empty")
            return None
        twice = local.utcoffset() != local.replace(fold=1).utcoffset()
        met = self._met.get(local)
        self._met[local] = row.line
        at = utc_ns(local.replace(fold=1) if twice and met is not None else local)
        if met is None and self._latest is not None and at < self._latest[0]:
            remedy = f"before line {self._latest[1]}: put the lines in order of time, or local time is not readable in autumn"
            faults.add(row.line, "Date", written, remedy)
            return None
        self._latest = max(self._latest or (at, row.line), (at, row.line))
        return at


def _offset_time(row: Row, column: str, faults: Faults) -> int | None:
    """The instant of a row of open data, which says its offset; so its order, which exports do not keep, does not matter."""
    try:
        moment = datetime.fromisoformat(row.cells.get(column, ""))
        if moment.tzinfo is not None:
            return utc_ns(moment)
    except ValueError:
        pass
    faults.add(row.line, column, row.cells.get(column, ""), "write the time with its offset, 2026-03-29T03:00:00+02:00")
    return None


# ---------------------------------------------------------------------------------------------------- Electricity Maps

_STEPS = {"hourly": timedelta(hours=1), "daily": timedelta(days=1)}
_RESOLUTIONS = ("hourly", "daily", "monthly", "yearly")
_DIRECT_COLUMN = re.compile(r"carbon intensity gco.?\s?eq/kwh \(direct\)", re.IGNORECASE)
_LIFECYCLE_COLUMN = re.compile(r"carbon intensity gco.?\s?eq/kwh \((lca|life cycle)\)", re.IGNORECASE)


def _electricity_maps(text: str, faults: Faults, given: Mapping[str, str], left_out: Counter[str]) -> Iterator[Value]:
    """Of what is consumed in the zone, exchanges traced; direct and life cycle side by side, hence a set of two scopes."""
    header = [column.strip() for column in text.partition("\n")[0].split(",")]
    zone_column = next((name for name in header if name.casefold() == "zone id"), "Zone Id")
    columns = {
        DIRECT: next((name for name in header if _DIRECT_COLUMN.fullmatch(name)), "Carbon Intensity gCO₂eq/kWh (direct)"),
        LIFECYCLE: next((name for name in header if _LIFECYCLE_COLUMN.fullmatch(name)), "Carbon Intensity gCO₂eq/kWh (LCA)"),
    }
    time_column = "Datetime (UTC)"
    rows: list[tuple[Row, str, datetime]] = []
    for row in files.table(text, faults.name, ",", None, (time_column, zone_column, *columns.values()), faults):
        zone = given.get("zone") or of_electricity_maps(row.cells[zone_column])
        if zone is None or not is_known(zone):
            remedy = "no country has this code: give the zone of the file with --zone"
            faults.add(row.line, zone_column, row.cells[zone_column], remedy)
            continue
        try:
            moment = datetime.fromisoformat(row.cells[time_column])
            rows.append((row, zone, moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)))
        except ValueError:
            faults.add(row.line, time_column, row.cells[time_column], "write a UTC time, 2026-01-01 00:00:00")
    resolution = given.get("resolution") or _resolution(faults.name, [(zone, moment) for _, zone, moment in rows])
    if rows and resolution not in _RESOLUTIONS:
        remedy = f"name the file as it was downloaded (FR_2026_hourly.csv), or give --resolution: {', '.join(_RESOLUTIONS)}"
        faults.add(rows[0][0].line, time_column, rows[0][0].cells[time_column], f"how long a line holds is not known: {remedy}")
        return
    for row, zone, moment in rows:
        start = utc_ns(moment)
        if start % HALF_HOUR_NS:
            faults.add(row.line, time_column, row.cells[time_column], "not on a half-hour: import hourly or longer values")
            continue
        end = utc_ns(_end(moment, resolution))
        for scope, column in columns.items():
            written = row.cells[column]
            if written.upper() in _MISSING:
                left_out["no value"] += 1
                continue
            value = files.number(written, row.line, column, faults)
            if value is not None and files.check_value(value, row.line, column, written, scope, faults):
                yield Value(row.line, zone, start, end, value, scope, CONSUMPTION, "Electricity Maps")


def _resolution(name: str, moments: Iterable[tuple[str, datetime]]) -> str:
    """How long a line holds: as the file's name says, else as its lines lie apart; empty when neither tells."""
    named = next((word for word in _RESOLUTIONS if word in name.casefold()), None)
    if named is not None:
        return named
    by_zone: dict[str, list[datetime]] = {}
    for zone, moment in moments:
        by_zone.setdefault(zone, []).append(moment)
    steps = {later - earlier for times in by_zone.values() for earlier, later in itertools.pairwise(times)}
    shortest = min((step for step in steps if step), default=None)
    if shortest is None:
        return ""
    longer = {"monthly": (28, 31), "yearly": (365, 366)}
    exact = next((word for word, step in _STEPS.items() if shortest == step), "")
    return exact or next((word for word, (low, high) in longer.items() if low <= shortest.days <= high), "")


def _end(moment: datetime, resolution: str) -> datetime:
    if resolution in _STEPS:
        return moment + _STEPS[resolution]
    months = 12 if resolution == "yearly" else 1
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    return moment.replace(year=year, month=month + 1)


GENERIC = "generic"
KINDS = {
    "ademe": Kind(lambda _: "cp1252", {"title": "ADEME, Base Carbone: average mixes of electricity", "licence": _ETALAB}, _ademe),
    "eco2mix": Kind(_eco2mix_encoding, {"title": "RTE, eCO2mix: what burning emits in France", "licence": _ETALAB}, _eco2mix),
    "electricitymaps": Kind(lambda _: "utf-8", {"title": "Electricity Maps: carbon intensity of consumption"}, _electricity_maps),
}
"""By name: the publishers' forms."""
