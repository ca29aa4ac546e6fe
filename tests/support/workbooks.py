"""A catalogue with something in every file, its workbook, and people who fill it in."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.worksheet.worksheet import Worksheet

from ecoia import catalogue
from ecoia.errors import CatalogueError
from ecoia.periods import Quarter
from ecoia_dashboards.workbook import Reading, read_workbook, write_workbook
from support.organisation import CHARTER, SERVICES, TARGETS, write_catalogue

Q4 = Quarter(2026, 4)
COMMITTEES = """\
# Written by hand.
recommendations:
  - id: r1   # the first
    quarter: 2026Q4
    body: comite-interne
    service: vadore
    text: "=HYPERLINK(\\"http://x\\")"
decisions:
  - {id: d1, quarter: 2026Q4, body: comite-interne, date: 2026-12-10, answers: r1, text: "+1 voix"}
actions:
  - {id: a1, quarter: 2026q4, text: comparer, role: chef de produit IA, due: 2027Q1, answers: d1, state: under-way}
comments:
  - quarter: 2026Q4
    section: evolution
    text: |
      Deux
      lignes
ties:
  - {quarter: 2026Q4, commitment: 1, text: utilité}
"""


def write_whole_catalogue(place: Path) -> Path:
    """Write a catalogue with something in every file, and fields that no column shows."""
    register = SERVICES.replace("audience: recruteurs", "audience: recruteurs   # note\n    quality: {accuracy: higher}")
    write_catalogue(place, services=register, charter=CHARTER, targets=TARGETS, committees=COMMITTEES)
    (place / "evaluations.yaml").write_text(
        "answers:\n  - {service: vadore, quarter: 2026Q4, question: sans-ia, answer: open, comment: à comparer}\n",
        encoding="utf-8",
    )
    (place / "outcomes.csv").write_text("service;quarter;accepted;source\nvadore;2026Q4;3900,5;enquête\n", encoding="utf-8")
    (place / "regions.csv").write_text(
        "region,service,quarter,units,source\nBretagne,vadore,2026Q4,120,suivi\n", encoding="utf-8"
    )
    catalogue.load(place)
    return place


def texts(folder: Path) -> dict[str, bytes]:
    """The files of a folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def reread(folder: Path, edit: Callable[[openpyxl.Workbook], object], lang: str = "fr", name: str = "filled.xlsx") -> Reading:
    """Write the workbook, let somebody fill it in, read it back."""
    book = openpyxl.load_workbook(io.BytesIO(write_workbook(folder, Q4, lang)))
    edit(book)
    path = folder.parent / name
    book.save(path)
    return read_workbook(path, folder)


def mistakes(folder: Path, edit: Callable[[openpyxl.Workbook], object], lang: str = "fr") -> list[str]:
    """The mistakes of a filled workbook, with plain spaces; nothing was written."""
    before = texts(folder)
    with pytest.raises(CatalogueError) as caught:
        reread(folder, edit, lang)
    assert texts(folder) == before
    first, *lines = str(caught.value).replace("\xa0", " ").replace("\u202f", " ").splitlines()
    assert first.endswith("rien n’a été écrit" if lang == "fr" else "nothing was written")
    return lines


def places(lines: list[str]) -> list[str]:
    """The cells of mistakes, with the title of the column."""
    return [line.replace(" : ", ": ").split(": ")[0] for line in lines]


def cell_of(place: Worksheet, row: int, title: str) -> Any:
    """The cell of a line in the column of a title."""
    column = next(cell.column for cell in place[2] if str(cell.value).rstrip(" *") == title)
    return place.cell(row, column)


def fill(place: Worksheet, row: int, **values: Any) -> None:
    """Fill cells by the title of their column (spaces as ``_``)."""
    for title, value in values.items():
        cell_of(place, row, title.replace("_", " ")).value = value
