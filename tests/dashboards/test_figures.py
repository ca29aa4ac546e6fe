"""Figures: their claims are in their data, and they are drawn alike everywhere."""

from __future__ import annotations

import dataclasses
import math
import re
import subprocess
import sys
from pathlib import Path
from xml.parsers import expat

import matplotlib
import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecoia.report import Quantity, QuarterChange, QuarterlyReport, TrendPoint
from ecoia_dashboards import figures, svg
from ecoia_dashboards.figures import charts
from ecoia_dashboards.figures.chart import OTHERS, value_axis
from ecoia_dashboards.language import Language
from support.reports import sample_report

FRENCH, ENGLISH = Language("fr"), Language("en")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> QuarterlyReport:
    return sample_report(tmp_path_factory.mktemp("catalogue"))


def well_formed(drawing: str) -> bool:
    expat.ParserCreate().Parse(drawing.encode(), True)
    return True


def point(quarter: str, value: float | None, low: float | None = None, high: float | None = None, **fields: bool) -> TrendPoint:
    reason = "no-data" if value is None else None
    energy = Quantity(value, "kWh", low, high, reason)
    return TrendPoint(quarter, energy, Quantity(None, "kgCO2e", reason="no-zone"), fields.get("simulated", False))


def with_trend(report: QuarterlyReport, *points: TrendPoint, notices: tuple[str, ...] = ()) -> QuarterlyReport:
    return dataclasses.replace(report, trend=points, notices=notices)


def change_of(
    report: QuarterlyReport, before: int, terms: dict[str, int], bounds: tuple[float, float] | None = None
) -> figures.Chart:
    """Draw a change of some terms, in micrograms; ``bounds`` are of the relative change."""
    (known,) = (each for each in report.changes if each.total is not None)
    assert known.total is not None
    after = before + sum(terms.values())
    whole = dataclasses.replace(known.total.explained, reference_micrograms=before, quarter_micrograms=after, terms=terms)
    low, high = bounds or (None, None)
    total = dataclasses.replace(known.total, explained=whole, relative=Quantity(after / before - 1, "1", low, high))
    chart = figures.change(dataclasses.replace(report, changes=(dataclasses.replace(known, total=total),)), FRENCH)
    assert chart is not None
    return chart


def luminance(color: str) -> float:
    """Relative luminance, as WCAG 2 defines it."""
    color = "#" + "".join(c * 2 for c in color[1:]) if len(color) == 4 else color
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(color: str, ground: str = "#ffffff") -> float:
    """Contrast of a colour with its ground."""
    dark, light = sorted((luminance(color), luminance(ground)))
    return (light + 0.05) / (dark + 0.05)


