"""The formats beside the page: the same figures in each, typed, exact, and no text that becomes a formula."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json
import math
import os
import pty
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from ecoia.cli import formats
from ecoia.errors import EcoiaError, UsageError
from ecoia.factors import default_factors
from ecoia.impact.grid import FactorGap
from ecoia.keeping.journal import Journal
from ecoia.periods import Quarter
from ecoia.records import Tokens, fold
from ecoia.report import BaselineAddition, BudgetState, DeclaredChange, EquivalenceUsed, Quantity, QuarterlyReport, build_report
from ecoia_dashboards import csvs
from ecoia_dashboards.csvs import render_csv
from ecoia_dashboards.language import LANGUAGES, Language
from ecoia_dashboards.parquet import render_parquet
from ecoia_dashboards.tables import NUMBER, Table, tables
from ecoia_dashboards.xlsx import render_xlsx
from support.organisation import CHARTER, SERVICES, TARGETS, write_catalogue
from support.records import kwh, record
from support.reports import HOSTILE, full_report, poisoned, sample_records
from support.settings import make_settings

LIVE = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

SITES = """\
sites:
  - id: centre-1
    name: Centre 1
    zone: FRA
    instances: ["host-1"]
    pue: [{value: 1.35, quality: declared, from: 2026-01-01, source: Contrat X, date: 2026-01-15}]
    wue: [{value: 0.25, quality: measured, source: Relevé, date: 2026-01-15}]
    water_factor: [{value: 1.7, quality: default, source: Étude, date: 2026-01-15}]
"""
EQUIPMENT = """\
equipment:
  - id: serveur-1
    name: Serveur 1
    co2e_kg: 1461
    life_years: 4
    reserved_share: 0.5
    instances: [host-1]
    from: 2026-01-01
    source: Fiche carbone
    date: 2025-11-03
"""
CONTRACTS = """\
contracts:
  - {supplier: Fournisseur, gco2e_per_kwh: 6, scope: lifecycle, share: 0.5, zone: FRA, evidence: "GO n° 12", from: 2026-01-01,
     until: 2027-01-01}
"""
CALIBRATION = """\
calibrations:
  - {component: cpu, wall_factor: 1.42, gsd: 1.05, instances: [host-*], from: 2026-07-01, until: 2027-01-01, source: Campagne,
     date: 2026-06-15}
"""

CROSSCHECKS = f"""\
crosschecks:
  - {{instance: host-1, quarter: 2026Q4, hours: 700, missing_hours: 3, ratio: 1.31, gsd: 1.04, low_hours: 0, high_hours: 1,
     series: bmc.csv, sha256: {"ab" * 32}, date: 2027-01-02}}
"""

# Fields that no table holds: words, the page's own figures, and facts that "about" holds as text.
IN_NO_TABLE = {"commitments", "governance", "start_utc", "end_utc"}

# Numbers that have no unit of their own: ratios of dispersion, figures of quality.
WITHOUT_UNIT = {
    ("tokens", "input_factor"),
    ("quality", "value"),
    ("run_quality", "value"),
    ("frontiers", "value"),
    ("calibrations", "gsd"),
    ("crosschecks", "gsd"),
    ("deviations", "gsd"),
    ("deviations", "default_gsd"),
}


def whole_report(folder: Path) -> QuarterlyReport:
    """A report with something in every table."""
    claim = {"cpu": 0, "ram": 0, "devices": ("GPU-a",), "shared_devices": ("GPU-a",)}
    rows = fold(
        [
            *sample_records(),
            record("2026-11-27T10:00", gpu=kwh(2), pid=1, service="analyse-cv", **claim),
            record("2026-11-27T10:00", gpu=kwh(3), pid=2, **claim),
            record("2026-11-27T11:00", tokens=(Tokens("openai", "gpt-4o-mini-2024-07-18", 1000, 500),)),
        ]
    )
    texts = {
        "services": SERVICES,
        "charter": CHARTER,
        "targets": TARGETS,
        "sites": SITES,
        "equipment": EQUIPMENT,
        "contracts": CONTRACTS,
        "calibration": CALIBRATION,
        "crosschecks": CROSSCHECKS,
    }
    report = build_report(
        rows,
        Quarter(2026, 4),
        settings=make_settings(zone="FRA"),
        catalogue=write_catalogue(folder, **texts),
        factors=default_factors(),
    )
    *targets, trajectory = report.targets
    share = Quantity(0.44, "1")
    budget = BudgetState(
        2026, Quantity(31.0, "kgCO2e"), Quantity(13.5, "kgCO2e", 12.5, 14.5), share, Quantity(-2.5, "kgCO2e"), share
    )
    addition = BaselineAddition("vadore", "2025Q1", "2026Q1", 0.61, Quantity(0.71, "kgCO2e", 0.31, 1.6))
    added = full_report(folder / "full")
    of_people_and_runs = ("costliest_runs", "savings", "unsupported", "frontiers", "said", "actions", "regions", "evaluations")
    return dataclasses.replace(
        report,
        factor_gaps=(FactorGap("FRA", "previous", 0.55),),
        targets=(*targets, dataclasses.replace(trajectory, budget=budget, additions=(addition,))),
        equivalences=(EquivalenceUsed("km-tgv", "co2e", Quantity(4.2, "km", 3.2, 5.2), 0.00293, "ADEME", "2026-07-01"),),
        restatements=added.restatements,
        published_micrograms={"2026Q3": {"operational": 123_456}},
        declared_changes=(DeclaredChange("target", "couverture", "Couverture", "changed", "value", "0.9", "0.8", "loosened"),),
        declared_since="2026Q3",
        **{name: getattr(added, name) for name in of_people_and_runs},
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> QuarterlyReport:
    return whole_report(tmp_path_factory.mktemp("catalogue"))


@pytest.fixture(scope="module")
def hostile(whole: QuarterlyReport) -> QuarterlyReport:
    """Names that a spreadsheet would run, that read backwards, that end a page's element."""
    return poisoned(whole, f'=HYPERLINK("http://x","y")&_x0041_{HOSTILE}')


