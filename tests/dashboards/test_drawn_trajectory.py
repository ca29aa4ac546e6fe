"""The figure of a trajectory: levels, what the path allows, and where the year is expected to end, on the large organisation."""

from __future__ import annotations

import dataclasses

import pytest

from ecoia.report import QuarterlyReport, TargetVerdict
from ecoia_dashboards import figures, svg
from ecoia_dashboards.figures import trajectory
from ecoia_dashboards.language import Language

FRENCH = Language("fr")


@pytest.fixture(scope="module")
def report(large: QuarterlyReport) -> QuarterlyReport:
    return large


@pytest.fixture(scope="module")
def target(report: QuarterlyReport) -> TargetVerdict:
    (found,) = (each for each in report.targets if each.course)
    return found


def drawn(report: QuarterlyReport, target: TargetVerdict, *, compact: bool = False) -> figures.Chart:
    found = trajectory(report, target, FRENCH, compact=compact)
    assert found is not None
    return found


def test_every_quarter_of_the_course_and_of_the_year_has_a_place(report: QuarterlyReport, target: TargetVerdict) -> None:
    chart = drawn(report, target)
    assert list(chart.figure.layout.xaxis.tickvals) == ["2025Q2", "2025Q3", "2025Q4", "2026Q1", "2026Q2", "2026Q3", "2026Q4"]
    assert [row[-1] for row in chart.rows] == ["constaté"] * 6 + ["attendu"]
    baseline = [label for label in chart.figure.layout.xaxis.ticktext if label.endswith("réf.")]
    assert len(baseline) == len(target.baseline_quarters)


def test_levels_have_their_intervals_and_stand_where_the_course_says(report: QuarterlyReport, target: TargetVerdict) -> None:
    drawn_levels = [it for it in drawn(report, target).figure.data if it.type == "scatter" and it.marker.symbol == "diamond"]
    baseline, since = drawn_levels
    assert list(baseline.x) == list(target.baseline_quarters), "the baseline stands back"
    assert baseline.marker.color != since.marker.color
    found = [each for it in drawn_levels for each in zip(it.y, it.error_y.array, it.error_y.arrayminus, strict=True)]
    for (y, above, below), point in zip(found, target.course, strict=True):
        level = point.level
        assert [y, y + above, y - below] == pytest.approx([(bound or 0) / 1000 for bound in (level.value, level.high, level.low)])


def test_the_path_does_not_cross_the_words_of_a_level(report: QuarterlyReport, target: TargetVerdict) -> None:
    due = {point.quarter: point.due for point in target.course}
    level = {point.quarter: point.level.value for point in target.course}
    words = [it for it in drawn(report, target).figure.data if it.type == "scatter" and it.mode == "text"]
    below = {quarter for it in words if it.textposition == "bottom right" for quarter in it.x}
    assert below == {quarter for quarter in level if due[quarter] is not None and level[quarter] <= due[quarter]}
    assert below, "a level below the path has its words below it"


def test_the_allowed_zone_is_what_the_path_allows_and_the_years_rest_is_expected(
    report: QuarterlyReport, target: TargetVerdict
) -> None:
    assert target.budget is not None
    chart = drawn(report, target)
    zones = [trace for trace in chart.figure.data if trace.type == "bar"]
    allowed = {quarter: due for zone in zones for quarter, due in zip(zone.x, zone.y, strict=True)}
    assert [allowed[f"2026Q{number}"] for number in (1, 2, 3, 4)] == pytest.approx([target.budget.budget.value / 4000] * 4)
    (ahead,) = (it for it in chart.figure.data if it.type == "scatter" and it.marker.symbol == "circle-open")
    assert sum(ahead.y) * 1000 == pytest.approx(target.budget.expected.value - target.budget.spent.value)


def test_the_title_says_that_the_budget_is_spent_or_how_likely_it_will_be(report: QuarterlyReport, target: TargetVerdict) -> None:
    assert target.budget is not None
    assert drawn(report, target).title.replace("\xa0", " ") == "Énergie : budget 2026 dépassé au T3 2026, 121 % employés"
    consumed = dataclasses.replace(target.budget.consumed, value=0.62)
    part = dataclasses.replace(target.budget, consumed=consumed, spent_probability=0.0)
    likely = dataclasses.replace(target, budget=part, miss_probability=0.97)
    assert drawn(report, likely).title.replace("\xa0", " ") == (
        "Énergie : 62 % du budget 2026 employés au T3 2026, probabilité de dépassement : 97 %"
    )


def test_the_compact_figure_is_low_and_has_the_same_data(report: QuarterlyReport, target: TargetVerdict) -> None:
    low, high = drawn(report, target, compact=True), drawn(report, target)
    assert low.figure.layout.height <= 220 < high.figure.layout.height
    assert low.rows == high.rows


def test_a_target_without_a_known_course_has_no_figure(report: QuarterlyReport) -> None:
    without = next(each for each in report.targets if not each.course)
    assert trajectory(report, without, FRENCH) is None
    assert len(figures.trajectories(report, FRENCH)) == 1


def test_it_is_drawn_at_every_width(report: QuarterlyReport, target: TargetVerdict) -> None:
    for width in (340, 690, 720):
        assert "permis" in svg.draw(drawn(report, target, compact=True).figure, width)
