"""Inputs of a quarter's figures, kept in one folder so that anybody can compute the figures again.

    settings.json          zone, PUE, time zone, until when records were known
    catalogue/             the organisation's files, byte for byte, and nothing else that lies in their folder
    factors.jsonl.gz       the emission factors in use, for the zones that count
    rows/2026Q4.jsonl.gz   the ledger rows of each quarter, one JSON object a line, sorted
    ledger-gaps.json       ledger days that are not among the rows, where there are any

Equal inputs give equal bytes: they hold no time of writing, no machine's name and no order of reading.
"""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from ecoia import limits
from ecoia.errors import PublicationError
from ecoia.factors import FOLDER, Factor, FactorSet, files
from ecoia.impact.ledger_gaps import LedgerGap
from ecoia.impact.recorded import last_recorded_ns
from ecoia.periods import Quarter
from ecoia.records import Row, check_row
from ecoia.records.json_lines import read_json, unpacked_lines
from ecoia.settings import Surroundings

if TYPE_CHECKING:  # importing the catalogue costs pydantic
    from ecoia.catalogue import Catalogue

SETTINGS_FILE, CATALOGUE_FOLDER, FACTORS_FILE, ROWS_FOLDER = "settings.json", "catalogue", "factors.jsonl.gz", "rows"
GAPS_FILE = "ledger-gaps.json"
_VALUES = attrgetter(*(each.name for each in fields(Factor)))  # of a factor, in the order of its fields


@dataclass(frozen=True)
class KeptSettings:
    """The settings that figures depend on, as kept with them."""

    timezone: str
    zone: str | None
    pue: float | None


@dataclass(frozen=True)
class Inputs:
    """Everything that figures are computed from.

    Attributes:
        rows: Ledger rows, in any order; or rows that an engine sums up (``recorded.Elsewhere``), read here only where asked for.
        catalogue: The organisation's files.
        factors: Emission factors in use.
        settings: Zone, PUE and time zone.
        known_until_utc_ns: Until when records are known. Figures of a quarter that ends later are figures to date.
        gaps: Ledger days that are not, or not wholly, among the rows.
    """

    rows: Collection[Row]
    catalogue: Catalogue
    factors: FactorSet
    settings: Surroundings
    known_until_utc_ns: int
    gaps: tuple[LedgerGap, ...] = ()

    @classmethod
    def of(
        cls,
        rows: Collection[Row],
        catalogue: Catalogue,
        factors: FactorSet,
        settings: Surroundings,
        gaps: tuple[LedgerGap, ...] = (),
    ) -> Inputs:
        """Build inputs that are known until their last record."""
        return cls(rows, catalogue, factors, settings, last_recorded_ns(rows), gaps)


def write_inputs(inputs: Inputs, quarter: Quarter, folder: Path, catalogue_folder: Path | None) -> None:
    """Write the inputs of a quarter's figures, with its rows and the rows of the quarters before it.

    Args:
        inputs: Inputs in use.
        quarter: The last quarter whose rows are kept.
        folder: Folder to create and write to.
        catalogue_folder: Folder that the catalogue was read from. None: there is no catalogue.

    Raises:
        OSError: ``folder`` exists or cannot be written.

    Example:
        ``write_inputs(inputs, Quarter(2026, 4), folder, None)``, then ``read_inputs(folder)`` on any machine.
    """
    folder.mkdir(parents=True)
    settings = inputs.settings
    kept = {
        "known_until_utc_ns": inputs.known_until_utc_ns,
        "pue": settings.pue,
        "timezone": settings.timezone,
        "zone": settings.zone,
    }
    (folder / SETTINGS_FILE).write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    if catalogue_folder is not None:
        keep_catalogue(catalogue_folder, folder / CATALOGUE_FOLDER, inputs.factors.id)
    zone = ZoneInfo(settings.timezone)
    by_quarter: dict[Quarter, list[Row]] = {}
    names: dict[int, Quarter] = {}
    for row in inputs.rows:
        half_hour = row["half_hour_utc_ns"]
        if half_hour not in names:
            names[half_hour] = Quarter.of_instant(half_hour, zone)
        by_quarter.setdefault(names[half_hour], []).append(row)
    if inputs.gaps:
        gaps = [asdict(gap) for gap in inputs.gaps]
        (folder / GAPS_FILE).write_text(json.dumps(gaps, ensure_ascii=False, indent=2) + "\n", encoding="utf-8", errors="replace")
    (folder / ROWS_FOLDER).mkdir()
    for each in sorted(by_quarter):
        if each <= quarter:
            _write_lines(folder / ROWS_FOLDER / f"{each}.jsonl.gz", sorted(map(row_line, by_quarter[each])))
    _write_lines(folder / FACTORS_FILE, factor_lines(inputs.factors, zones_that_count(inputs, quarter)))