def by_id(report: QuarterlyReport) -> dict[str, Table]:
    return {table.id: table for table in tables(report)}


def lines(table: Table) -> list[dict[str, Any]]:
    return [dict(zip([column.id for column in table.columns], row, strict=True)) for row in table.rows]


def numbers(data: Any) -> Iterator[float]:
    """Every number of some data."""
    if isinstance(data, bool):
        return
    if isinstance(data, int | float):
        yield data
    elif isinstance(data, dict):
        for value in data.values():
            yield from numbers(value)
    elif isinstance(data, list | tuple):
        for value in data:
            yield from numbers(value)


def read_csv(text: str, separator: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text.removeprefix(csvs.BYTE_ORDER_MARK), newline=""), delimiter=separator))


class TestTables:
    def test_every_number_of_the_data_stands_in_a_table(self, whole: QuarterlyReport) -> None:
        tabled = {number for table in tables(whole) for row in table.rows for number in numbers(row)}
        tabled |= {
            float(cell) for _, cell in by_id(whole)["about"].rows if isinstance(cell, str) and re.fullmatch(r"[\d.]+", cell)
        }
        for name, value in dataclasses.asdict(whole).items():
            if name not in IN_NO_TABLE:
                assert {number for number in numbers(value) if number} <= tabled, f"'{name}' has a number that no table holds"

    def test_every_table_has_a_line_here(self, whole: QuarterlyReport) -> None:
        assert [table.id for table in tables(whole) if not table.rows] == []

    def test_tables_and_columns_are_the_same_whatever_the_data(self, whole: QuarterlyReport, tmp_path: Path) -> None:
        bare = build_report(
            [],
            Quarter(2026, 4),
            settings=make_settings(),
            catalogue=write_catalogue(tmp_path),
            factors=default_factors(),
        )
        shapes = [[(table.id, [column.id for column in table.columns]) for table in tables(each)] for each in (whole, bare)]
        assert shapes[0] == shapes[1]

    def test_columns_have_ids_and_figures_have_units(self, whole: QuarterlyReport) -> None:
        for table in tables(whole):
            ids = [column.id for column in table.columns]
            assert len(set(ids)) == len(ids), table.id
            assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in ids)
            for column in table.columns:
                assert column.unit_column == "" or column.unit_column in ids
                if column.kind == NUMBER and (table.id, column.id) not in WITHOUT_UNIT:
                    assert column.unit or column.unit_column, f"{table.id}.{column.id} has no unit"

    def test_microjoules_and_micrograms_add_up_exactly(self, whole: QuarterlyReport) -> None:
        found = by_id(whole)
        kinds = [line["energy_microjoules"] for line in lines(found["energy_by_kind"])]
        assert sum(kinds) == whole.totals.energy_components_microjoules
        terms = lines(found["change_terms"])
        for line in lines(found["changes"]):
            if line["total"] is not None:
                of_it = [
                    term["change_micrograms"]
                    for term in terms
                    if (term["against"], term["total"], term["service"]) == (line["against"], line["total"], line["service"])
                ]
                assert sum(of_it) == line["change_micrograms"]
        shared = [line["quarter_micrograms"] for line in lines(found["equipment_bearers"])]
        assert sum(shared) == sum(item.quarter_micrograms for item in whole.equipment)

    def test_what_has_no_value_has_a_reason_and_is_not_zero(self, whole: QuarterlyReport) -> None:
        rows = lines(by_id(whole)["indicators"])
        assert rows
        for row in rows:
            assert (row["value"] is None) == (row["reason"] is not None), row
            assert row["value"] is not None or (row["low"], row["high"], row["status"]) == (None, None, ())

    def test_the_long_form_tells_measured_estimated_and_declared_apart(self, whole: QuarterlyReport) -> None:
        rows = {(row["indicator"], row["service"], row["phase"]): row for row in lines(by_id(whole)["indicators"])}
        assert rows["energy", "analyse-cv", "inference"]["status"] == ("declared", "measured", "missing", "estimated")
        assert rows["co2e_embodied", None, None]["status"] == ("declared",)
        assert rows["co2e_api", None, None]["status"] == ("estimated",)
        assert rows["energy", None, None]["coverage"] == whole.coverage.share
        assert rows["energy", "gestion-contacts-mails", None]["reason"] == "no-data"

    @pytest.mark.parametrize("lang", LANGUAGES)
    def test_sheets_have_names_that_a_workbook_takes(self, whole: QuarterlyReport, lang: str) -> None:
        titles = [Language(lang).t(table.title) for table in tables(whole)]
        assert len({title.casefold() for title in titles}) == len(titles)
        assert all(0 < len(title) <= 31 and not re.search(r"[\[\]:*?/\\]", title) for title in titles)


