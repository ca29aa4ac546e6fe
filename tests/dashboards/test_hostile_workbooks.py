"""Workbooks made to hang or fill a reader are refused with their sheet; what only looks odd, such as a stray cell, is read."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from ecoia.errors import UsageError
from ecoia.periods import Quarter
from ecoia_dashboards.workbook import read_workbook, write_workbook
from ecoia_dashboards.workbook.sheets import SHEETS
from support.organisation import CHARTER, SERVICES, TARGETS, write_catalogue

SHEET = "xl/worksheets/sheet2.xml"
TITLE = "Registre"
HELLO = '<is><t xml:space="preserve">{}</t></is>'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("organisation") / "catalogue"
    write_catalogue(place, services=SERVICES, charter=CHARTER, targets=TARGETS)
    return place


@pytest.fixture(scope="module")
def parts(folder: Path) -> dict[str, bytes]:
    """The files inside an untouched workbook."""
    with zipfile.ZipFile(io.BytesIO(write_workbook(folder, Quarter(2026, 4), "fr"))) as book:
        return {name: book.read(name) for name in book.namelist()}


def packed(parts: dict[str, bytes], path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as book:
        for name, content in parts.items():
            book.writestr(name, content)
    return path


def added(parts: dict[str, bytes], rows: str = "", below: str = "") -> dict[str, bytes]:
    """Add rows, and what follows them, to the register's sheet."""
    text = parts[SHEET].decode().replace("</sheetData>", f"{rows}</sheetData>{below}")
    return {**parts, SHEET: text.encode()}


@pytest.mark.parametrize(
    "row",
    [
        '<row r="100000"><c r="A100000" s="0"/></row>',
        '<row r="1048576"><c r="A1048576" s="0"/></row>',
        f'<row r="1048576"><c r="A1048576" t="inlineStr">{HELLO.format(" ")}</c></row>',
        f'<row r="1048576"><c r="XFD1048576" t="inlineStr">{HELLO.format("stray")}</c></row>',
    ],
    ids=["styled", "last-row", "space", "last-cell"],
)
def test_a_stray_cell_far_down_changes_nothing(folder: Path, parts: dict[str, bytes], tmp_path: Path, row: str) -> None:
    path = packed(added(parts, row), tmp_path / "far.xlsx")
    tracemalloc.start()
    assert read_workbook(path, folder).changes == ()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50 << 20


def test_a_line_far_down_is_read(folder: Path, parts: dict[str, bytes], tmp_path: Path) -> None:
    row = f'<row r="1048576"><c r="A1048576" t="inlineStr">{HELLO.format("Un service")}</c></row>'
    with pytest.raises(Exception, match=rf"{TITLE}!A1048576"):
        read_workbook(packed(added(parts, row), tmp_path / "far.xlsx"), folder)


BOMBS = {
    "rows": ({"rows": "".join(f'<row r="{n}"><c r="A{n}" s="0"/></row>' for n in range(100, 300_100))}, "20,000 rows"),
    "columns": ({"rows": '<row r="99">' + '<c s="0"/>' * 16_384 + "</row>"}, "256 cells"),
    "empty-rows": ({"rows": '<row r="99"/>' * 500_000}, "400,000 cells and texts"),
    "merged": ({"below": '<mergeCells count="1"><mergeCell ref="A1:XFD1048576"/></mergeCells>'}, "300,000 cells"),
    "merged-row": ({"below": '<mergeCells count="1"><mergeCell ref="A5:A400000"/></mergeCells>'}, "300,000 cells"),
    "links": ({"below": '<hyperlinks><hyperlink ref="A1:XFD1048576" location="x"/></hyperlinks>'}, "300,000 cells"),
    "rules": ({"below": f'<conditionalFormatting sqref="{" ".join(f"A{n}" for n in range(5000))}"/>'}, "300,000 cells"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_sheet_that_costs_too_much_is_named(folder: Path, parts: dict[str, bytes], tmp_path: Path, name: str) -> None:
    change, said = BOMBS[name]
    with pytest.raises(UsageError) as caught:
        read_workbook(packed(added(parts, **change), tmp_path / "bomb.xlsx"), folder)
    assert f"sheet '{TITLE}'" in str(caught.value)
    assert said in str(caught.value)


def test_a_workbook_that_unpacks_to_gigabytes_is_refused_unread(folder: Path, parts: dict[str, bytes], tmp_path: Path) -> None:
    path = packed({**parts, SHEET: b" " * (200 << 20)}, tmp_path / "bomb.xlsx")
    tracemalloc.start()
    with pytest.raises(UsageError, match=rf"sheet '{TITLE}': has most of the 209,9"):
        read_workbook(path, folder)
    assert tracemalloc.get_traced_memory()[1] < 10 << 20
    tracemalloc.stop()


def test_many_shared_texts_are_refused(folder: Path, parts: dict[str, bytes], tmp_path: Path) -> None:
    texts = b'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">' + b"<si><t/></si>" * 300_000 + b"</sst>"
    with pytest.raises(UsageError, match=r"xl/sharedStrings\.xml: .*400,000 cells and texts"):
        read_workbook(packed({**parts, "xl/sharedStrings.xml": texts}, tmp_path / "bomb.xlsx"), folder)


LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9))
    + b"]><worksheet><sheetData><row><c><v>&j;</v></c></row></sheetData></worksheet>"
)
FILE = b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a SYSTEM "file:///etc/passwd">]><worksheet>&a;</worksheet>'


