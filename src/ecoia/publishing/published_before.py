"""What a report takes from the publications before it: CO2e as published, restatements, and what is declared otherwise since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ecoia.errors import CatalogueError
from ecoia.impact.inputs import Inputs
from ecoia.impact.recalculation import Recalculation, published_micrograms
from ecoia.periods import Quarter
from ecoia.publishing.publication import Published
from ecoia.report import DeclaredChange, QuarterlyReport
from ecoia.report.declared_changes import UNCLEAR, declared_changes

UNREADABLE = DeclaredChange("method", "", "", "changed", "unreadable", effect=UNCLEAR)
"""Says that this version of ecoia does not read the catalogue of the last publication, so that nothing of it can be compared."""


@dataclass(frozen=True)
class PublishedBefore:
    """What a report takes from the publications before it.

    Attributes:
        declared_since: Name of the publication that the declarations are compared with; None: there is none.
        declared_changes: What is declared otherwise since.
        micrograms: CO2e last published of earlier quarters, by quarter and part.
        restatements: Restatements of earlier quarters, in the order of publication.
    """

    declared_since: str | None = None
    declared_changes: tuple[DeclaredChange, ...] = ()
    micrograms: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    restatements: tuple[Recalculation, ...] = ()

    @classmethod
    def of(cls, figures: Mapping[str, Any]) -> PublishedBefore:
        """Read it out of published figures; those of method 1 hold no declared changes."""
        return cls(
            figures.get("declared_since"),
            tuple(DeclaredChange(**each) for each in figures.get("declared_changes", ())),
            {quarter: dict(parts) for quarter, parts in figures["published_micrograms"].items()},
            tuple(Recalculation.from_dict(each) for each in figures["restatements"]),
        )


def published_before(chain: Sequence[Published], inputs: Inputs, quarter: Quarter) -> PublishedBefore:
    """Read what a report takes from the publications before it.

    Args:
        chain: The publications, in the order of publication.
        inputs: Inputs of the report.
        quarter: The report's quarter.

    Raises:
        PublicationError: a publication cannot be read.

    Example::

        published_before(publications(root), inputs, Quarter(2026, 4)).declared_since  # '2026Q3'
    """
    earlier = [each for each in chain if Quarter.parse(each.quarter) < quarter]
    last = _compared_with(chain, quarter)
    return PublishedBefore(
        last.name if last else None,
        _declared_since(last, inputs, quarter) if last else (),
        {each.quarter: published_micrograms(each.report()) for each in earlier},
        tuple(bridge for each in earlier if (bridge := each.recalculation())),
    )


def _compared_with(chain: Sequence[Published], quarter: Quarter) -> Published | None:
    """Return the publication that the declarations are compared with.

    It is the first publication of the last quarter before the report's. A restatement or a quarter published late comes after
    it and has few readers: were it taken, a target loosened for it would not be told in the report of the next quarter. Where
    no earlier quarter is published, it is the first of the chain.
    """
    earlier = [each for each in chain if not each.restates and Quarter.parse(each.quarter) < quarter]
    return max(earlier, key=lambda each: Quarter.parse(each.quarter), default=next(iter(chain), None))


def _declared_since(last: Published, inputs: Inputs, quarter: Quarter) -> tuple[DeclaredChange, ...]:
    try:
        before = last.inputs(with_rows=False)
    except CatalogueError:
        return (UNREADABLE,)
    return declared_changes(before, inputs, quarter, (last.method_version, QuarterlyReport.method_version))