class TestFigures:
    def test_bars_add_up_to_what_the_services_used(self, report: QuarterlyReport) -> None:
        chart = charts(report, FRENCH)["services"]
        drawn = sum(sum(trace.x) for trace in chart.figure.data if trace.type == "bar")
        expected = sum(entry.energy.value or 0 for entry in report.register)
        assert drawn == pytest.approx(expected)

    def test_title_says_the_finding_and_table_and_picture_have_the_same_services(self, report: QuarterlyReport) -> None:
        chart = charts(report, FRENCH)["services"]
        assert chart.title.replace("\xa0", " ") == "VADORE : 76 % de l’énergie des services"
        assert chart.rows[0][0] == "VADORE"
        assert len(chart.rows) == len(chart.figure.data[0].y)
        assert all(len(row) == len(chart.columns) for row in chart.rows)

    def test_of_many_services_the_greatest_have_a_bar_and_the_others_one_and_all_are_in_the_table(
        self, report: QuarterlyReport
    ) -> None:
        many = tuple(dataclasses.replace(report.results[0], service=f"service-{number:02}") for number in range(30))
        found = charts(dataclasses.replace(report, results=many, register=()), FRENCH)
        bars = [trace for trace in found["services"].figure.data if trace.type == "bar"]
        assert {len(bar.y) for bar in bars} == {figures.MOST_BARS + 1}
        assert sum(sum(bar.x) for bar in bars) == pytest.approx(30 * sum(bar.x[0] for bar in bars))
        assert found["services"].figure.layout.yaxis.ticktext[-1] == "22 autres services"
        assert [len(found[id_].rows) for id_ in ("services", "statuses")] == [30, 31]
        assert all("22 autres services" in found[id_].alt for id_ in ("services", "statuses"))
        assert all(well_formed(svg.draw(found[id_].figure, 340)) for id_ in ("services", "statuses"))

    def test_statuses_are_shares_of_a_whole_and_missing_is_named_not_drawn(self, report: QuarterlyReport) -> None:
        chart = charts(report, ENGLISH)["statuses"]
        for place in range(len(chart.rows)):
            assert sum(trace.x[place] for trace in chart.figure.data) == pytest.approx(100)
        assert {trace.name for trace in chart.figure.data} == {"measured", "estimated", "declared"}
        assert {row[0]: row[-1] for row in chart.rows}["VADORE"] == "graphics card"

    def test_each_style_is_apart_by_pattern_and_legible_on_white(self) -> None:
        for styles in (figures.PHASE_STYLES, figures.STATUS_STYLES):
            patterns = [pattern for _, pattern in styles.values()]
            assert len(set(patterns)) == len(patterns)
            assert all(contrast(color) >= 4.5 for color, _ in styles.values())

    def test_the_style_sheets_colours_are_legible_on_their_grounds(self) -> None:
        sheet = (Path(figures.__file__).parents[1] / "templates" / "report.css").read_text(encoding="utf-8")
        colors = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6})", sheet))
        for text in ("ink", "soft", "accent", "link", "good", "bad", "unsure", "warn-ink"):
            for ground in ("paper", "wash", "warn-wash"):
                assert contrast(colors[text], colors[ground]) >= 4.5, f"{text} on {ground}"
        for status, (color, _) in figures.STATUS_STYLES.items():
            assert colors[status] == color

    def test_simulated_quarters_are_hollow_and_say_so(self, report: QuarterlyReport) -> None:
        chart = charts(report, FRENCH)["trend"]
        recorded, simulated, interval = chart.figure.data
        assert simulated.marker.pattern.fillmode == "replace"
        assert recorded.marker.pattern.fillmode != "replace"
        assert set(simulated.x) == {"2026Q1", "2026Q2", "2026Q3"}
        assert list(chart.figure.layout.xaxis.tickvals) == ["2026Q1", "2026Q2", "2026Q3", "2026Q4"]
        assert chart.alt.count("simulé") == 3
        assert interval.marker.symbol == "line-ns"
        assert "intervalle à 95\xa0%" in chart.figure.layout.xaxis.title.text

    @pytest.mark.parametrize(
        ("points", "change", "notices", "title"),
        [
            ((point("2026Q4", 2.0, 1.9, 2.1),), None, (), "T4 2026 : 2,00 kWh, premier trimestre connu"),
            (
                (point("2026Q3", 21.6, 14.3, 44.8), point("2026Q4", 23.9, 15.8, 49.2)),
                (0.105, 0.046, 0.167),
                (),
                "T4 2026 : 23,9 kWh, hausse de 10,5 % depuis le T3 2026 (+ 4,6 % à + 16,7 %)",
            ),
            (
                (point("2026Q3", 4.0, 3.9, 4.1), point("2026Q4", 3.9, 3.8, 4.0)),
                (-0.025, -0.03, -0.02),
                (),
                "T4 2026 : 3,90 kWh, baisse de 2,5 % depuis le T3 2026 (− 3,0 % à − 2,0 %)",
            ),
            (
                (point("2026Q3", 1.0, 0.9, 1.1), point("2026Q4", 2.0, 1.9, 2.1)),
                (1.0, -0.1, 2.2),
                (),
                "T4 2026 : 2,00 kWh, évolution de + 100 % non établie depuis le T3 2026 (− 10,0 % à + 220 %)",
            ),
            ((point("2026Q3", 1.0), point("2026Q4", 2.0)), None, (), "T4 2026 : 2,00 kWh, changement non calculé"),
            ((point("2026Q3", 1.0), point("2026Q4", 2.0)), None, ("partial-quarter",), "T4 2026, inachevé : 2,00 kWh à ce jour"),
            (
                (point("2026Q3", 1.0), point("2026Q4", None)),
                None,
                (),
                "T4 2026 : aucune énergie connue, la tendance s’arrête avant",
            ),
        ],
    )
    def test_the_title_of_the_trend_is_judged_by_the_interval_of_the_change_not_by_those_of_its_ends(
        self,
        report: QuarterlyReport,
        points: tuple[TrendPoint, ...],
        change: tuple[float, float, float] | None,
        notices: tuple[str, ...],
        title: str,
    ) -> None:
        changes = ()
        if change is not None:
            value, low, high = change
            changes = (QuarterChange("previous-quarter", "2026Q3", energy=Quantity(value, "1", low, high)),)
        chart = figures.trend(dataclasses.replace(with_trend(report, *points, notices=notices), changes=changes), FRENCH)
        assert chart is not None
        assert re.sub("[\xa0\u202f]", " ", chart.title) == title

    def test_a_quarter_without_data_has_a_place_and_no_bar(self, report: QuarterlyReport) -> None:
        chart = figures.trend(with_trend(report, point("2026Q3", None), point("2026Q4", 2.0, 1.0, 3.0)), FRENCH)
        assert chart is not None
        assert chart.rows[0][1] == "aucune donnée"
        assert "—" in svg.draw(chart.figure, 720)

    def test_a_change_is_drawn_from_one_total_to_the_other_each_bar_where_the_one_before_ended(
        self, report: QuarterlyReport
    ) -> None:
        (known,) = (each for each in report.changes if each.total is not None)
        assert known.total is not None
        terms = {"volume": 5_000_000_000, "intensity": -4_000_000_000, "factor": 1_000_000_000, "exit": -7_000_000_000}
        whole = dataclasses.replace(
            known.total.explained, reference_micrograms=6_000_000_000, quarter_micrograms=1_000_000_000, terms=terms
        )
        relative = Quantity(-5 / 6, "1", -0.9, -0.7)
        change = dataclasses.replace(known, total=dataclasses.replace(known.total, explained=whole, relative=relative))
        chart = charts(dataclasses.replace(report, changes=(change,)), FRENCH)["change"]
        bars = {
            name: (base, base + length)
            for trace in chart.figure.data
            if trace.type == "bar"
            for name, base, length in zip(trace.y, trace.base, trace.x, strict=True)
        }
        order = ["2026Q3", "volume", "factor", "exit", "intensity", "2026Q4"]
        assert [bars[name] for name in order] == [(0, 6), (6, 11), (11, 12), (5, 12), (1, 5), (0, 1)]
        assert [len(row) for row in chart.rows] == [2] * len(order)
        assert re.sub("[\xa0\u202f]", " ", chart.rows[1][1]) == "+ 5,00 kgCO₂e"
        assert re.sub("[\xa0\u202f]", " ", chart.rows[3][1]) == "\N{MINUS SIGN} 7,00 kgCO₂e"
        assert "services disparus" in chart.title
        drawing = svg.draw(chart.figure, 720)
        assert well_formed(drawing)

    def test_the_bar_of_the_other_services_has_an_interval(self, large: QuarterlyReport) -> None:
        chart = charts(large, FRENCH)["services"]
        (bounds,) = (trace for trace in chart.figure.data if trace.type == "scatter" and trace.mode == "markers")
        assert bounds.y[-1] == OTHERS
        drawn = set(bounds.y)
        left = [each.energy for each in large.register if each.id not in drawn and each.energy.value]
        unit = sum(each.value or 0.0 for each in left) / bounds.x[-1]
        assert bounds.error_x.array[-1] == pytest.approx(sum((each.high or 0) - (each.value or 0) for each in left) / unit)
        assert bounds.error_x.arrayminus[-1] == pytest.approx(sum((each.value or 0) - (each.low or 0) for each in left) / unit)

    def test_the_axis_of_a_small_change_is_cut_and_says_so(self, report: QuarterlyReport) -> None:
        chart = change_of(report, 1_800_000_000_000, {"volume": 150_000_000_000, "factor": -50_000_000_000})
        axis = chart.figure.layout.xaxis
        start, end = axis.range
        assert 0 < start < 1800 < 1950 < end  # kg, in which the causes can be read
        assert (1950 - 1800) / (end - start) > 0.15  # the greatest cause can be seen
        assert re.search(r"axe coupé\s: départ à 1\s\d00", axis.title.text)
        (breaks,) = (it for it in chart.figure.data if it.type == "scatter" and it.marker.symbol == "line-ne")
        assert list(breaks.y) == ["2026Q3", "2026Q4"]
        bars = [trace for trace in chart.figure.data if trace.type == "bar"]
        assert (bars[0].base[0], bars[0].x[0]) == (0, 1800)  # the data still begin at 0

    def test_an_axis_that_shows_its_causes_from_0_is_not_cut(self, report: QuarterlyReport) -> None:
        chart = change_of(report, 1_000_000_000_000, {"volume": 900_000_000_000})
        assert chart.figure.layout.xaxis.range[0] == 0
        assert "coupé" not in chart.figure.layout.xaxis.title.text

    def test_a_change_without_direction_is_not_called_a_rise(self, report: QuarterlyReport) -> None:
        assert "non établie" in change_of(report, 1_800_000_000_000, {"volume": 4_000_000_000}, (-0.045, 0.049)).title
        assert "hausse de 5,0" in change_of(report, 1_800_000_000_000, {"volume": 90_000_000_000}, (0.01, 0.09)).title

    def test_nothing_recorded_gives_no_figure(self, report: QuarterlyReport) -> None:
        empty = dataclasses.replace(report, results=(), register=(), trend=(), energy_by_status={}, changes=())
        assert charts(empty, FRENCH) == {}

    @given(st.floats(1e-9, 1e9))
    def test_ticks_are_round_even_few_and_told_apart(self, largest: float) -> None:
        figure = go.Figure()
        value_axis(figure, "x", largest, "kWh", FRENCH, room=1.25)
        ticks, texts = figure.layout.xaxis.tickvals, figure.layout.xaxis.ticktext
        assert ticks[0] == 0
        assert 2 <= len(ticks) <= 7
        assert len(set(texts)) == len(texts)
        assert ticks[-1] <= figure.layout.xaxis.range[1] * (1 + 1e-9)
        for tick, text in zip(ticks, texts, strict=True):
            written = float(re.sub("[\xa0\u202f]", "", text).replace(",", "."))
            assert math.isclose(written, tick, rel_tol=1e-9, abs_tol=1e-18)


