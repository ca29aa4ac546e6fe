"""A ledger row as the cells of one line, for tables and CSV."""

from __future__ import annotations

from typing import Any

from ecoia.records import TOLD_OR_NOT, Row
from ecoia.semconv import COMPONENTS, TABLE_COLUMNS


def flat_row(row: Row) -> dict[str, Any]:
    """Return the cells of a row by column of ``semconv.TABLE_COLUMNS``; all but ``quarter``, which a time zone decides.

    Example:
        >>> flat_row(row)["cpu_microjoules"]  # doctest: +SKIP
        1500000
    """
    cells = {name: row[name] for name in TABLE_COLUMNS if name in row}
    for name in ("tokens_in", "tokens_out", *TOLD_OR_NOT):
        # A sum of which a part is not known is not known.
        told = all(name in tokens for tokens in row["tokens"])
        cells[name] = sum(tokens[name] for tokens in row["tokens"]) if row["tokens"] and told else None
    cells["lost"] = sum(row["lost"].values())
    for component in COMPONENTS:
        cells[f"{component}_status"] = row["method"][component]["status"]
        cells[f"{component}_method"] = row["method"][component]["name"]
        cells[f"{component}_microjoules"] = row["energy_microjoules"][component]
    return cells
