"""Draw trajectories: the levels of each quarter, what the path of the target allows, and where this year is expected to end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import plotly.graph_objects as go

from ecoia.periods import Quarter
from ecoia.readable.scales import scale_of
from ecoia.report import NEARLY_CERTAIN, BudgetState, CoursePoint, Quantity, QuarterlyReport, TargetVerdict
from ecoia_dashboards import wording
from ecoia_dashboards.figures.chart import Chart, amount_or_reason, errors, highest, value_axis, written
from ecoia_dashboards.figures.roles import bar_style, line_style, point_style
from ecoia_dashboards.language import NBSP, Language
from ecoia_dashboards.naming import service_names
from ecoia_dashboards.wording.verdicts import probability

_HEIGHT, _COMPACT_HEIGHT = 280, 215
_ROOM_FOR_WORDS = 3  # quarters whose zone is wide enough to hold words


@dataclass(frozen=True)
class _Course:
    """The quarters of a trajectory, and those of this year that are still ahead, in the target's unit."""

    target: TargetVerdict
    quarter: str

    def is_baseline(self, quarter: str) -> bool:
        """Return whether the path starts from a quarter."""
        return quarter in self.target.baseline_quarters

    @property
    def past(self) -> list[CoursePoint]:
        """The quarters up to the report's."""
        return [point for point in self.target.course if point.quarter <= self.quarter]

    @cached_property
    def ahead(self) -> list[str]:
        """The quarters of the report's year that are still to come."""
        now = Quarter.parse(self.quarter)
        return [str(Quarter(now.year, number)) for number in range(now.number + 1, 5)]

    @property
    def budget(self) -> BudgetState | None:
        """The budget of the report's year."""
        return self.target.budget

    @cached_property
    def dues(self) -> dict[str, float]:
        """The amount that the path allows each quarter; quarters ahead share the year's budget as those before them."""
        dues = {point.quarter: point.due for point in self.target.course if point.due is not None}
        if self.budget is not None and self.budget.budget.value is not None:
            dues |= {quarter: dues.get(quarter, self.budget.budget.value / 4) for quarter in self.ahead}
        return dues

    @cached_property
    def expected(self) -> float | None:
        """The expected use of each quarter ahead; None where the year's end is not known."""
        budget = self.budget
        if budget is None or budget.expected.value is None or budget.spent.value is None or not self.ahead:
            return None
        return (budget.expected.value - budget.spent.value) / len(self.ahead)

    @property
    def quarters(self) -> list[str]:
        """The quarters that have a place, in order."""
        return list(dict.fromkeys([*(point.quarter for point in self.past), *self.ahead]))


def trajectory(
    report: QuarterlyReport,
    target: TargetVerdict,
    language: Language,
    *,
    compact: bool = False,
    draw: Callable[[], go.Figure] | None = None,
) -> Chart | None:
    """Draw the course of a target's trajectory; None where no quarter of it is known.

    Args:
        report: The quarter's data.
        target: One of ``report.targets``.
        language: Language of the texts.
        compact: Whether it is drawn low, for a first page.
        draw: Draws it in another way; its words and data stay.

    Returns:
        The figure ``trajectory-<id of the target>``.

    Example:
        >>> trajectory(report, report.targets[0], Language("fr"), compact=True).title  # doctest: +SKIP
        'Énergie : budget 2026 dépassé au T3 2026, 121 % employés'
    """
    course = _Course(target, report.quarter)
    if all(point.level.value is None for point in course.past):
        return None
    headings = (language.t("Trimestre"), language.t("Niveau"), language.t("Permis par la trajectoire"), language.t("Nature"))
    figure = draw() if draw else _figure(course, language, _COMPACT_HEIGHT if compact else _HEIGHT)
    title, alt = _title(course, report, language), _alt(course, language)
    return Chart(f"trajectory-{target.id}", title, alt, figure, headings, _cells(course, language), language)


