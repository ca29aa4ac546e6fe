"""Drawings of the dashboard: what they show is what the figure holds, in any theme, and nothing is passed over."""

from __future__ import annotations

import gzip
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecoia.report import QuarterlyReport
from ecoia_dashboards.dashboard.drawings import draw, patterns, standalone
from ecoia_dashboards.dashboard.drawings.files import SHEET
from ecoia_dashboards.figures import Chart, charts
from ecoia_dashboards.figures.change import causes
from ecoia_dashboards.figures.roles import ROLES, bar_style, line_style, point_style
from ecoia_dashboards.language import Language
from ecoia_dashboards.svg import UnknownTraceError
from support.gallery import with_runs
from support.reports import poisoned, sample_report

FRENCH, ENGLISH = Language("fr"), Language("en")
LARGEST_GZIPPED = 3000
SHOWN = {
    "tickvals": ["a", "b", "c"],
    "ticktext": ["A", "B", "C"],
}


@pytest.fixture(scope="module")
def drawn_charts(large: QuarterlyReport, tmp_path_factory: pytest.TempPathFactory) -> list[Chart]:
    sample = sample_report(tmp_path_factory.mktemp("catalogue"))
    reports = (with_runs(large), sample)
    return [each for report in reports for language in (FRENCH, ENGLISH) for each in charts(report, language).values()]


def drawn(figure: go.Figure) -> ET.Element:
    """Draw a figure and read it."""
    return ET.fromstring(draw(figure, name="Constat", description="Forme."))  # noqa: S314 - our own text


def across(*traces: Any, low: float = 0, high: float = 100) -> go.Figure:
    """Return a figure of horizontal bars."""
    figure = go.Figure(traces, layout={"barmode": "stack", "height": 200})
    return figure.update_layout(yaxis=SHOWN, xaxis={"range": [low, high], "tickvals": [low], "ticktext": ["0"]})


def upright(*traces: Any, low: float = 0, high: float = 100) -> go.Figure:
    """Return a figure whose values stand up."""
    figure = go.Figure(traces, layout={"barmode": "stack", "height": 200})
    return figure.update_layout(xaxis=SHOWN, yaxis={"range": [low, high], "tickvals": [low], "ticktext": ["0"]})


def rectangles(drawing: ET.Element, role: str) -> list[ET.Element]:
    return [each for each in drawing.iter("rect") if role in each.attrib["class"].split()]


def per_cent(text: str | None) -> float:
    assert text is not None
    assert text.endswith("%")
    return float(text[:-1])


def test_a_chart_is_one_image_with_its_finding_and_no_style_of_its_own(drawn_charts: list[Chart]) -> None:
    kinds = {each.id.partition("-")[0] for each in drawn_charts}
    assert kinds >= {"services", "statuses", "trend", "change", "constant", "trajectory", "front"}
    for chart in drawn_charts:
        text = draw(chart.figure, name=chart.title, description=chart.alt)
        image = ET.fromstring(text)  # noqa: S314 - our own text
        assert image.attrib["role"] == "img"
        assert chart.title.rstrip(". ") in image.attrib["aria-label"]
        assert chart.alt in image.attrib["aria-label"]
        assert not any(each.tag in ("script", "style", "image", "foreignObject") for each in image.iter())
        assert not any(name == "style" or name.startswith("on") for each in image.iter() for name in each.attrib)
        assert re.findall(r'"#[0-9a-fA-F]{3,8}"|rgb', text) == []
        assert len(gzip.compress(text.encode())) <= LARGEST_GZIPPED
        assert draw(chart.figure, name=chart.title, description=chart.alt) == text


def test_every_class_of_a_chart_is_in_the_style_sheet(drawn_charts: list[Chart]) -> None:
    sheet = SHEET.read_text(encoding="utf-8")
    for chart in drawn_charts:
        classes = re.findall(r' class="([^"]+)"', draw(chart.figure, name="", description=""))
        for name in {each for names in classes for each in names.split()} - {"circle", "diamond", "right-0", "left-0"}:
            assert re.search(rf"\.{name}\b", sheet), name


def test_every_role_has_a_colour_in_both_themes() -> None:
    sheet = SHEET.read_text(encoding="utf-8")
    for role in ROLES:
        variables = re.findall(rf"^[^{{\n]*\.{role}(?: |,)[^{{\n]*{{ --mark: var\((--[\w-]+)\)", sheet, re.MULTILINE)
        assert variables, role
        assert re.search(rf"{variables[-1]}: light-dark\(#\w{{6}}, #\w{{6}}\)", sheet), role


