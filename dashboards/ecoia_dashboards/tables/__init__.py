"""Draw the report as tidy tables, which CSV, spreadsheets and Parquet share.

``tables(report)`` is free of language: a column has an id (its heading for programs) and a French title, a cell is a value, an id
or a code. ``indicators`` is the long form, one line a figure; every other table holds one item a line. An empty cell is unknown,
never zero; where a figure has no value, the column of its reason says why.

One module a subject holds the tables; ``base`` defines columns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ecoia.report import QuarterlyReport
from ecoia_dashboards.cleaning import clean
from ecoia_dashboards.tables import (
    about,
    changes,
    declared,
    hosted,
    indicators,
    people,
    places,
    results,
    savings,
    sources,
    targets,
)
from ecoia_dashboards.tables.base import CODES, DAY, FLAG, INTEGER, MOMENT, NUMBER, TEXT, Cell, Column, Row, Table

__all__ = ["CODES", "DAY", "FLAG", "INTEGER", "MOMENT", "NUMBER", "TEXT", "Cell", "Column", "Row", "Table", "tables"]

_TABLES: Sequence[Callable[[QuarterlyReport], Table]] = (
    about.about,
    about.notices,
    indicators.indicators,
    targets.targets,
    targets.baseline_additions,
    results.register,
    results.headlines,
    results.instance_days,
    results.results,
    results.footprint,
    results.intensities,
    results.methods,
    results.components,
    results.quality,
    results.energy_by_kind,
    results.shares,
    changes.trend,
    changes.changes,
    changes.change_terms,
    places.inventory,
    savings.savings,
    savings.unsupported,
    savings.runs,
    savings.run_quality,
    savings.frontiers,
    people.said,
    people.actions,
    people.regions,
    people.evaluations,
    sources.sensitivities,
    changes.restatements,
    changes.published,
    declared.declared_changes,
    sources.factors,
    sources.factor_gaps,
    sources.contracts,
    sources.calibrations,
    sources.crosschecks,
    places.sites,
    places.site_figures,
    places.equipment,
    places.equipment_bearers,
    hosted.tokens,
    hosted.model_hypotheses,
    about.doubles,
    sources.deviations,
    sources.equivalences,
    about.lost,
)


def tables(report: QuarterlyReport) -> tuple[Table, ...]:
    """Draw every figure of a report in tables.

    Args:
        report: The quarter's data.

    Returns:
        Always the same tables in the same order, some of them without a line; where days of the ledger are missing, one more at
        the end lists them. Texts are cleaned of control characters and marks
        of direction.

    Example:
        >>> {table.id: len(table.rows) for table in tables(report)}["indicators"]  # doctest: +SKIP
        142
    """
    report = clean(report)
    drawn = (*_TABLES, about.ledger_gaps) if report.ledger_gaps else _TABLES
    return tuple(draw(report) for draw in drawn)
