"""Write the ledger rows behind a figure as CSV of any length, piece by piece, so that memory stays flat."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ecoia.exploring import RowLine
from ecoia.publishing.flat_rows import flat_row
from ecoia.records.id_sets import ids_of
from ecoia.semconv import TABLE_COLUMNS
from ecoia_dashboards.csvs import BYTE_ORDER_MARK, cell_text
from ecoia_dashboards.dashboard.page import Reading
from ecoia_dashboards.language import Language

_ROWS = 500
_COLUMNS = (*(name for name in TABLE_COLUMNS if name != "quarter"), "record_ids", "selected_microjoules")
"""The columns of ``ecoia export``, then what of the row the selection counts: these add up to its figure."""


def rows_csv(reading: Reading, language: Language, said: Sequence[str]) -> Iterator[str]:
    """Write every row of the selection, in order of time.

    The first line says how many rows there are and what they add up to, unless a region has a part of them. Where the data
    change meanwhile, the last line says that the file is not whole.

    Args:
        reading: The data at an address.
        language: Its separator and decimal mark.
        said: What the rows are of.
    """
    french, digest, after = language.code == "fr", reading.explorer.state.digest, None
    page = reading.explorer.rows(reading.selection, after, _ROWS, reading.address.q)
    total = language.n("%(count)s ligne", "%(count)s lignes", page.count)
    parts = [] if reading.address.region and not reading.address.q else [f"{page.microjoules} µJ"]  # rows are of no region
    head = "# " + " · ".join([*said, total, *parts])
    yield (BYTE_ORDER_MARK if french else "") + _written([[head], _COLUMNS], french=french)
    while True:
        yield _written(map(_cells, page.rows), french=french)
        if page.next is None:
            return
        page = reading.explorer.rows(reading.selection, page.next, _ROWS, reading.address.q)
        if reading.explorer.state.digest != digest:
            yield _written(
                [["# " + language.t("Les données ont changé pendant la lecture : ce fichier n’est pas complet.")]], french=french
            )
            return


def _cells(line: RowLine) -> list[Any]:
    cells = flat_row(line.row) | {"record_ids": " ".join(ids_of(line.row).texts()), "selected_microjoules": line.microjoules}
    return [cells[name] for name in _COLUMNS]


def _written(lines: Iterable[Iterable[Any]], *, french: bool) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=";" if french else ",")
    flags = {True: "true", False: "false"}
    for line in lines:
        writer.writerow([cell_text(cell, lambda number: number.replace(".", ",") if french else number, flags) for cell in line])
    return out.getvalue()