def trajectories(report: QuarterlyReport, language: Language) -> list[Chart]:
    """Draw every trajectory whose course is known."""
    drawn = [trajectory(report, target, language) for target in report.targets if target.course]
    return [chart for chart in drawn if chart is not None]


def _cells(course: _Course, language: Language) -> tuple[tuple[str | Quantity, ...], ...]:
    unit = course.target.unit
    dues = {
        quarter: Quantity(course.dues[quarter], unit) if quarter in course.dues else language.t("hors trajectoire")
        for quarter in course.quarters
    }
    past = [(language.quarter(point.quarter), point.level, dues[point.quarter], language.t("constaté")) for point in course.past]
    if course.expected is None:
        return tuple(past)
    expected = Quantity(course.expected, unit)
    return (*past, *((language.quarter(each), expected, dues[each], language.t("attendu")) for each in course.ahead))


def _figure(course: _Course, language: Language, height: int) -> go.Figure:
    levels = [point.level for point in course.past]
    known = [(point.quarter, point.level) for point in course.past if point.level.value is not None]
    scale = scale_of([level.value or 0.0 for _, level in known], course.target.unit)
    figure = go.Figure(layout={"barmode": "stack", "height": height})
    _draw_allowed(figure, course, scale.size)
    for role, of_baseline in (("baseline", True), ("interval", False)):
        drawn = [(quarter, level) for quarter, level in known if course.is_baseline(quarter) is of_baseline]
        if drawn:
            figure.add_scatter(
                mode="markers",
                x=[quarter for quarter, _ in drawn],
                y=[(level.value or 0.0) / scale.size for _, level in drawn],
                error_y=errors([level for _, level in drawn], scale.size),
                showlegend=False,
                **point_style(role, "diamond"),
            )
    if course.expected is not None:
        figure.add_scatter(
            mode="markers",
            x=course.ahead,
            y=[course.expected / scale.size] * len(course.ahead),
            showlegend=False,
            **point_style("interval", "circle-open"),
        )
    _draw_words(figure, course, known, scale.size, language)
    tallest = max(highest(levels), *course.dues.values(), course.expected or 0.0) / scale.size
    value_axis(figure, "y", tallest, language.unit(scale.unit), language, room=1.05)
    note = language.t("trait : intervalle à 95 %%") if any(level.low is not None for level in levels) else ""
    labels = [_label(course, each, language) for each in course.quarters]
    figure.update_xaxes(tickvals=course.quarters, ticktext=labels, title={"text": note})
    return figure


def _draw_allowed(figure: go.Figure, course: _Course, size: float) -> None:
    """Draw the zone that the path allows, and the path as its upper edge."""
    if not course.dues:
        return
    quarters = [quarter for quarter in course.quarters if quarter in course.dues]
    dues = [course.dues[quarter] / size for quarter in quarters]
    for role, of_baseline in (("baseline-zone", True), ("allowed", False)):
        held = [(quarter, due) for quarter, due in zip(quarters, dues, strict=True) if course.is_baseline(quarter) is of_baseline]
        if held:
            figure.add_bar(
                x=[quarter for quarter, _ in held],
                y=[due for _, due in held],
                width=1,
                showlegend=False,
                **bar_style(role),
            )
    figure.add_scatter(mode="lines", x=quarters, y=dues, showlegend=False, **line_style("path", shape="hvh", dash="dash"))


