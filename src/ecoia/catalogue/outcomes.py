"""``outcomes.csv``: what of the services' results was accepted."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from ecoia.catalogue.problems import Problem
from ecoia.errors import UsageError
from ecoia.periods import Quarter
from ecoia.settings import is_slug

OUTCOMES_FILE = "outcomes.csv"


@dataclass(frozen=True)
class Outcomes:
    """A line of ``outcomes.csv``: how many results of a service were accepted in a quarter, and who says so."""

    service: str
    quarter: str
    accepted: float
    source: str


_OUTCOME_COLUMNS = ("service", "quarter", "accepted", "source")


def read_outcomes(path: Path) -> tuple[tuple[Outcomes, ...], list[Problem]]:
    """``outcomes.csv``: one line a service and quarter."""
    if not path.exists():
        return (), []
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        return (), [Problem(path.name, line, "", "not readable as UTF-8: save the file in UTF-8")]
    except OSError as error:
        return (), [Problem(path.name, 1, "", f"not readable ({error.strerror}): check its permissions")]
    header = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=";" if ";" in header else ",")
    found: dict[tuple[str, str], tuple[int, Outcomes]] = {}
    problems: list[Problem] = []
    columns: list[str] = []
    try:
        for cells in reader:
            if not columns:
                columns = [cell.strip() for cell in cells]
                if sorted(columns) != sorted(_OUTCOME_COLUMNS):
                    remedy = f"{', '.join(columns)!r}: write the columns {', '.join(_OUTCOME_COLUMNS)}, each once"
                    return (), [Problem(path.name, 1, "header", remedy)]
            elif any(cell.strip() for cell in cells):
                line = reader.line_num
                if len(cells) != len(columns):
                    problems.append(
                        Problem(path.name, line, "line", f"{len(cells)} cells: write {len(columns)}, as in the header")
                    )
                    continue
                outcome, wrong = _outcome(dict(zip(columns, map(str.strip, cells), strict=True)))
                problems += [Problem(path.name, line, column, remedy) for column, remedy in wrong]
                if outcome is not None:
                    key = (outcome.service, outcome.quarter)
                    if key in found:
                        remedy = f"{outcome.quarter!r} of {outcome.service!r} is already on line {found[key][0]}: keep one line"
                        problems.append(Problem(path.name, line, "quarter", remedy))
                    found.setdefault(key, (line, outcome))
    except csv.Error as error:
        problems.append(Problem(path.name, max(reader.line_num, 1), "", f"not readable as CSV ({error}): check quotes"))
    return tuple(outcome for _, outcome in found.values()), problems


def _outcome(cells: dict[str, str]) -> tuple[Outcomes | None, list[tuple[str, str]]]:
    """A line, or every column that is wrong with its remedy."""
    wrong: list[tuple[str, str]] = []
    quarter, accepted = cells["quarter"], 0.0
    if not is_slug(cells["service"]):
        wrong.append(("service", f"{cells['service']!r}: write the id of a service, e.g. vadore"))
    try:
        quarter = str(Quarter.parse(quarter))
    except UsageError as error:
        wrong.append(("quarter", str(error)))
    try:
        accepted = float(cells["accepted"].replace(",", "."))
    except ValueError:
        accepted = -1.0
    if not 0 <= accepted < 1e15:
        wrong.append(("accepted", f"{cells['accepted']!r}: write a count of 0 or more, without spaces"))
    if not cells["source"]:
        wrong.append(("source", "empty: say where the count comes from, e.g. 'enquête 2026-12'"))
    return (None if wrong else Outcomes(cells["service"], quarter, accepted, cells["source"])), wrong
