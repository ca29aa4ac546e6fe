"""Small marks: their lengths are their values, and what is missing is seen."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecoia_dashboards.dashboard import marks
from ecoia_dashboards.dashboard.marks import MISSING, NOT_EXPECTED, RECORDED


def read(mark: str) -> ET.Element:
    return ET.fromstring(mark)  # noqa: S314 - our own text


def widths(mark: str, role: str) -> list[float]:
    return [float(each.attrib["width"][:-1]) for each in read(mark).iter("rect") if role in each.attrib["class"].split()]


def test_a_sparkline_starts_at_zero_and_shows_its_gaps() -> None:
    flat = read(marks.sparkline([10.0, 10.0]))
    assert next(each.attrib["d"] for each in flat.iter("path")) == "M0 4L100 4"
    half = read(marks.sparkline([5.0, 10.0]))
    assert next(each.attrib["d"] for each in half.iter("path")) == "M0 12L100 4"
    gap = read(marks.sparkline([1.0, 2.0, None, 3.0, 4.0]))
    assert next(each.attrib["d"] for each in gap.iter("path")).count("M") == 2
    assert sum(each.attrib["class"] == "gap" for each in gap.iter("line")) == 1


def test_a_value_between_gaps_and_the_last_one_are_dots() -> None:
    assert len(list(read(marks.sparkline([None, 3.0, None, 4.0])).iter("circle"))) == 2
    assert len(list(read(marks.sparkline([3.0, 4.0, None])).iter("circle"))) == 0
    assert list(read(marks.sparkline([None, None])).iter("circle")) == []
    assert list(read(marks.sparkline([])).iter("path")) == []


@given(st.lists(st.floats(0, 0.25), min_size=1, max_size=3))
def test_parts_of_a_stacked_bar_add_up(shares: list[float]) -> None:
    parts = dict(zip(("measured", "estimated", "declared"), shares, strict=False))
    bar = marks.stacked_bar(parts)
    for role, share in parts.items():
        assert widths(bar, role) == ([pytest.approx(100 * share, abs=0.01)] if share else [])
    starts = [float(each.attrib["x"][:-1]) for each in read(bar).iter("rect")]
    assert starts == sorted(starts)


def test_each_part_that_is_not_measured_has_a_pattern() -> None:
    bar = read(marks.stacked_bar({"measured": 0.5, "estimated": 0.2, "declared": 0.1, "missing": 0.1}))
    assert [each.attrib.get("fill") for each in bar.iter("rect")] == [
        None,
        "url(#pattern-estimated)",
        "url(#pattern-declared)",
        "url(#pattern-missing)",
    ]


def test_a_bar_beyond_the_scale_ends_at_its_edge() -> None:
    assert widths(marks.bar(1.7, 0.5, 2.4), "series") == [100]
    assert widths(marks.bar(1.7, 0.5, 2.4), "interval-band") == [50]


def test_a_change_starts_in_the_middle() -> None:
    for share, role, start in ((0.4, "more", 50.0), (-0.4, "less", 30.0)):
        bar = next(each for each in read(marks.change_bar(share)).iter("rect") if role in each.attrib["class"].split())
        assert (float(bar.attrib["x"][:-1]), float(bar.attrib["width"][:-1])) == (start, 20.0)


@pytest.mark.parametrize("at_least", [True, False])
def test_a_bullet_shades_the_side_that_is_allowed(at_least: bool) -> None:
    mark = marks.bullet(50.0, 40.0, 100.0, 60.0, at_least=at_least, verdict="unmet")
    aim = next(each for each in read(mark).iter("line") if each.attrib["class"] == "aim unmet")
    target = float(aim.attrib["x1"][:-1])
    assert target == pytest.approx(100 * 60 / 106, abs=0.01)
    assert widths(mark, "allowed") == [pytest.approx(100 - target if at_least else target, abs=0.01)]
    assert widths(mark, "series")[0] < target


def test_a_bullet_without_value_has_no_bar() -> None:
    assert widths(marks.bullet(None, None, None, 60.0, at_least=True, verdict="unsure"), "series") == []


@given(st.lists(st.sampled_from([RECORDED, MISSING, NOT_EXPECTED]), min_size=1, max_size=92))
def test_a_strip_gives_each_day_the_same_room(days: list[str]) -> None:
    strip = marks.days_strip(days)
    for kind in (RECORDED, MISSING, NOT_EXPECTED):
        assert sum(widths(strip, kind)) == pytest.approx(100 * days.count(kind) / len(days), abs=0.5)


def test_a_heat_map_has_a_cell_and_a_text_for_each_value() -> None:
    said = '"><script>'
    found = marks.heat_map(
        ["lundi", said],
        ["0 h", "1 h"],
        [[0.0, 10.0], [None, 4.9]],
        write=lambda value: f"{value:g} kWh",
        missing="sans relevé",
        said=said,
    )
    titles = [each.text for each in read(found).iter("title")]
    assert titles == ["lundi, 0 h : 0 kWh", "lundi, 1 h : 10 kWh", f"{said}, 0 h : sans relevé", f"{said}, 1 h : 4.9 kWh"]
    cells = [each.attrib["class"] for each in read(found).iter("rect") if list(each)]
    assert cells == ["cell heat-1", "cell heat-5", "hatched missing", "cell heat-3"]
    assert "sans relevé" in [each.text for each in read(found).iter("text")]
    spread = marks.heat_map(
        ["lundi"], ["0 h", "1 h"], [[36.0, 62.0]], write=str, missing="sans relevé", said="x", from_least=True
    )
    assert re.findall(r'class="(cell heat-[^"]*)"', spread)[:2] == ["cell heat-1", "cell heat-5"]
    assert ">36.0<" in spread
    assert ">62.0<" in spread
    none = marks.heat_map(["lundi"], ["0 h"], [[0.0]], write=str, missing="sans relevé", said="x")
    assert "sans relevé" not in none


def test_a_mark_is_said_or_hidden_from_those_who_do_not_see_it() -> None:
    assert read(marks.bar(0.5)).attrib["aria-hidden"] == "true"
    said = read(marks.bar(0.5, said="la moitié <b>"))
    assert (said.attrib["role"], said.attrib["aria-label"]) == ("img", "la moitié <b>")
    for mark in (marks.bar(0.5), marks.sparkline([1.0]), marks.change_bar(0.1), marks.swatch("estimated")):
        assert not re.search(r"style=|#[0-9a-f]{6}\b", mark)