def _draw_words(figure: go.Figure, course: _Course, known: list[tuple[str, Quantity]], size: float, language: Language) -> None:
    """Write the value beside each level, and in the allowed zone what this year's path allows."""
    column = language.column(level for _, level in known)
    unit = course.target.unit
    levels = known + [(quarter, Quantity(course.expected, unit)) for quarter in course.ahead if course.expected is not None]
    words = [(each, (level.value or 0.0) / size, column.number(level), *_beside(course, each, level)) for each, level in levels]
    if any(quarter[:4] == course.quarter[:4] for quarter in course.dues):
        of_year = [quarter for quarter in course.quarters if quarter in course.dues and quarter[:4] == course.quarter[:4]]
        first = next((quarter for quarter in of_year if not course.is_baseline(quarter)), of_year[0])
        allowed = language.t("permis : %(amount)s", amount=column.amount(Quantity(course.dues[first], unit)))
        words.append((first, 0.0, allowed, "top right", "allowed"))
    baseline = [quarter for quarter in course.quarters if course.is_baseline(quarter) and quarter in course.dues]
    if len(baseline) >= _ROOM_FOR_WORDS:
        amount = column.amount(Quantity(course.dues[baseline[0]], unit))
        middle = baseline[len(baseline) // 2]
        words.append((middle, 0.0, language.t("réf. : %(amount)s", amount=amount), "top center", "baseline-zone"))
    for position, behind in dict.fromkeys((position, behind) for *_, position, behind in words):
        held = [word for word in words if word[3:] == (position, behind)]
        figure.add_scatter(
            mode="text",
            x=[quarter for quarter, *_ in held],
            y=[level for _, level, *_ in held],
            text=[text for _, _, text, *_ in held],
            textposition=position,
            meta=behind,
            showlegend=False,
        )


def _beside(course: _Course, quarter: str, level: Quantity) -> tuple[str, str]:
    """Place a level's words on the side of the path that the level is on, so that the path does not cross them; and on what."""
    due = course.dues.get(quarter)
    if due is None or (level.value or 0.0) > due:
        return "top right", "page"
    return "bottom right", "baseline-zone" if course.is_baseline(quarter) else "allowed"


def _label(course: _Course, quarter: str, language: Language) -> str:
    lines = [language.quarter(quarter).replace(NBSP, "<br>")]
    if course.is_baseline(quarter):
        lines.append(language.t("réf."))
    elif quarter in course.ahead:
        lines.append(language.t("attendu"))
    return "<br>".join(lines)


def _title(course: _Course, report: QuarterlyReport, language: Language) -> str:
    budget, target = course.budget, course.target
    name = language.of(wording.INDICATORS, target.indicator)
    values = {"name": name[:1].upper() + name[1:], "quarter": language.quarter(report.quarter)}
    if target.service is not None:
        values["name"] += f" ({service_names(report).get(target.service, target.service)})"
    if budget is None or budget.consumed.value is None:
        return language.t("%(name)s : pas encore de budget à comparer au %(quarter)s", **values)
    values |= {"year": str(budget.year), "share": language.share(budget.consumed.value)}
    if (budget.spent_probability or 0.0) >= NEARLY_CERTAIN:  # as the verdict says it, never by the value alone
        return language.t("%(name)s : budget %(year)s dépassé au %(quarter)s, %(share)s employés", **values)
    if target.miss_probability is None:
        return language.t("%(name)s : %(share)s du budget %(year)s employés au %(quarter)s", **values)
    values["probability"] = probability(language, target.miss_probability)
    return language.t(
        "%(name)s : %(share)s du budget %(year)s employés au %(quarter)s, probabilité de dépassement : %(probability)s", **values
    )


def _alt(course: _Course, language: Language) -> str:
    column = language.column(point.level for point in course.past)
    levels = language.listed(
        f"{language.quarter(point.quarter)} {written(point.level, column, language)}"
        + (
            f" ({language.t('permis : %(amount)s', amount=column.amount(Quantity(point.due, course.target.unit)))})"
            if point.due is not None
            else ""
        )
        for point in course.past
    )
    alt = language.t(
        "Un repère par trimestre avec son intervalle, et le niveau que la trajectoire permet : %(levels)s.", levels=levels
    )
    if course.budget is None or course.budget.expected.value is None:
        return alt
    return f"{alt} " + language.t(
        "Fin %(year)s attendue : %(expected)s pour un budget de %(budget)s.",
        year=str(course.budget.year),
        expected=language.amount(course.budget.expected),
        budget=amount_or_reason(course.budget.budget, language),
    )
