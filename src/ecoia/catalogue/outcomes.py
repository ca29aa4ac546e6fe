"""``outcomes.csv``: how many results of the services were accepted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ecoia.catalogue.csv_files import CellMistakes, Cells, count_of, quarter_of, read_csv, service_of, source_of
from ecoia.catalogue.problems import Problem

OUTCOMES_FILE = "outcomes.csv"
OUTCOME_COLUMNS = ("service", "quarter", "accepted", "source")


@dataclass(frozen=True)
class Outcomes:
    """A line of ``outcomes.csv``: how many results of a service were accepted in a quarter, and the source of the count."""

    service: str
    quarter: str
    accepted: float
    source: str


def read_outcomes(path: Path) -> tuple[dict[int, Outcomes], list[Problem]]:
    """Read ``outcomes.csv``, one line for each service and quarter.

    Args:
        path: The file; it may be absent.

    Returns:
        The lines by their number, and every mistake.
    """
    return read_csv(path, OUTCOME_COLUMNS, _outcomes, lambda each: (each.quarter, each.service))


def _outcomes(cells: Cells, wrong: CellMistakes) -> Outcomes:
    return Outcomes(
        service_of(cells, wrong), quarter_of(cells, wrong), count_of(cells, "accepted", wrong), source_of(cells, wrong)
    )