def zones_that_count(inputs: Inputs, quarter: Quarter) -> set[str | None]:
    """Return the zones whose emission factors figures of a quarter and of earlier ones may depend on."""
    end_ns = quarter.bounds_ns(ZoneInfo(inputs.settings.timezone))[1]
    recorded = {row["zone"] for row in inputs.rows if row["half_hour_utc_ns"] < end_ns}
    return recorded | {site.zone for site in inputs.catalogue.sites} | {inputs.settings.zone}


def keep_catalogue(source: Path, kept: Path, factor_set: str) -> None:
    """Copy the catalogue's own files. Figures do not depend on anything else in its folder (publications, exports).

    Args:
        source: Folder of the catalogue.
        kept: Folder to copy to.
        factor_set: Id of the set of emission factors in use, whose file is copied where it is an imported one.
    """
    from ecoia import catalogue

    imported = Path(FOLDER) / f"{factor_set}{files.SUFFIX}"
    for name in (*map(Path, catalogue.FILES), imported):
        if (source / name).is_file():
            (kept / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, kept / name)


def read_inputs(folder: Path, *, with_rows: bool = True) -> Inputs:
    """Read what ``write_inputs`` wrote.

    Args:
        folder: The folder that it wrote to.
        with_rows: Whether rows are read, too; nearly all of the time goes into them.

    Raises:
        PublicationError: A file is missing or damaged.
        CatalogueError: This version does not read the form of the catalogue.
    """
    try:
        said = read_json(limits.read_bytes(folder / SETTINGS_FILE, limits.SETTINGS_BYTES, follow_links=False))
        known_until = int(said.pop("known_until_utc_ns"))
        kept = KeptSettings(**said)
        paths = sorted((folder / ROWS_FOLDER).glob("*.jsonl.gz")) if with_rows else []
        rows = [check_row(read_json(line)) for path in paths for line in _read_lines(path)]
        factors = _factors(_read_lines(folder / FACTORS_FILE), kept.timezone)
        gaps = _read_gaps(folder / GAPS_FILE)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise PublicationError(f"the inputs in '{folder}' cannot be read ({error}): 'ecoia verify' says what differs") from error
    from ecoia import catalogue

    files_kept = folder / CATALOGUE_FOLDER
    return Inputs(rows, catalogue.load(files_kept if files_kept.is_dir() else None), factors, kept, known_until, gaps)


def _read_gaps(path: Path) -> tuple[LedgerGap, ...]:
    if not path.exists():
        return ()
    listed = read_json(limits.read_bytes(path, limits.PUBLISHED_FILE_BYTES, follow_links=False))
    return tuple(LedgerGap(**{**each, "why": tuple(each["why"])}) for each in listed)


def row_line(row: Row) -> str:
    """Return a row as one line of JSON; equal rows give equal lines."""
    return json.dumps(row, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True)


def factor_lines(factors: FactorSet, zones: Iterable[str | None]) -> list[str]:
    """Return a set of emission factors as lines of JSON, with the factors of some zones."""
    counted = set(zones)
    # Where no zone is known, keep one factor all the same: it carries the scope and basis of the set.
    kept = [factor for factor in factors.factors if factor.zone in counted] or factors.factors[:1]
    said = {"fill": factors.fill, "id": factors.id, "title": factors.title, "version": factors.version}
    return [row_line(said), *(json.dumps(_VALUES(factor), ensure_ascii=False) for factor in kept)]


def _factors(lines: Iterable[bytes], timezone: str) -> FactorSet:
    said, *factors = map(read_json, lines)
    return FactorSet((Factor(*each) for each in factors), timezone=ZoneInfo(timezone), **said)


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    path.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode(), compresslevel=6, mtime=0))


def _read_lines(path: Path) -> Iterator[bytes]:
    return unpacked_lines(limits.read_bytes(path, limits.PUBLISHED_FILE_BYTES, follow_links=False), limits.QUARTER)
