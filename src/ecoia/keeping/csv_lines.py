"""Lines of a CSV text, within limits: the one way in which tables are read, whoever made them."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator

from ecoia import limits

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


class CsvError(ValueError):
    """A text cannot be read as a table.

    Attributes:
        line: Line of the fault, from 1.
    """

    def __init__(self, line: int, fault: str) -> None:
        super().__init__(fault)
        self.line = line


def csv_lines(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each line with its number in the text; of a line with line breaks in quotes, the number of the last.

    Args:
        text: The text.
        delimiter: Delimiter between columns.

    Raises:
        CsvError: quotes are wrong, the text holds the character 0, or it goes beyond ``ecoia.limits``.

    Example:
        >>> list(csv_lines("zone,value\\nFRA,41\\n", ","))
        [(1, ['zone', 'value']), (2, ['FRA', '41'])]
    """
    if (nul := text.find("\0")) >= 0:
        raise CsvError(text.count("\n", 0, nul) + 1, "holds the character 0, as in a damaged file: save it again")
    # Strict: otherwise a quote that is never closed makes one cell of the rest of the text.
    reader = csv.reader((found[0] for found in _LINE.finditer(text)), delimiter=delimiter, strict=True)
    begun = 0
    try:
        for cells in reader:
            if len(cells) > limits.CSV_COLUMNS:
                raise CsvError(reader.line_num, f"{len(cells):,} cells, {limits.CSV_COLUMNS:,} at most: check the separator")
            if reader.line_num > limits.CSV_LINES:
                raise CsvError(reader.line_num, f"more than {limits.CSV_LINES:,} lines: split the file")
            if any(len(cell) > limits.CSV_CELL_CHARACTERS for cell in cells):  # a library may have raised csv's own limit
                raise CsvError(reader.line_num, f"a cell of more than {limits.CSV_CELL_CHARACTERS:,} characters: check quotes")
            yield reader.line_num, cells
            begun = reader.line_num
    except csv.Error as error:  # where the cells begin: a quote that is never closed reads on to the end
        raise CsvError(begun + 1, f"not readable as CSV ({error}): check quotes") from None


def first(mistakes: list[str]) -> list[str]:
    """Return the mistakes that a message lists: the first of them, and how many more there are.

    Example:
        >>> first(["a"] * 51)[-2:]
        ['a', '... and 1 more']
    """
    more = len(mistakes) - limits.MISTAKES_SHOWN
    return mistakes if more <= 0 else [*mistakes[: limits.MISTAKES_SHOWN], f"... and {more:,} more"]
