"""Limits of what is read: how large, deep or long an input may be before it is refused. Each one is stated here and nowhere else.

Every file that ecoia reads may come from somebody else: a colleague's workbook, an artefact of a shared MLflow server, a folder
that others write to. A limit lies well above what an organisation needs (its reason says by how much), and low enough that an
input at the limit is read or refused in seconds, with bounded memory. ``read_bytes`` reads a file whole within its limit.
"""

from __future__ import annotations

import errno
import os
import stat

from ecoia.light import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1 << 20

# Files of the catalogue (YAML)
YAML_BYTES = 2 * MIB
"""A self-assessment of 28 services over 24 quarters has 2 MB; one mebibyte takes some 5 s to read."""
YAML_DEPTH = 32
"""The deepest field of the catalogue has 8 levels. Readers recurse once a level."""
YAML_NODES = 200_000
"""Values of a file with every alias written out: 2 MB of ordinary lines hold 100,000. It stops files whose aliases multiply."""
YAML_DIGITS = 20
"""Characters of a whole number: 2^63 has 19 digits. Longer ones cost time that grows with their square."""

# JSON: lines of the journal, rows of the ledger, files of a publication
JSON_DEPTH = 32
"""A record has 3 levels, and the figures of a report 12."""
JSON_DIGITS = 30
"""Characters of a whole number: one quarter of a large organisation is 10^17 microjoules."""
TOLD_CALLS_BYTES = 256 * MIB
"""What was imported of traced calls: some 30 bytes a trace of a day, so eight million a day."""
LINE_BYTES = 16 * MIB
"""One record or row. A row names its records: 1,000 processes that write one every ten seconds give 7 MB in a half-hour."""


METRICS_PAGE_BYTES = 2 * MIB
"""The metrics page of a server of language models: one of vLLM has some 300 kB for each model."""


# Artefacts and frozen inputs (gzip)
class Unpacked:
    """How much a compressed file may hold. A plain class, as measured processes load this module."""

    __slots__ = ("lines", "text_bytes")

    def __init__(self, text_bytes: int, lines: int) -> None:
        self.text_bytes = text_bytes
        self.lines = lines


DAY = Unpacked(512 * MIB, 500_000)
"""One ledger day: 250 processes that write every ten seconds give 400 MB; 10,000 services and endpoints 480,000 rows."""
QUARTER = Unpacked(8192 * MIB, 20_000_000)
"""Rows of one published quarter, or emission factors: 4,254 ledger days have 1,000,000 rows and 1 GB."""
UNPACKED_RATIO = 150
"""How many times larger than the file its text may be, beyond ``UNPACKED_FREE_BYTES``: rows shrink 3- to 40-fold."""
UNPACKED_FREE_BYTES = 32 * MIB
"""Text that any compressed file may hold: few rows that differ in nothing but their time shrink more than most."""

# Workbooks (XLSX)
WORKBOOK_FILE_BYTES = 32 * MIB
"""The workbook of 28 services and six quarters has 0.2 MB."""
WORKBOOK_BYTES = 128 * MIB
"""All parts of a workbook, unpacked."""
WORKBOOK_PARTS = 1_000
"""Files inside a workbook: ours has some 30."""
WORKBOOK_ELEMENTS = 400_000
"""Elements of XML in all parts: some 10 s to read. The workbook of 28 services has 6,000, and 24 quarters of answers 300,000."""
SHEET_ROWS = 20_000
"""Rows of a sheet that hold a cell, wherever they stand: 24 quarters of 28 services with 25 answers are 16,800."""
SHEET_COLUMNS = 256
"""Cells of one row: our widest sheet has 20 columns; spreadsheets leave some formatted ones beside them."""
SHEET_SPREAD_CELLS = 300_000
"""Cells that merged areas and links of a sheet cover: the reader makes each one, which takes 200 bytes."""

