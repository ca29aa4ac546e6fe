"""Inspect the file of a workbook before it is opened: a reader of XLSX builds whatever the file says, whatever that costs."""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.parsers import expat

from openpyxl.utils import range_boundaries

from ecoia import limits
from ecoia.errors import UsageError

_CHUNK_BYTES = 1 << 16
_XML = re.compile(r".*\.(xml|rels|vml)", re.IGNORECASE)
_SPREAD = ("mergeCell", "hyperlink")  # the reader makes each cell of their areas
_LISTED = re.compile(r"\s+")


class _RefusedError(Exception):
    """A part of the workbook is beyond a limit; the text names the part and the remedy."""


def inspect(path: Path) -> None:
    """Check that a workbook can be opened in seconds and with bounded memory.

    Args:
        path: The workbook, in XLSX.

    Raises:
        UsageError: it cannot be read, or goes beyond ``ecoia.limits``. The message names the sheet and the remedy.

    Example:
        ``inspect(Path("classeur.xlsx"))``
    """
    try:
        with open(limits.open_file(path, limits.WORKBOOK_FILE_BYTES), "rb") as file, zipfile.ZipFile(file) as parts:  # noqa: PTH123
            _inspect(parts)
    except FileNotFoundError:
        raise UsageError(f"'{path}' is not there: name the filled workbook") from None
    except _RefusedError as refused:
        raise UsageError(f"'{path}': {refused}") from None
    except zipfile.BadZipFile as error:
        raise UsageError(f"'{path}' cannot be read as a workbook ({error}): save it as XLSX, without a password") from None
    except OSError as error:
        raise UsageError(f"'{path}' cannot be read ({error.strerror}): check the file and its permissions") from error
    except Exception as error:  # noqa: BLE001 - a broken or encrypted part; zipfile and zlib have some ten errors for it
        raise UsageError(f"'{path}' cannot be read as a workbook ({error}): save it as XLSX, without a password") from None


def _inspect(parts: zipfile.ZipFile) -> None:
    listed = parts.infolist()
    if len(listed) > limits.WORKBOOK_PARTS:
        raise _RefusedError(f"{len(listed):,} files in the workbook, {limits.WORKBOOK_PARTS:,} at most: is it a workbook?")
    size_bytes = sum(part.file_size for part in listed)  # binding: zipfile reads no more of a part than it declares
    if size_bytes > limits.WORKBOOK_BYTES:
        largest = max(listed, key=lambda part: part.file_size).filename
        raise _RefusedError(
            f"{_titles(parts).get(largest, largest)}: has most of the {size_bytes:,} bytes to which the workbook unpacks, "
            f"{limits.WORKBOOK_BYTES:,} at most: copy the filled lines into a new workbook"
        )
    titles = _titles(parts)
    elements = 0
    for part in listed:
        if _XML.fullmatch(part.filename):
            inspected = _Part(titles.get(part.filename, part.filename), limits.WORKBOOK_ELEMENTS - elements)
            _parse(parts, part, inspected.begin)
            elements += inspected.elements


def _parse(parts: zipfile.ZipFile, part: zipfile.ZipInfo, begin: Callable[[str, dict[str, str]], None]) -> None:
    parser = expat.ParserCreate()
    parser.StartElementHandler = begin
    parser.StartDoctypeDeclHandler = _refuse_doctype
    with parts.open(part) as file:
        while chunk := file.read(_CHUNK_BYTES):
            parser.Parse(chunk, False)
        parser.Parse(b"", True)


def _refuse_doctype(*_: object) -> None:
    raise _RefusedError("the workbook declares a document type, which no spreadsheet writes: save it again as XLSX")


class _Part:
    """Counts of one part while it is read. ``title`` is the sheet's, or the part's name."""

    def __init__(self, title: str, most_elements: int) -> None:
        self.title = title
        self.elements = 0
        self._most_elements = most_elements
        self._rows = 0
        self._cells = 0
        self._spread_cells = 0

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        """Count an element, and what it covers."""
        self.elements += 1
        if self.elements > self._most_elements:
            self._refuse(f"the workbook has more than {limits.WORKBOOK_ELEMENTS:,} cells and texts up to here")
        name = name.rpartition(":")[2]
        if name == "row":
            self._cells = 0
        elif name == "c":
            self._rows += self._cells == 0
            self._cells += 1
            if self._rows > limits.SHEET_ROWS:
                self._refuse(f"more than {limits.SHEET_ROWS:,} rows hold a cell")
            if self._cells > limits.SHEET_COLUMNS:
                self._refuse(f"a row holds more than {limits.SHEET_COLUMNS:,} cells")
        elif name in _SPREAD and ":" in attributes.get("ref", ""):
            self._spread(_area(attributes["ref"]))
        elif "sqref" in attributes:
            self._spread(len(_LISTED.split(attributes["sqref"])) ** 2)  # the reader compares each range with each

    def _spread(self, cells: int) -> None:
        self._spread_cells += cells
        if self._spread_cells > limits.SHEET_SPREAD_CELLS:
            self._refuse(f"merged areas, links and rules cover more than {limits.SHEET_SPREAD_CELLS:,} cells")

    def _refuse(self, what: str) -> None:
        raise _RefusedError(f"{self.title}: {what}: delete what is not filled in, or copy the filled lines into a new workbook")


def _area(reference: str) -> int:
    first_column, first_row, last_column, last_row = range_boundaries(reference)
    return (1 + (last_column or 1 << 14) - (first_column or 1)) * (1 + (last_row or 1 << 20) - (first_row or 1))


def _titles(parts: zipfile.ZipFile) -> dict[str, str]:
    """Return the title of each sheet by the name of its part; of what cannot be told, nothing."""
    targets: dict[str, str] = {}
    sheets: dict[str, str] = {}

    def relation(name: str, attributes: dict[str, str]) -> None:
        if "Id" in attributes and "Target" in attributes:
            targets[attributes["Id"]] = posixpath.normpath(posixpath.join("xl", attributes["Target"])).lstrip("/")

    def sheet(name: str, attributes: dict[str, str]) -> None:
        if name.rpartition(":")[2] == "sheet" and "name" in attributes:
            sheets.update((value, attributes["name"]) for key, value in attributes.items() if key.rpartition(":")[2] == "id")

    for name, begin in (("xl/_rels/workbook.xml.rels", relation), ("xl/workbook.xml", sheet)):
        part = next((part for part in _named(parts, name) if part.file_size <= limits.WORKBOOK_BYTES), None)
        if part is not None:
            _parse(parts, part, begin)
    return {targets[key]: f"sheet '{title}'" for key, title in sheets.items() if key in targets}


def _named(parts: zipfile.ZipFile, name: str) -> Iterator[zipfile.ZipInfo]:
    return (part for part in parts.infolist() if part.filename == name)