class TestCsv:
    def test_both_forms_hold_the_same_numbers(self, whole: QuarterlyReport) -> None:
        files = render_csv(whole)
        for table in tables(whole):
            french = read_csv(files[f"fr/{table.id}.csv"], ";")
            international = read_csv(files[f"international/{table.id}.csv"], ",")
            assert len(french) == len(international) == len(table.rows) + 1
            assert international[0] == [column.id for column in table.columns]
            for row, said, plain in zip(table.rows, french[1:], international[1:], strict=True):
                for value, left, right in zip(row, said, plain, strict=True):
                    if isinstance(value, int | float) and not isinstance(value, bool):
                        assert float(left.replace(",", ".")) == float(right) == value
                        assert "." not in left
                        assert "e" not in right

    def test_french_form_speaks_french_and_says_that_it_is_utf_8(self, whole: QuarterlyReport) -> None:
        text = render_csv(whole, "en")["fr/indicators.csv"]
        assert text.encode().startswith(b"\xef\xbb\xbfTrimestre;Indicateur;Service;")
        rows = read_csv(text, ";")
        assert ["2026Q4", "énergie", "VADORE", "inférence"] in [row[:4] for row in rows]
        assert any("mesuré" in row[10] for row in rows)

    @given(st.floats(allow_nan=False, allow_infinity=False) | st.integers())
    def test_a_number_is_written_with_every_digit(self, number: float) -> None:
        written = csvs.cell_text(number, str, {})
        assert (int if isinstance(number, int) else float)(written) == number
        assert "e" not in written.lower()

    @given(st.text(st.sampled_from([*LIVE, *",; 'ab1"]) | st.characters(exclude_categories=["Cs"]), max_size=12))
    def test_no_text_begins_as_a_formula_does_and_none_breaks_its_line(self, text: str) -> None:
        (row,) = read_csv(csvs._written([[text, "next"]], ";", str, {}), ";")
        assert row[1] == "next"
        assert not row[0].lstrip(" ").startswith(LIVE)
        assert row[0].replace("'", "") == text.replace("'", "")

    @pytest.mark.parametrize("name", ["a;=1+1;b", "a,=1+1,b", "a; =1+1;b", "a\t=1+1\tb", "a\n=1+1", " =1+1", "a,b;=1+1"])
    @pytest.mark.parametrize("opened_with", [",", ";", "\t"])
    @pytest.mark.parametrize("separator", [",", ";"])
    def test_a_text_is_no_formula_in_a_spreadsheet_that_sets_cells_apart_another_way(
        self, name: str, opened_with: str, separator: str
    ) -> None:
        written = csvs._written([["first", name, "last"]], separator, str, {})
        cells = [cell for row in read_csv(written, opened_with) for cell in row]
        assert not [cell for cell in cells if cell.lstrip(" ").startswith("=")], cells