class TestStaticDrawing:
    def test_same_bytes_in_another_process_whatever_the_users_style(self, report: QuarterlyReport, tmp_path: Path) -> None:
        figure = charts(report, FRENCH)["services"].figure
        with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black", "svg.fonttype": "path"}):
            here = svg.draw(figure, 720)
            assert matplotlib.rcParams["font.size"] == 30
        (tmp_path / "figure.json").write_text(figure.to_json(), encoding="utf-8")
        program = (
            "import sys, plotly.io\nfrom ecoia_dashboards import svg\n"
            "print(svg.draw(plotly.io.read_json('figure.json'), 720), end='')\n"
            "assert 'matplotlib.pyplot' not in sys.modules\n"
        )
        there = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert there.stdout == here

    def test_every_label_is_text_in_a_light_well_formed_element(self, report: QuarterlyReport) -> None:
        for chart in charts(report, FRENCH).values():
            for width in (720, 340):
                drawing = svg.draw(chart.figure, width)
                assert well_formed(drawing)
                assert drawing.startswith("<svg")
                assert len(drawing) < 30_000
                for trace in chart.figure.data:
                    if trace.name:
                        assert trace.name in drawing

    @pytest.mark.parametrize("name", ["a $\\frac{1}{2}$ b", "_caché", "<b>&amp;", "求人 🌱"])
    def test_any_name_is_drawn_as_it_is(self, name: str) -> None:
        figure = go.Figure(layout={"barmode": "stack", "height": 100})
        figure.add_bar(orientation="h", y=["a"], x=[1.0], name=name, marker={"color": "#000000"})
        figure.update_layout(xaxis={"range": [0, 1], "tickvals": [0, 1], "ticktext": ["0", "1"]})
        figure.update_layout(yaxis={"tickvals": ["a"], "ticktext": [name]})
        drawing = svg.draw(figure, 340)
        assert well_formed(drawing)
        escaped = name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        assert drawing.count(f">{escaped}</text>") == 2

    def test_endless_names_leave_room_for_the_bars(self, report: QuarterlyReport) -> None:
        long = dataclasses.replace(report.results[0], service="s" * 300, phase="p" * 300)
        chart = charts(dataclasses.replace(report, results=(long, *report.results)), FRENCH)["services"]
        assert well_formed(svg.draw(chart.figure, 340))  # matplotlib warns when nothing is left for the axes
        assert "s" * 300 in [row[0] for row in chart.rows]

    @pytest.mark.parametrize(
        ("trace", "named"),
        [
            (go.Pie(values=[1]), "'pie'"),
            (go.Scatter(x=["a"], y=[1], mode="lines+text"), "'lines+text'"),
            (go.Scatter(x=["a"], y=[1], mode="lines", line={"shape": "spline"}), "'spline'"),
            (go.Scatter(x=["a"], y=[1], mode="markers", marker={"symbol": "star"}), "'star'"),
            (go.Scatter(x=["a"], y=[1], mode="text", text=["t"], textposition="bottom left"), "'bottom left'"),
            (go.Bar(x=["a"], y=[1], marker={"pattern": {"shape": "."}}), "'.'"),
        ],
    )
    def test_what_cannot_be_drawn_is_named(self, trace: go.Bar, named: str) -> None:
        axes = {"tickvals": ["a"], "ticktext": ["a"]}
        figure = go.Figure([trace], layout={"barmode": "stack", "height": 100, "xaxis": axes})
        with pytest.raises(svg.UnknownTraceError, match=re.escape(named)):
            svg.draw(figure, 340)

    def test_points_of_a_plane_are_drawn_where_their_values_are(self) -> None:
        axis = {"range": [0, 10], "tickvals": [0, 10], "ticktext": ["0", "10"], "title": {"text": "$kWh$"}}
        points = [
            go.Scatter(x=[x], y=[x], mode="markers", name=str(x), marker={"color": "#1f4e79", "symbol": symbol})
            for x, symbol in ((2, "diamond"), (8, "circle-open"))
        ]
        drawing = svg.draw(go.Figure(points, layout={"height": 200, "xaxis": axis, "yaxis": axis}), 340)
        assert well_formed(drawing)
        assert "$kWh$" in drawing
        odd = go.Scatter(x=[1], y=[1], mode="markers", marker={"symbol": "star"})
        with pytest.raises(svg.UnknownTraceError, match="'star'"):
            svg.draw(go.Figure([odd], layout={"height": 200, "xaxis": axis, "yaxis": axis}), 340)

    def test_bars_side_by_side_are_refused_not_drawn_stacked(self) -> None:
        figure = go.Figure([go.Bar(x=["a"], y=[1])], layout={"barmode": "group", "height": 100})
        figure.update_xaxes(tickvals=["a"], ticktext=["a"])
        with pytest.raises(svg.UnknownTraceError, match="'group'"):
            svg.draw(figure, 340)