# Tables (CSV)
CSV_BYTES = 16 * MIB
"""A table of the catalogue, or of declared activity: 16 MB are 150,000 lines."""
DECLARED_HALF_HOURS = 2_000_000
"""Half-hours of all lines of a file of declared activity: 100 services for a year have 1,752,000. Each is a row of the ledger."""
FACTOR_FILE_BYTES = 128 * MIB
"""ADEME's Base Carbone has 30 MB, ten years of quarter-hours 60 MB."""
CSV_LINES = 1_000_000
"""Ten years of quarter-hours are 350,000."""
CSV_COLUMNS = 1_000
"""Base Carbone has 50 columns."""
CSV_CELL_CHARACTERS = 131_072
"""Longest cell, as in Python's ``csv``. Base Carbone has comments of 8,000; a quote never closed takes all that follows."""
MISTAKES_SHOWN = 50
"""Mistakes of a file that one message lists; the others are counted."""

# Publications, and other files that are read whole
PUBLISHED_FILE_BYTES = 1024 * MIB
"""One file of a publication: the rows of a quarter with 4,254 ledger days have 50 MB, compressed."""
PUBLISHED_FILES = 10_000
"""Files of a publication: some 60, and one a service in the folders of exports."""
SETTINGS_BYTES = MIB
"""``ecoia.toml`` and files of rules (TOML), and keys: some kilobytes each."""
RUN_TABLE_BYTES = 8 * MIB
"""The table of a run (``ecoia/breakdown.json``): 200 bytes for each run below it."""


_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISLNK, "a link"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_CHUNK_BYTES = MIB


def open_file(path: str | Path, most_bytes: int, *, follow_links: bool = True) -> int:
    """Open a regular file for reading, and return its descriptor. Never waits: a pipe or device is refused before it is opened.

    Args:
        path: The file.
        most_bytes: Its greatest size.
        follow_links: Whether it may be a symbolic link.

    Raises:
        OSError: it cannot be opened, is no regular file, or is larger; ``strerror`` says which.

    Example:
        >>> open_file("/dev/zero", SETTINGS_BYTES)
        Traceback (most recent call last):
        OSError: [Errno 22] it is a device, not a file: '/dev/zero'
    """
    _check(os.stat(path, follow_symlinks=follow_links), path, most_bytes)  # opening a device may do something
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags | (0 if follow_links else getattr(os, "O_NOFOLLOW", 0)))
    try:
        _check(os.fstat(descriptor), path, most_bytes)  # another file may have taken its place
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _check(found: os.stat_result, path: str | Path, most_bytes: int) -> None:
    """Check that a file is a regular one and not too large.

    Raises:
        OSError: it is not, or is.
    """
    if not stat.S_ISREG(found.st_mode):
        kind = next((words for is_one, words in _KINDS if is_one(found.st_mode)), "something else")
        raise OSError(errno.EINVAL, f"it is {kind}, not a file", os.fspath(path))
    if found.st_size > most_bytes:
        raise _too_large(path, found.st_size, most_bytes)


def _too_large(path: str | Path, size_bytes: int, most_bytes: int) -> OSError:
    said = f"it has {size_bytes:,} bytes, and ecoia reads at most {most_bytes:,}"
    return OSError(errno.EFBIG, said, os.fspath(path))


def read_bytes(path: str | Path, most_bytes: int, *, follow_links: bool = True) -> bytes:
    """Read a regular file whole.

    Args:
        path: The file.
        most_bytes: Its greatest size.
        follow_links: Whether it may be a symbolic link.

    Raises:
        OSError: as ``open_file``.

    Example:
        ``read_bytes("ecoia.toml", SETTINGS_BYTES)``
    """
    chunks, size_bytes = [], 0
    with os.fdopen(open_file(path, most_bytes, follow_links=follow_links), "rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            chunks.append(chunk)
            size_bytes += len(chunk)
            if size_bytes > most_bytes:  # it grew meanwhile, or its file system does not know its size
                raise _too_large(path, size_bytes, most_bytes)
    return b"".join(chunks)