def test_the_data_keeps_what_nobody_sees_and_writes_it_escaped(whole: QuarterlyReport) -> None:
    name = "a\u202eb\u2066c\u200fd\x85e\u2028f"
    text = dataclasses.replace(whole, organisation=name).to_json()
    assert json.loads(text)["organisation"] == name
    assert r"a\u202eb\u2066c\u200fd\u0085e\u2028f" in text
    assert not (set(name) - set("abcdef")) & set(text)


class TestXlsx:
    @pytest.fixture(params=LANGUAGES)
    def workbook(self, whole: QuarterlyReport, request: pytest.FixtureRequest) -> tuple[str, openpyxl.Workbook]:
        return request.param, openpyxl.load_workbook(io.BytesIO(render_xlsx(whole, request.param)))

    def test_sheets_hold_the_tables_typed(self, workbook: tuple[str, openpyxl.Workbook], whole: QuarterlyReport) -> None:
        lang, book = workbook
        language = Language(lang)
        assert book.sheetnames == [language.t("Synthèse"), *(language.t(table.title) for table in tables(whole))]
        for table in tables(whole):
            sheet = book[language.t(table.title)]
            assert [cell.value for cell in sheet[1]] == [column.heading(language) for column in table.columns]
            assert sheet.freeze_panes == "B2"
            assert sheet.auto_filter.ref == sheet.dimensions
            for row, cells in zip(table.rows, sheet.iter_rows(min_row=2), strict=True):
                for value, cell in zip(row, cells, strict=True):
                    if isinstance(value, bool):
                        assert cell.value is value
                    elif isinstance(value, int | float):
                        assert math.isclose(cell.value, value, rel_tol=1e-15)
                        assert cell.data_type == "n"
                    elif isinstance(value, datetime):
                        assert cell.value == value.replace(tzinfo=None)
                    elif isinstance(value, date):
                        assert cell.value.date() == value
                        assert cell.number_format == {"fr": "dd/mm/yyyy", "en": "yyyy-mm-dd"}[lang]
                    elif value:
                        assert cell.data_type == "s"

    def test_what_is_not_zero_never_reads_as_zero(self, workbook: tuple[str, openpyxl.Workbook]) -> None:
        for sheet in workbook[1].worksheets[1:]:
            for cells in sheet.iter_rows(min_row=2):
                for cell in cells:
                    if isinstance(cell.value, float) and cell.value and not cell.is_date:
                        decimals = len(cell.number_format.rstrip("%").partition(".")[2])
                        shown = cell.value * (100 if cell.number_format.endswith("%") else 1)
                        assert round(shown, decimals) != 0, (sheet.title, cell.coordinate)

    def test_tables_without_a_line_are_named_and_have_no_sheet(self, whole: QuarterlyReport) -> None:
        book = openpyxl.load_workbook(io.BytesIO(render_xlsx(dataclasses.replace(whole, doubles=(), contracts=()))))
        assert "Compté deux fois" not in book.sheetnames
        *_, last = book["À propos"].iter_rows(values_only=True)
        assert last == ("Tableaux vides, omis", "Contrats d’électricité, Compté deux fois")

    def test_no_text_is_a_formula(self, hostile: QuarterlyReport) -> None:
        content = render_xlsx(hostile)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                assert b"<f>" not in archive.read(name) or name.startswith("xl/charts/")  # a chart names its cells
                assert b"<hyperlink" not in archive.read(name)
        book = openpyxl.load_workbook(io.BytesIO(content))
        texts = [cell for sheet in book for row in sheet.iter_rows() for cell in row if isinstance(cell.value, str)]
        live = [cell for cell in texts if cell.value.startswith("=")]
        assert {cell.parent.title for cell in live} > {"Synthèse"}
        assert all(cell.data_type == "s" and cell.quotePrefix for cell in live)
        assert any("_x005F_x0041_" in cell.value for cell in live)