@pytest.mark.parametrize("text", [LAUGHS, FILE], ids=["laughs", "file"])
def test_entities_are_refused(folder: Path, parts: dict[str, bytes], tmp_path: Path, text: bytes) -> None:
    with pytest.raises(UsageError, match="document type"):
        read_workbook(packed({**parts, SHEET: text}, tmp_path / "bomb.xlsx"), folder)


def test_what_is_broken_is_refused_and_never_a_traceback(folder: Path, parts: dict[str, bytes], tmp_path: Path) -> None:
    whole = packed(parts, tmp_path / "whole.xlsx").read_bytes()
    encrypted = bytearray(whole)
    for at in (whole.find(b"PK\x01\x02") + 8, 6):
        encrypted[at] |= 1
    broken = {
        "empty": b"",
        "cut": whole[: len(whole) // 2],
        "other": b"%PDF-1.7",
        "encrypted": bytes(encrypted),
        "method": whole.replace(struct.pack("<H", 8), struct.pack("<H", 99)),
        "no-parts": packed({"a": b""}, tmp_path / "none.xlsx").read_bytes(),
        "no-xml": packed({**parts, "xl/workbook.xml": b"<workbook"}, tmp_path / "xml.xlsx").read_bytes(),
        "no-sheets": packed({**parts, "xl/workbook.xml": b"<workbook/>"}, tmp_path / "sheets.xlsx").read_bytes(),
        "far-cell": packed(added(parts, '<row r="5"><c r="ZZZZ99999999999"/></row>'), tmp_path / "cell.xlsx").read_bytes(),
        "style": packed(added(parts, '<row r="50"><c r="A50" s="99999"/></row>'), tmp_path / "style.xlsx").read_bytes(),
        "many-parts": packed(parts | {f"p{n}": b"" for n in range(2000)}, tmp_path / "many.xlsx").read_bytes(),
    }
    for name, content in broken.items():
        path = tmp_path / f"{name}.xlsx"
        path.write_bytes(content)
        with pytest.raises(UsageError, match=name):
            read_workbook(path, folder)


def test_links_to_other_workbooks_are_not_followed(folder: Path, parts: dict[str, bytes], tmp_path: Path) -> None:
    links = {
        "xl/externalLinks/externalLink1.xml": b"<externalLink/>",
        "xl/externalLinks/_rels/externalLink1.xml.rels": b"<broken",
    }
    with pytest.raises(UsageError, match="cannot be read as a workbook"):
        read_workbook(packed({**parts, **links}, tmp_path / "links.xlsx"), folder)
    links["xl/externalLinks/_rels/externalLink1.xml.rels"] = (
        b'<Relationships><Relationship Id="r1" Type="x" Target="file:///etc/passwd" TargetMode="External"/></Relationships>'
    )
    assert read_workbook(packed({**parts, **links}, tmp_path / "links.xlsx"), folder).changes == ()


@pytest.mark.parametrize("text", ["[", "{}", "[]", '"x"', '{"id": []}', "1e400"])
def test_a_hidden_sheet_that_somebody_changed_is_said(folder: Path, parts: dict[str, bytes], tmp_path: Path, text: str) -> None:
    hidden = next(
        name
        for name, content in parts.items()
        if name.startswith("xl/worksheets") and b'"vadore"' in content.replace(b"&quot;", b'"')
    )
    cells = "".join(
        f'<c r="{column}9999" t="inlineStr">{HELLO.format(said)}</c>' for column, said in (("A", SHEETS[0].id), ("B", text))
    )
    row = f'<row r="9999">{cells}</row>'
    changed = parts[hidden].decode().replace("</sheetData>", f"{row}</sheetData>").encode()
    path = packed({**parts, hidden: changed}, tmp_path / "hidden.xlsx")
    if text == "{}":
        assert read_workbook(path, folder).changes == ()
        return
    with pytest.raises(UsageError, match="the hidden sheet '_base' was changed"):
        read_workbook(path, folder)