class TestLanguage:
    @given(st.floats(1e-12, 1e12))
    def test_an_amount_keeps_three_figures_and_its_size(self, kwh: float) -> None:
        text = ENGLISH.amount(Quantity(kwh, "kWh"))
        number, unit = text.split("\xa0")
        size = {"GWh": 1e6, "MWh": 1e3, "kWh": 1.0, "Wh": 1e-3, "mWh": 1e-6, "µWh": 1e-9}[unit]
        assert math.isclose(float(number.replace(",", "")) * size, kwh, rel_tol=0.0051)
        assert unit in ("GWh", "µWh") or 1 <= float(number) < 1000

    @given(st.floats(0, 1))
    def test_a_share_above_zero_is_never_written_zero(self, share: float) -> None:
        assert (ENGLISH.share(share) == "0%") is (share == 0)

    def test_a_column_has_one_unit_and_its_intervals_that_of_their_value(self) -> None:
        column = FRENCH.column([Quantity(23916.4, "kWh", 15750.7, 49240.8), Quantity(412.0, "kWh"), None, Quantity(0.05, "kWh")])
        assert column.unit == "MWh"
        assert [column.amount(Quantity(value, "kWh")) for value in (23916.4, 412.0, 0.05, 0.0)] == [
            "23,9\xa0MWh", "0,41\xa0MWh", "<\xa00,01\xa0MWh", "0\xa0MWh"
        ]  # fmt: skip
        assert column.interval(Quantity(412.0, "kWh", 2.0, 980.0)) == "<\xa00,01 à 0,98\xa0MWh"
        assert FRENCH.column([Quantity(0.1, "1"), Quantity(3.0, "kWh")]).unit == ""

    def test_a_change_has_its_sign_and_a_direction_by_its_interval(self) -> None:
        said = [FRENCH.direction(Quantity(0.105, "1", low, high)) for low, high in ((0.046, 0.167), (-0.01, 0.2))]
        assert said == ["hausse de 10,5\xa0%", "évolution de +\u202f10,5\xa0% non établie"]
        assert FRENCH.direction(Quantity(-0.032, "1", -0.05, -0.01)) == "baisse de 3,2\xa0%"
        assert ENGLISH.direction(Quantity(-0.032, "1", -0.05, -0.01)) == "down 3.2%"
        assert FRENCH.change(Quantity(-12.0, "gCO2e")) == "\N{MINUS SIGN}\u202f12,0\xa0gCO₂e"
        assert ENGLISH.change(Quantity(0.105, "1")) == "+10.5%"
        assert "-" not in FRENCH.number(-3.2) + FRENCH.share(-0.04) + FRENCH.plain(-1.5) + FRENCH.whole(-3)

    def test_french_and_english_forms(self) -> None:
        assert FRENCH.quarter("2026Q4") == "T4\xa02026"
        assert ENGLISH.quarter("2026Q4") == "Q4\xa02026"
        assert FRENCH.amount(Quantity(23916.4, "kWh")) == "23,9\xa0MWh"
        assert FRENCH.amount(Quantity(2000.8, "kgCO2e")) == "2,00\xa0tCO₂e"
        assert FRENCH.amount(Quantity(1.234e10, "kWh")) == "12\u202f340\xa0GWh"
        assert FRENCH.amount(Quantity(0.0005, "kgCO2e")) == "500\xa0mgCO₂e"
        assert FRENCH.interval(Quantity(0.5, "kWh", 0.25, 1.5)) == "250 à 1\u202f500\xa0Wh"
        assert FRENCH.n("%(count)s essai", "%(count)s essais", 0) == "0 essai"
        assert FRENCH.moment("2026-12-31T23:30:00+00:00", "Europe/Paris") == "1er janvier 2027 00:30"
