"""Figures that leave the page: each is a drawing with its finding and its source, and its exact data."""

from __future__ import annotations

import csv
import dataclasses
import io
import re
import struct
from pathlib import Path

import pytest

from ecoia.report import QuarterlyReport
from ecoia_dashboards.cleaning import clean
from ecoia_dashboards.csvs import BYTE_ORDER_MARK
from ecoia_dashboards.figure_files import figure_csv, render_figures
from ecoia_dashboards.figures import Chart, charts
from ecoia_dashboards.figures.chart import quantity_in
from ecoia_dashboards.language import Language

UNIT = " (MWh|kWh|tCO₂e|kgCO₂e)$"
FRENCH, ENGLISH = Language("fr"), Language("en")


@pytest.fixture(scope="module")
def report(large: QuarterlyReport) -> QuarterlyReport:
    return large


@pytest.fixture(scope="module")
def drawn(report: QuarterlyReport) -> dict[str, Chart]:
    return charts(clean(report), FRENCH)


@pytest.fixture(scope="module")
def files(report: QuarterlyReport) -> dict[str, str | bytes]:
    return render_figures(report)


def lines_of(content: str | bytes, separator: str = ";") -> list[list[str]]:
    assert isinstance(content, str)
    return list(csv.reader(io.StringIO(content.removeprefix(BYTE_ORDER_MARK), newline=""), delimiter=separator))


def words(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def test_each_figure_is_there_as_svg_png_and_csv(files: dict[str, str | bytes], drawn: dict[str, Chart]) -> None:
    assert sorted(files) == sorted(f"{id_}.{kind}" for id_ in drawn for kind in ("csv", "png", "svg"))
    assert {"services", "statuses", "trend", "change", "constant", "trajectory-trajectoire"} <= drawn.keys()


def test_a_drawing_says_its_finding_and_its_source(files: dict[str, str | bytes], drawn: dict[str, Chart]) -> None:
    for id_, chart in drawn.items():
        drawing = files[f"{id_}.svg"]
        assert isinstance(drawing, str)
        said = words(" ".join(re.findall(r">([^<>]+)</text>", drawing)))
        assert words(chart.title) in said
        assert "Source : Mon organisation · rapport T3 2026 · projet, et non la publication" in said.replace("\xa0", " ")


def test_a_picture_is_sharp_and_says_nothing_of_its_maker(files: dict[str, str | bytes], drawn: dict[str, Chart]) -> None:
    for id_ in drawn:
        picture = files[f"{id_}.png"]
        assert isinstance(picture, bytes)
        width, _ = struct.unpack(">II", picture[16:24])
        assert width == 2 * 960
        assert b"Software" not in picture
        assert b"tIME" not in picture


def test_equal_reports_give_equal_bytes(report: QuarterlyReport, files: dict[str, str | bytes]) -> None:
    assert render_figures(report) == files


def test_the_data_are_exact_and_the_bounds_stand_beside_them(files: dict[str, str | bytes], report: QuarterlyReport) -> None:
    headings, *lines = lines_of(files["trend.csv"])
    assert headings[:4] == ["Trimestre", "Énergie (kWh)", "Énergie, borne basse à 95\xa0%", "Énergie, borne haute à 95\xa0%"]
    for line, point in zip(lines, report.trend, strict=True):
        exact = [point.energy.value, point.energy.low, point.energy.high]
        assert [float(text.replace(",", ".")) for text in line[1:4]] == exact


def test_a_figure_without_a_value_is_empty_in_the_data_never_zero(drawn: dict[str, Chart]) -> None:
    for chart in drawn.values():
        for line in chart.cells:
            unknown = [cell for cell in line if (quantity := quantity_in(cell)) is not None and quantity.value is None]
            assert not unknown or any(not text for text in lines_of(figure_csv(chart))[1 + chart.cells.index(line)])


def test_the_english_file_has_points_and_commas(report: QuarterlyReport) -> None:
    chart = charts(clean(report), ENGLISH)["trend"]
    content = figure_csv(chart)
    assert not content.startswith(BYTE_ORDER_MARK)
    headings, first, *_ = lines_of(content, ",")
    assert headings[1] == "Energy (kWh)"
    assert float(first[1]) == report.trend[0].energy.value


def test_the_texts_of_a_figure_are_those_of_its_table(drawn: dict[str, Chart]) -> None:
    for id_, chart in drawn.items():
        if id_ == "statuses" or id_.startswith("front-"):
            continue  # no figure is written in them
        table = {re.sub(UNIT, "", words(cell)) for row in chart.rows for cell in row}
        layout = chart.figure.layout
        shown = [label.split("<br>")[-1] for label in layout.xaxis.ticktext] if id_ in ("trend", "constant") else []
        shown += [text for trace in chart.figure.data if trace.type == "scatter" and trace.mode == "text" for text in trace.text]
        for text in map(words, shown):
            bare = re.sub(UNIT, "", text.removeprefix("permis : ").removeprefix("réf. : "))
            others = id_ == "services" and text == words(chart.figure.data[-1].text[-1])  # the sum of services without a bar
            assert others or bare in table, f"{id_}: {text}"


def test_a_hostile_name_is_a_text_in_the_data(report: QuarterlyReport) -> None:
    entry = report.register[0]
    live = dataclasses.replace(entry, name='=cmd|" /C calc"!A0')
    register = tuple(live if each is entry else each for each in report.register)
    chart = charts(clean(dataclasses.replace(report, register=register)), FRENCH)["services"]
    assert not [cell for line in lines_of(figure_csv(chart)) for cell in line if cell.startswith(("=", "+", "-", "@"))]


def test_the_folder_is_named_after_the_report(report: QuarterlyReport, tmp_path: Path) -> None:
    from ecoia.cli.formats import known_formats, write_formats

    assert "figures" in known_formats()
    written, failed = write_formats(report, ("figures",), "fr", tmp_path)
    assert failed == []
    assert [path.name for path in written] == ["rapport-2026Q3-figures"]
    assert (written[0] / "change.svg").is_file()
