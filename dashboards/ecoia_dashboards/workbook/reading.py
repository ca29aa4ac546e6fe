"""Read a filled workbook back into the catalogue: every mistake at once, by sheet and cell, and then nothing is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ecoia import catalogue
from ecoia.catalogue.editing import comments
from ecoia.catalogue.saving import save
from ecoia.errors import CatalogueError
from ecoia_dashboards.language import Language
from ecoia_dashboards.workbook.filled import Page, is_renamed, opened, pages_of, read_form, read_table, written_with
from ecoia_dashboards.workbook.inspection import inspect
from ecoia_dashboards.workbook.merging import Merge, merge_lines
from ecoia_dashboards.workbook.mistakes import changed_texts, check_draft
from ecoia_dashboards.workbook.references import check_references, check_spelling
from ecoia_dashboards.workbook.tables import table


@dataclass(frozen=True)
class FileChange:
    """Changes of a reading in one file: lines added and changed, keys of lines removed, and comments lost."""

    file: str
    added: int
    changed: int
    removed: tuple[str, ...]
    comments_lost: int


@dataclass(frozen=True)
class Reading:
    """Result of a reading: the changes, and the sheets and columns that were not read because ecoia did not write them."""

    changes: tuple[FileChange, ...]
    ignored: tuple[str, ...]


def read_workbook(path: str | Path, folder: str | Path) -> Reading:
    """Read a filled workbook into the catalogue of a folder.

    A value that differs from the one with which the workbook was written was changed by somebody, and is written. Every other
    value stays as the files hold it now. Sheets that the workbook lacks are left alone.

    Args:
        path: The workbook, in XLSX.
        folder: The catalogue's folder.

    Returns:
        The changes of each file, and the sheets and columns that were not read.

    Raises:
        UsageError: the file is no workbook of ours.
        CatalogueError: the folder is wrong already, or the workbook is; the message has one line a mistake. Nothing was written.
        EcoiaError: the folder cannot be written.

    Example:
        >>> read_workbook("classeur.xlsx", "catalogue").changes  # doctest: +SKIP
        (FileChange(file='targets.yaml', added=1, changed=0, removed=(), comments_lost=0),)
    """
    base = Path(folder)
    loaded = catalogue.load(base)
    inspect(Path(path))
    book, formulas = opened(Path(path), values=True), opened(Path(path), values=False)
    before = written_with(book)
    pages, ignored = pages_of(book, formulas, Path(path), before)
    merges = []
    for page in pages:
        _read_page(page)
        merges.append(merge_lines(page, table(page.sheet, base, loaded), before.get(page.sheet.id)))
    check_references(merges, lambda sheet: table(sheet, base, loaded))
    others = check_draft(base, merges)
    lines = [fault.text for fault in sorted({fault for page in pages for fault in page.faults})] + others
    if lines:
        raise CatalogueError("\n".join([_counted(len(lines), path, pages[0].language), *lines]))
    texts, _ = changed_texts(merges)
    save(base, texts)
    return Reading(tuple(_changes(merges, texts)), (*ignored, *(each for page in pages for each in page.ignored)))


def _read_page(page: Page) -> None:
    """Read the cells of a sheet, and check those that the sheet alone can check."""
    if is_renamed(page):
        page.fault(1, 1, "sheet-renamed", title=page.language.t(page.sheet.title))
    if page.sheet.form:
        read_form(page)
    else:
        read_table(page)
        check_spelling(page)


def _counted(count: int, path: str | Path, language: Language) -> str:
    """Write the first line of the mistakes."""
    return language.n(
        "%(count)s erreur dans « %(path)s » : rien n’a été écrit",
        "%(count)s erreurs dans « %(path)s » : rien n’a été écrit",
        count,
        path=path,
    )


def _changes(merges: Sequence[Merge], texts: Mapping[str, str]) -> Iterator[FileChange]:
    """Count the changes of each file."""
    for file, text in texts.items():
        of = [merge for merge in merges if merge.table.sheet.file == file]
        yield FileChange(
            file,
            sum(merge.added for merge in of),
            sum(merge.changed for merge in of),
            tuple(removed for merge in of for removed in merge.removed),
            0 if file.endswith(".csv") else max(comments(of[0].table.text) - comments(text), 0),
        )
