"""The large organisation two quarters and two services larger, as benchmarks ask about it: 30 services, eight quarters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from ecoia import catalogue
from ecoia.periods import DAY_NS
from ecoia.records import Row
from support.large_organisation import CATALOGUE, large_catalogue, large_rows

_EARLIER_NS = 26 * 7 * DAY_NS
"""Half a year of whole weeks."""
_ALSO = {"fraude": "fraude-aides", "indus": "indus-aides"}
"""New services, by the one whose rows they repeat, on a host of their own."""


def grown_rows() -> Iterator[Row]:
    """Give the ledger rows of eight quarters, 2024Q4 to 2026Q3."""
    begin_ns = min(row["start_utc_ns"] for row in large_rows())
    for row in large_rows():
        yield from _of_services(row)
        if row["start_utc_ns"] - begin_ns < _EARLIER_NS:
            moved = {name: row[name] - _EARLIER_NS for name in ("half_hour_utc_ns", "start_utc_ns", "end_utc_ns")}
            run = row["run_id"] and _id(row["run_id"])
            yield from _of_services({**row, **moved, "run_id": run, "record_ids": [_id(each) for each in row["record_ids"]]})


def grown_catalogue(folder: Path) -> catalogue.Catalogue:
    """Write the catalogue into a folder, with the new services in its register."""
    register = (CATALOGUE / "services.yaml").read_text(encoding="utf-8")
    lines = "".join(f"  - {{id: {new}, name: {new}, status: generalised}}\n" for new in _ALSO.values())
    head, services, rest = register.partition("services:\n")
    return large_catalogue(folder, services=f"{head}{services}{lines}{rest}")


def _of_services(row: Row) -> Iterator[Row]:
    yield row
    if row["service"] in _ALSO:
        ids = [_id(f"also/{each}") for each in row["record_ids"]]
        yield {**row, "service": _ALSO[row["service"]], "instance": "lyon-02", "record_ids": ids}


def _id(name: str) -> str:
    return str(uuid5(NAMESPACE_URL, name))