class TestParquet:
    def test_types_units_and_origin_are_in_the_file(self, whole: QuarterlyReport) -> None:
        files = render_parquet(whole)
        assert set(files) == {f"{table.id}.parquet" for table in tables(whole)}
        for table in tables(whole):
            read = parquet.read_table(io.BytesIO(files[f"{table.id}.parquet"]))
            assert read.num_rows == len(table.rows)
            said = read.schema.metadata
            assert said[b"ecoia.quarter"] == b"2026Q4"
            assert (said[b"ecoia.method_version"], said[b"ecoia.schema"]) == (b"4", b"1")
            for column in table.columns:
                metadata = read.schema.field(column.id).metadata
                assert metadata.get(b"unit", b"").decode() == column.unit
                assert metadata.get(b"unit_column", b"").decode() == column.unit_column
                assert metadata[b"title_en"].decode() == column.heading(Language("en"))
        for name, type_ in (("energy_kwh", "double"), ("energy_reason", "string"), ("registered", "bool")):
            assert str(parquet.read_schema(io.BytesIO(files["register.parquet"])).field(name).type) == type_
        assert str(parquet.read_schema(io.BytesIO(files["equipment.parquet"])).field("from_day").type) == "date32[day]"
        assert "UTC" in str(parquet.read_schema(io.BytesIO(files["doubles.parquet"])).field("from_utc").type)

    def test_pandas_reads_the_figures(self, whole: QuarterlyReport) -> None:
        frame = pd.read_parquet(io.BytesIO(render_parquet(whole)["indicators.parquet"]))
        (row,) = frame[(frame.indicator == "energy") & frame.service.isna()].to_dict("records")
        assert row["value"] == whole.totals.energy.value
        assert row["unit"] == "kWh"
        assert not frame[frame.reason.notna()].value.notna().any()


class TestEveryFormat:
    def test_hostile_texts_stay_texts(self, hostile: QuarterlyReport) -> None:
        for text in render_csv(hostile).values():
            assert not UNSAFE.search(text.replace("\r\n", "\n"))
            for separator in ";,":
                cells = [cell for row in read_csv(text, separator) for cell in row]
                assert not [cell for cell in cells if cell.startswith(("=", "@"))]
        book = openpyxl.load_workbook(io.BytesIO(render_xlsx(hostile)))
        for content in render_parquet(hostile).values():
            for column in parquet.read_table(io.BytesIO(content)).columns:
                assert not [text for text in column.to_pylist() if isinstance(text, str) and UNSAFE.search(text)]
        assert not [
            cell
            for sheet in book
            for row in sheet.iter_rows(values_only=True)
            for cell in row
            if isinstance(cell, str) and UNSAFE.search(cell)
        ]
        assert json.loads(hostile.to_json().encode("utf-8", "backslashreplace"))["organisation"] == hostile.organisation

    def test_equal_reports_give_equal_bytes_in_any_process(self, tmp_path: Path) -> None:
        program = "import sys, test_formats as t; from pathlib import Path; print(t.digests(t.whole_report(Path(sys.argv[1]))))"
        found = set()
        for seed, zone in (("1", "UTC"), ("2", "Pacific/Kiritimati")):
            env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": seed, "TZ": zone}
            words = (sys.executable, "-c", program, str(tmp_path / seed))
            found.add(subprocess.run(words, capture_output=True, text=True, check=True, env=env).stdout.strip())
        assert len(found) == 1
        assert len(found.pop()) == 64


def digests(report: QuarterlyReport) -> str:
    """Digests of the bytes of every format of a report."""
    found = hashlib.sha256()
    workbooks = (render_xlsx(report, lang) for lang in LANGUAGES)
    for content in (*render_csv(report).values(), *render_parquet(report).values(), *workbooks):
        found.update(content if isinstance(content, bytes) else content.encode())
    return found.hexdigest()


