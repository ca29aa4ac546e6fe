"""``regions.csv``: units delivered by region. A region's share is of all units that the service delivered."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ecoia.catalogue.csv_files import CellMistake, CellMistakes, Cells, count_of, quarter_of, read_csv, service_of, source_of
from ecoia.catalogue.problems import Problem

REGIONS_FILE = "regions.csv"
REGION_COLUMNS = ("region", "service", "quarter", "units", "source")


@dataclass(frozen=True)
class RegionUnits:
    """A line of ``regions.csv``: functional units of a service delivered in a region in a quarter, with their source."""

    region: str
    service: str
    quarter: str
    units: float
    source: str


def read_regions(path: Path) -> tuple[dict[int, RegionUnits], list[Problem]]:
    """Read ``regions.csv``, one line for each region, service and quarter.

    Args:
        path: The file; it may be absent.

    Returns:
        The lines by their number, and every mistake.
    """
    return read_csv(path, REGION_COLUMNS, _region, lambda each: (each.quarter, each.service, each.region))


def _region(cells: Cells, wrong: CellMistakes) -> RegionUnits:
    region = cells["region"]
    if not 0 < len(region) <= 200 or "@" in region:
        remedy = f"{region!r}: write the name of a region, without an address, e.g. Bourgogne-Franche-Comté"
        wrong.append(CellMistake("region", remedy, "not-a-region", region))
    return RegionUnits(
        region,
        service_of(cells, wrong),
        quarter_of(cells, wrong),
        count_of(cells, "units", wrong),
        source_of(cells, wrong),
    )