def luminance(color: str) -> float:
    parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_inks_and_marks_stand_out_from_page_and_card(theme: int) -> None:
    found = re.findall(r"(--[\w-]+): light-dark\((#\w{6}), (#\w{6})\)", SHEET.read_text(encoding="utf-8"))
    tokens = {name: colors[theme] for name, *colors in found}
    texts = ["ink", "soft", "link", "met", "unmet", "unsure"]
    marks = ["measured", "estimated", "declared", "missing", "target", "more", "control", "focus", "baseline"]
    marks += ["fine-tuning", "evaluation", "data-preparation"]
    for names, least in ((texts, 4.5), (marks, 3.0)):
        for name in names:
            for ground in ("page", "surface"):
                light, dark = sorted((luminance(tokens[f"--{name}"]), luminance(tokens[f"--{ground}"])), reverse=True)
                assert (light + 0.05) / (dark + 0.05) >= least, (name, ground)


@given(st.lists(st.tuples(st.floats(0, 30), st.floats(0, 30), st.floats(0, 30)), min_size=3, max_size=3))
def test_stacked_bars_follow_one_another_and_are_as_long_as_their_values(values: list[tuple[float, float, float]]) -> None:
    roles = ("measured", "estimated", "declared")
    traces = [
        go.Bar(orientation="h", y=["a", "b", "c"], x=[row[place] for row in values], name=role, **bar_style(role))
        for place, role in enumerate(roles)
    ]
    drawing = drawn(across(*traces))
    for place, role in enumerate(roles):
        bars = [each for each in rectangles(drawing, role) if each.attrib["x"].endswith("%")]
        expected = [(sum(row[:place]), row[place]) for row in values if row[place]]
        found = [(per_cent(each.attrib["x"]), per_cent(each.attrib["width"])) for each in bars]
        assert found == [pytest.approx(each, abs=0.02) for each in expected]


def test_grouped_bars_stand_side_by_side() -> None:
    traces = [go.Bar(x=["a", "b", "c"], y=[50, 50, 50], **bar_style(role)) for role in ("series", "compared")]
    figure = upright(*traces).update_layout(barmode="group")
    first, second = (rectangles(drawn(figure), role)[0].attrib for role in ("series", "compared"))
    assert per_cent(first["x"]) + per_cent(first["width"]) == pytest.approx(per_cent(second["x"]), abs=0.02)
    assert (first["height"], first["y"]) == (second["height"], second["y"])


def test_an_interval_reaches_from_its_lower_to_its_upper_bound() -> None:
    error = {"array": [30], "arrayminus": [10]}
    drawing = drawn(across(go.Scatter(mode="markers", y=["b"], x=[40], error_x=error, **point_style("interval", "line-ns"))))
    reach = next(each.attrib for each in drawing.iter("line") if each.attrib["class"] == "reach interval")
    assert (reach["x1"], reach["x2"]) == ("30%", "70%")
    drawing = drawn(upright(go.Scatter(mode="markers", x=["b"], y=[40], error_y=error, **point_style("interval", "line-ns"))))
    path = next(each.attrib["d"] for each in drawing.iter("path") if each.attrib["class"] == "reach interval")
    ends = re.fullmatch(r"M-4 (-?[\d.]+)h8M-4 (-?[\d.]+)h8M0 \1V\2", path)
    assert ends is not None
    assert float(ends[1]) / float(ends[2]) == pytest.approx(-3, abs=0.01)


def test_a_missing_value_interrupts_a_line_and_its_band() -> None:
    x, lows, highs = ["a", "b", "c"], [10, None, 20], [50, None, 60]
    traces = [
        go.Scatter(mode="lines", x=x, y=lows, **line_style("band", width=0)),
        go.Scatter(mode="lines", x=x, y=highs, fill="tonexty", **line_style("band", width=0)),
        go.Scatter(mode="lines+markers", x=x, y=[30, None, 40], **line_style("series"), marker={"color": ROLES["series"][0]}),
    ]
    drawing = drawn(upright(*traces))
    band, line = (
        next(each.attrib["d"] for each in drawing.iter("path") if each.attrib["class"].startswith(kind))
        for kind in ("band", "line")
    )
    assert band.count("z") == 2
    assert line.count("M") == 2
    assert sum("point" in each.attrib["class"].split() for each in drawing.iter("path")) == 2


