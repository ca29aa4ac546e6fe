"""``outcomes.csv``: what of the services' results was accepted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ecoia.catalogue.csv_files import Wrong, count_of, quarter_of, read_csv, service_of, source_of
from ecoia.catalogue.problems import Problem

OUTCOMES_FILE = "outcomes.csv"
OUTCOME_COLUMNS = ("service", "quarter", "accepted", "source")


@dataclass(frozen=True)
class Outcomes:
    """A line of ``outcomes.csv``: how many results of a service were accepted in a quarter, and who says so."""

    service: str
    quarter: str
    accepted: float
    source: str


def read_outcomes(path: Path) -> tuple[tuple[Outcomes, ...], list[Problem]]:
    """``outcomes.csv``: one line a service and quarter."""
    return read_csv(path, OUTCOME_COLUMNS, _outcomes, lambda each: (each.quarter, each.service))


def _outcomes(cells: dict[str, str], wrong: Wrong) -> Outcomes:
    return Outcomes(
        service_of(cells, wrong), quarter_of(cells, wrong), count_of(cells, "accepted", wrong), source_of(cells, wrong)
    )
