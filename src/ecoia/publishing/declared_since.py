"""What the organisation declares otherwise than in its last publication: the catalogue frozen there, compared with today's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ecoia.errors import CatalogueError
from ecoia.impact.inputs import Inputs
from ecoia.periods import Quarter
from ecoia.publishing.publication import Published
from ecoia.report import DeclaredChange, QuarterlyReport
from ecoia.report.declared_changes import UNCLEAR, declared_changes

UNREADABLE = DeclaredChange("method", "", "", "changed", "unreadable", effect=UNCLEAR)
"""Says that this version of ecoia does not read the catalogue of the last publication, so that nothing of it can be compared."""


@dataclass(frozen=True)
class DeclaredSince:
    """The name of the last publication, None for the first, and what is declared otherwise since."""

    name: str | None = None
    changes: tuple[DeclaredChange, ...] = ()

    @classmethod
    def of(cls, figures: Mapping[str, Any]) -> DeclaredSince:
        """Read it out of published figures; those of method 1 hold none."""
        changes = tuple(DeclaredChange(**each) for each in figures.get("declared_changes", ()))
        return cls(figures.get("declared_since"), changes)


def declared_since_last(last: Published | None, inputs: Inputs, quarter: str) -> DeclaredSince:
    """Compare what is declared with the last publication of the chain, whatever its quarter, so that no change is between two.

    Args:
        last: The publication; None: there is none.
        inputs: Inputs of the report.
        quarter: The report's quarter.

    Raises:
        PublicationError: the inputs of the publication cannot be read.

    Example::

        declared_since_last(publications(root)[-1], inputs, "2026Q4").name  # '2026Q3'
    """
    if last is None:
        return DeclaredSince()
    try:
        before = last.inputs(with_rows=False)
    except CatalogueError:
        return DeclaredSince(last.name, (UNREADABLE,))
    methods = (last.method_version, QuarterlyReport.method_version)
    return DeclaredSince(last.name, declared_changes(before, inputs, Quarter.parse(quarter), methods))