def test_a_cut_axis_is_drawn_as_cut_and_says_so(large: QuarterlyReport) -> None:
    drawn = [
        causes((each.reference, large.quarter), each.total.explained, each.total.relative, language, simulated=each.simulated)
        for each in large.changes
        if each.total is not None
        for language in (FRENCH, ENGLISH)
    ]
    cut = [each for each in drawn if each is not None and each.figure.layout.xaxis.range[0] > 0]
    assert cut
    for chart in cut:
        text = draw(chart.figure, name="", description="")
        assert text.count("line-ne") == 2
        assert "axe coupé" in text or "axis cut" in text or "cut" in text


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda it: it.add_pie(values=[1]), "'pie'"),
        (lambda it: it.update_traces(opacity=0.5), "'opacity'"),
        (lambda it: it.update_traces(meta="guessed"), "'guessed'"),
        (lambda it: it.update_traces(meta=None), "None"),
        (lambda it: it.update_traces(marker_color="#123456"), "'#123456'"),
        (lambda it: it.update_layout(barmode="relative"), "'relative'"),
        (lambda it: it.update_layout(title="x"), "'title.text'"),
        (lambda it: it.update_xaxes(type="log"), "'xaxis.type'"),
        (lambda it: it.add_vline(x=1), "'shapes'"),
        (lambda it: it.add_scatter(x=["a"], y=[1], mode="markers", **point_style("series", "star")), "'star'"),
        (lambda it: it.add_scatter(x=["a"], y=[1], mode="none", **line_style("series")), "'none'"),
        (lambda it: it.add_scatter(x=["a"], y=[1], mode="lines", **line_style("series", dash="dot")), "'dot'"),
        (lambda it: it.add_scatter(x=["a"], y=[1], mode="lines", **line_style("series", shape="spline")), "'spline'"),
        (lambda it: it.add_scatter(x=["a"], y=[1], mode="lines", fill="toself", **line_style("series")), "'toself'"),
        (lambda it: it.add_scatter(x=["a"], y=[1], mode="text", text=["x"], textposition="bottom left"), "'bottom left'"),
    ],
)
def test_what_has_no_drawing_is_refused_by_name(change: Callable[[go.Figure], go.Figure], named: str) -> None:
    figure = upright(go.Bar(x=["a"], y=[1], **bar_style("series")))
    drawn(figure)
    with pytest.raises(UnknownTraceError, match=re.escape(named)):
        draw(change(figure), name="", description="")


HOSTILE = '"><script>alert(1)</script>&\u202e\x00\x1b\n\ud800'


def test_hostile_names_are_texts() -> None:
    figure = across(
        go.Bar(orientation="h", y=["a", "b", "c"], x=[1, 2, 3], name=HOSTILE, **bar_style("measured")),
        go.Scatter(mode="text", y=["a"], x=[1], text=[HOSTILE], textposition="middle right"),
    )
    figure.update_yaxes(ticktext=[HOSTILE, "B", "C"])
    figure.update_xaxes(ticktext=[HOSTILE], title={"text": HOSTILE})
    drawing = draw(figure, name=HOSTILE, description=HOSTILE)
    for text in (drawing, standalone(drawing, HOSTILE, HOSTILE)):
        read = ET.fromstring(text)  # noqa: S314 - our own text
        assert not any(each.tag.endswith("script") for each in read.iter())
        words = "".join(read.itertext())
        assert words.count("<script>") >= 4
        assert "\ufffd" in words


def test_charts_of_a_report_with_hostile_names_hold_no_element_of_theirs(large: QuarterlyReport) -> None:
    for chart in charts(poisoned(with_runs(large)), FRENCH).values():
        drawing = draw(chart.figure, name=chart.title, description=chart.alt)
        for text in (drawing, standalone(drawing, chart.title, "Source")):
            kinds = {each.tag.rpartition("}")[2] for each in ET.fromstring(text).iter()}  # noqa: S314 - our own text
            assert kinds <= {"svg", "g", "rect", "line", "path", "text", "style", "defs", "pattern"}


def test_a_file_needs_neither_page_nor_variables(drawn_charts: list[Chart]) -> None:
    for chart in drawn_charts:
        drawing = draw(chart.figure, name=chart.title, description=chart.alt)
        text = standalone(drawing, chart.title, "Source : essai")
        read = ET.fromstring(text)  # noqa: S314 - our own text
        assert read.tag == "{http://www.w3.org/2000/svg}svg"
        style = "".join(each.text or "" for each in read.iter("{http://www.w3.org/2000/svg}style"))
        assert not re.search(r"var\(|light-dark|calc\(", style)
        words = " ".join(each.text or "" for each in read.iter("{http://www.w3.org/2000/svg}text"))
        assert chart.title.split()[0] in words
        assert "Source : essai" in words
        filled = set(re.findall(r"url\(#([\w-]+)\)", text))
        assert filled <= set(re.findall(r' id="([\w-]+)"', text))
        for role in set(re.findall(r'class="bar ([\w-]+)"', text)):
            assert re.search(rf"\.bar\.{role}[^{{}}]*{{fill: #\w{{6}}", style), role


def test_patterns_are_the_page_s_and_hold_no_colour() -> None:
    assert re.findall(r"#[0-9a-fA-F]{6}", patterns()) == []
    names = re.findall(r'id="([\w-]+)"', patterns())
    assert len(names) == len(set(names))