class TestWriting:
    @pytest.fixture
    def renderers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Renderers defined here, found like those of any package."""
        entries = [
            EntryPoint(name, f"test_formats:{name}", formats.GROUP)
            for name in ("good", "failing", "several", "outside", "nothing")
        ]
        monkeypatch.setattr(formats, "entry_points", lambda group: entries if group == formats.GROUP else [])

    def test_an_unknown_format_is_refused_with_the_known_ones(self, renderers: None) -> None:
        with pytest.raises(UsageError, match=r"--format docx, odt: .*known: json, failing, good, nothing, outside, several"):
            formats.chosen_formats("json,odt,docx")
        with pytest.raises(UsageError, match="known: json"):
            formats.chosen_formats(" , ")

    def test_formats_are_chosen_once_whatever_the_case_and_spaces(self, renderers: None) -> None:
        assert formats.chosen_formats("good, JSON,good,") == ("json", "good")

    def test_one_failing_format_costs_no_other_and_leaves_what_was_there(
        self, renderers: None, whole: QuarterlyReport, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "rapport-2026Q4.failing").write_text("before")
        written, failed = formats.write_formats(whole, ("failing", "good", "several", "json"), "en", tmp_path)
        names = ("rapport-2026Q4.json", "rapport-2026Q4.good", "rapport-2026Q4-several")
        assert set(written) == {tmp_path / name for name in names}
        assert failed == ["failing"]
        assert (tmp_path / "rapport-2026Q4.good").read_bytes() == b"good en"
        assert [(tmp_path / "rapport-2026Q4-several" / name).read_bytes() for name in ("a.txt", "b/c.bin")] == [b"a", b"\xff"]
        assert (tmp_path / "rapport-2026Q4.failing").read_text() == "before"
        assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".")]
        assert "the failing report was not written (ZeroDivisionError" in capsys.readouterr().err

    def test_a_file_is_whole_or_is_not_there(
        self, renderers: None, whole: QuarterlyReport, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "rapport-2026Q4.good").mkdir()
        written, failed = formats.write_formats(whole, ("good", "json"), "fr", tmp_path)
        assert (failed, [path.name for path in written]) == (["good"], ["rapport-2026Q4.json"])
        assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".")]

    def test_a_folder_of_several_files_is_replaced_as_a_whole(
        self, renderers: None, whole: QuarterlyReport, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder = tmp_path / "rapport-2026Q4-several"
        folder.mkdir()
        (folder / "of-a-service-that-is-gone.json").write_text("{}")
        formats.write_formats(whole, ("several",), "fr", tmp_path)
        assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()) == [
            "rapport-2026Q4-several/a.txt",
            "rapport-2026Q4-several/b/c.bin",
        ]
        shutil.rmtree(folder)
        folder.write_text("a file in its place")
        assert formats.write_formats(whole, ("several",), "fr", tmp_path) == ([], ["several"])
        assert [path.name for path in tmp_path.iterdir()] == [folder.name]

    def test_a_quarter_of_which_there_is_nothing_to_tell_is_an_empty_folder(
        self, renderers: None, whole: QuarterlyReport, tmp_path: Path
    ) -> None:
        folder = tmp_path / "rapport-2026Q4-nothing"
        assert formats.write_formats(whole, ("nothing",), "fr", tmp_path) == ([folder], [])
        assert list(folder.iterdir()) == []

    def test_a_name_that_leads_out_of_the_folder_is_refused(
        self, renderers: None, whole: QuarterlyReport, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert formats.write_formats(whole, ("outside",), "fr", tmp_path / "out") == ([], ["outside"])
        assert not (tmp_path / "stolen").exists()
        assert "'../../stolen'" in capsys.readouterr().err

    def test_a_folder_that_cannot_be_written_is_named_once(self, whole: QuarterlyReport, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(EcoiaError, match=r"file/below' cannot be written .*--out"):
            formats.write_formats(whole, ("json",), "fr", tmp_path / "file" / "below")

    def test_the_bar_is_for_terminals_only(self, home: Path, tmp_path: Path) -> None:
        builders_journal(home)
        words = [sys.executable, "-m", "ecoia", "report", "--quarter", "2026Q4", "--from", "journal", "--format", "json"]
        words += ["--out", str(tmp_path)]
        piped = subprocess.run(words, capture_output=True, text=True, timeout=600, check=True)
        assert "computing" not in piped.stderr + piped.stdout
        leader, follower = pty.openpty()
        run = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=follower, env={**os.environ, "TERM": "xterm"})
        os.close(follower)
        shown = b""
        try:
            while chunk := os.read(leader, 4096):
                shown += chunk
        except OSError:
            pass  # the other end is closed: the program has ended
        os.close(leader)
        assert run.wait(timeout=600) == 0
        assert b"computing" in shown


def good(report: QuarterlyReport, lang: str) -> str:
    return f"good {lang}"


def failing(report: QuarterlyReport, lang: str) -> str:
    return str(1 / 0)


def several(report: QuarterlyReport, lang: str) -> dict[str, str | bytes]:
    return {"a.txt": "a", "b/c.bin": b"\xff"}


def nothing(report: QuarterlyReport, lang: str) -> formats.Rendered:
    return {}


def outside(report: QuarterlyReport, lang: str) -> dict[str, str]:
    return {"../../stolen": "x"}


def builders_journal(home: Path) -> None:
    writer = Journal(home).writer()
    writer.append([record(cpu=kwh(1))])
    writer.close()
