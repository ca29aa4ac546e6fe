"""Tabulate what the organisation declares otherwise than in its last publication."""

from __future__ import annotations

from ecoia.report import DeclaredChange, QuarterlyReport
from ecoia_dashboards import wording
from ecoia_dashboards.tables.base import DAY, Column, Table, day, table
from ecoia_dashboards.wording import N_

_VALUES = {**wording.TARGET_STATUSES, **wording.SERVICE_STATUSES, **wording.INDICATORS}


def declared_changes(report: QuarterlyReport) -> Table:
    """Tabulate each thing that was added or removed, and each field that was changed, with its value then and now."""
    columns: tuple[Column[DeclaredChange], ...] = (
        Column("since", N_("Depuis la publication"), lambda it: report.declared_since),
        Column("kind", N_("Déclaration"), lambda it: it.kind, words=wording.DECLARED_KINDS),
        Column("id", N_("Identifiant"), lambda it: it.id or None),
        Column("name", N_("Nom"), lambda it: it.name or None, words=wording.INDICATORS),
        Column("from_day", N_("Valable depuis le"), lambda it: day(it.from_day), DAY),
        Column("what", N_("Ce qui s’est passé"), lambda it: it.what, words=wording.DECLARED_CHANGES),
        Column("field", N_("Champ"), lambda it: it.field or None, words=wording.DECLARED_FIELDS),
        Column("before", N_("Avant"), lambda it: it.before or None, words=_VALUES),
        Column("after", N_("Maintenant"), lambda it: it.after or None, words=_VALUES),
        Column("unit", N_("Unité"), lambda it: it.unit or None),
        Column("effect", N_("Effet"), lambda it: it.effect or None, words=wording.DECLARED_EFFECTS),
    )
    return table("declared_changes", N_("Changements déclarés"), report.declared_changes, *columns)
