"""Write the report's tables as CSV in two forms: for French readers, and for programs.

``fr/<table>.csv`` has ``;`` between cells, a decimal comma, French headings and words, and a byte order mark, so a French
spreadsheet opens it on a double click. ``international/<table>.csv`` has ``,``, a decimal point, ids and codes.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal

from ecoia.report import QuarterlyReport
from ecoia_dashboards.language import Language
from ecoia_dashboards.tables import Cell, tables
from ecoia_dashboards.versions import versions

BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"

# A spreadsheet takes a text that starts like this for a formula, so an apostrophe goes before it (it is visible in the file). It
# also goes after every separator that some spreadsheet uses: a French one ends a cell of the international form at each ``;``.
_LIVE = re.compile("(?:^|(?<=[,;\t\r\n]))(?= *[=+\\-@\t\r\n＝＋－＠])")


def drawn_with() -> dict[str, str]:
    """Return the versions of what decides the files' bytes (``ecoia.cli.formats``)."""
    return versions("babel")


def render_csv(report: QuarterlyReport, lang: str = "fr") -> dict[str, str]:
    """Write every table in both forms.

    Args:
        report: The quarter's data.
        lang: Ignored: one form is French, the other has no language.

    Returns:
        Texts by ``<form>/<table>.csv``. Equal reports give equal bytes.

    Example:
        >>> render_csv(report)["international/trend.csv"].splitlines()[0][:18]  # doctest: +SKIP
        'quarter,energy_kwh'
    """
    french = Language("fr")
    found = {}
    for table in tables(report):
        columns = table.columns
        headings = [column.heading(french) for column in columns]
        in_words = ([column.for_readers(cell, french) for column, cell in zip(columns, row, strict=True)] for row in table.rows)
        flags = {True: french.t("oui"), False: french.t("non")}
        found[f"fr/{table.id}.csv"] = BYTE_ORDER_MARK + _written(
            [headings, *in_words], ";", lambda number: number.replace(".", ","), flags
        )
        found[f"international/{table.id}.csv"] = _written(
            [[column.id for column in columns], *table.rows], ",", str, {True: "true", False: "false"}
        )
    return found


def _written(rows: Iterable[Iterable[Cell]], separator: str, number: Callable[[str], str], flags: dict[bool, str]) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=separator)
    for row in rows:
        writer.writerow([cell_text(cell, number, flags) for cell in row])
    return out.getvalue()


def cell_text(cell: Cell, number: Callable[[str], str], flags: dict[bool, str]) -> str:
    """Write a cell as the text that a spreadsheet reads and never takes for a formula.

    Args:
        cell: The cell.
        number: Turns a number with a decimal point into that of the file.
        flags: Texts of true and false.
    """
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return flags[cell]
    if isinstance(cell, int | float):
        return number(format(Decimal(repr(cell)), "f"))  # every digit, never a power of ten
    if isinstance(cell, datetime):
        return cell.strftime("%Y-%m-%dT%H:%M:%SZ")
    text = ",".join(cell) if isinstance(cell, tuple) else str(cell)
    return _LIVE.sub("'", text)
