"""Draw the change: from the CO2e of a reference quarter to the report's, term by term, on an axis cut so that causes are seen."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import plotly.graph_objects as go

from ecoia.impact.change import ExplainedChange
from ecoia.impact.embodied import MICROGRAMS_PER_KG
from ecoia.readable.scales import ColumnScale, cascade_scale
from ecoia.report import Quantity, QuarterChange, QuarterlyReport
from ecoia_dashboards import wording
from ecoia_dashboards.figures.chart import Changed, Chart, category_axis, errors, value_axis, wrapped
from ecoia_dashboards.figures.roles import bar_style, point_style
from ecoia_dashboards.language import Language, QuantityColumn, Scaling

_LEAST_CUT = 0.4
"""The axis is cut only where more than this part of it would be left empty of causes."""


@dataclass(frozen=True)
class _Cascade:
    """Bars from one total to another. ``ends`` are the ids of the two totals; micrograms. ``relative``: C / C0 - 1."""

    ends: tuple[str, str]
    whole: ExplainedChange
    relative: Quantity
    simulated: bool

    @cached_property
    def terms(self) -> list[tuple[str, int]]:
        """The terms; those that add come first, so that no bar begins below 0."""
        return sorted(self.whole.terms.items(), key=lambda term: (term[1] < 0, -abs(term[1])))

    @cached_property
    def order(self) -> list[str]:
        return [self.ends[0], *(name for name, _ in self.terms), self.ends[1]]

    @cached_property
    def spans(self) -> dict[str, tuple[float, float]]:
        """Start and length of each bar, in kg."""
        spans = {self.ends[0]: (0, self.whole.reference_micrograms), self.ends[1]: (0, self.whole.quarter_micrograms)}
        running = self.whole.reference_micrograms
        for name, micrograms in self.terms:
            spans[name] = (min(running, running + micrograms), abs(micrograms))
            running += micrograms
        return {name: (start / MICROGRAMS_PER_KG, length / MICROGRAMS_PER_KG) for name, (start, length) in spans.items()}

    @cached_property
    def end(self) -> Quantity:
        """The second total, in kg, with the interval that the change gives it from the first, whose errors it shares."""
        before, now = (self.whole.reference_micrograms / MICROGRAMS_PER_KG, self.whole.quarter_micrograms / MICROGRAMS_PER_KG)
        if self.relative.low is None or self.relative.high is None:
            return Quantity(now, "kgCO2e")
        return Quantity(now, "kgCO2e", before * (1 + self.relative.low), before * (1 + self.relative.high))

    @property
    def greatest(self) -> float:
        """The greatest value that is drawn, in kg."""
        return max(*(start + length for start, length in self.spans.values()), self.end.high or 0.0)

    @cached_property
    def cut(self) -> float:
        """Where the axis begins, in kg: 0, or a round number below everything that the causes reach."""
        lengths = [start + length for start, length in self.spans.values()]
        reached = [*lengths, *(self.spans[name][0] for name, _ in self.terms)]
        if self.end.low is not None:
            reached.append(self.end.low)
        least, span = min(reached), self.greatest - min(reached)
        start = least - 0.6 * span
        if start < _LEAST_CUT * self.greatest:
            return 0.0
        step = 10.0 ** math.floor(math.log10(self.greatest - start))
        return math.floor(start / step) * step


def change(report: QuarterlyReport, language: Language) -> Chart | None:
    """Draw the change of the CO2e against the same quarter a year before, else the quarter before; None where none is known."""
    known: list[tuple[QuarterChange, ExplainedChange, Quantity]] = [
        (each, each.total.explained, each.total.relative)
        for each in report.changes
        if each.total is not None and each.total.explained.terms
    ]
    if not known:
        return None
    found, whole, relative = min(known, key=lambda each: each[0].against != "year-before")
    return causes((found.reference, report.quarter), whole, relative, language, simulated=found.simulated)


def causes(
    ends: tuple[str, str], whole: ExplainedChange, relative: Quantity, language: Language, *, simulated: bool
) -> Chart | None:
    """Draw an explained change between two quarters; None where it has no term.

    Args:
        ends: The earlier quarter and the later one.
        whole: The change.
        relative: The same, relative to the earlier quarter, with its interval.
        language: Language of the texts.
        simulated: Whether either quarter is simulated, in part or whole.
    """
    return _chart(_Cascade(ends, whole, relative, simulated), language) if whole.terms else None


def _chart(found: _Cascade, language: Language) -> Chart:
    labels, cells = _labels(found, language), _cells(found)
    column = column_of(found.whole, language)
    texts = {
        name: column.change(cell.quantity) if isinstance(cell, Changed) else column.amount(cell) for name, cell in cells.items()
    }
    alt = language.t(
        "Barres horizontales en cascade, de %(before)s à %(now)s : %(series)s.",
        series=language.listed(f"{labels[name]} {texts[name]}" for name in found.order),
        before=labels[found.ends[0]],
        now=labels[found.ends[1]],
    )
    headings = (language.t("Motif"), "CO₂e")
    rows = tuple((labels[name], cells[name]) for name in found.order)
    figure, scaled = _figure(found, labels, texts, column), _scaling(found.whole)
    return Chart("change", _title(found, labels, language), alt, figure, headings, rows, language, scaled)


def column_of(whole: ExplainedChange, language: Language) -> QuantityColumn:
    """Return what writes the CO2e of a change, totals and causes alike: in one unit, in which the causes can be read."""
    micrograms = (whole.reference_micrograms, whole.quarter_micrograms, *whole.terms.values())
    kilograms = (Quantity(each / MICROGRAMS_PER_KG, "kgCO2e") for each in micrograms)
    return language.column(kilograms, scaled=_scaling(whole))


def _scaling(whole: ExplainedChange) -> Scaling:
    terms = [each / MICROGRAMS_PER_KG for each in whole.terms.values()]
    totals = (whole.reference_micrograms / MICROGRAMS_PER_KG, whole.quarter_micrograms / MICROGRAMS_PER_KG)

    def scaled(_values: Iterable[float], unit: str) -> ColumnScale:
        return cascade_scale(terms, totals, unit)

    return scaled


def _title(found: _Cascade, labels: dict[str, str], language: Language) -> str:
    largest = max(found.terms, key=lambda term: abs(term[1]))[0]
    interval = language.change_interval(found.relative)
    title = language.t(
        "CO₂e du %(before)s au %(now)s : %(change)s ; premier motif : %(term)s",
        before=labels[found.ends[0]],
        now=labels[found.ends[1]],
        change=language.direction(_judged(found)) + (f" ({interval})" if interval else ""),
        term=labels[largest],
    )
    return f"{title} ({language.t('simulé')})" if found.simulated else title


def _judged(found: _Cascade) -> Quantity:
    """Return the change that the title states: relative where there is a total to relate it to, else its size."""
    if found.relative.value is not None:
        return found.relative
    return Quantity(found.whole.micrograms / MICROGRAMS_PER_KG, "kgCO2e")


def _figure(found: _Cascade, labels: dict[str, str], texts: dict[str, str], column: QuantityColumn) -> go.Figure:
    spans, order, language, scale = found.spans, found.order, column.language, column.scale("kgCO2e")
    figure = go.Figure(layout={"barmode": "stack"})
    kinds = (
        ("whole", list(found.ends)),
        ("more", [name for name, part in found.terms if part > 0]),
        ("less", [name for name, part in found.terms if part < 0]),
    )
    for kind, names in kinds:
        if names:
            figure.add_bar(
                orientation="h",
                y=names,
                x=[spans[name][1] / scale.size for name in names],
                base=[spans[name][0] / scale.size for name in names],
                showlegend=False,
                **bar_style(kind),
            )
    _draw_interval(figure, found, scale)
    figure.add_scatter(
        mode="text",
        y=order,
        x=[_text_place(found, name) / scale.size for name in order],
        text=[texts[name] for name in order],
        textposition="middle right",
        showlegend=False,
    )
    start, unit = found.cut / scale.size, language.unit(scale.unit)
    value_axis(
        figure, "x", found.greatest / scale.size, _axis_title(found, unit, start, language), language, room=1.45, start=start
    )
    if start:
        _draw_breaks(figure, found, scale)
    category_axis(figure, "y", order, [wrapped(labels[name]) for name in order])
    return figure


def _draw_interval(figure: go.Figure, found: _Cascade, scale: ColumnScale) -> None:
    if found.end.low is not None:
        figure.add_scatter(
            mode="markers",
            y=[found.ends[1]],
            x=[(found.end.value or 0.0) / scale.size],
            error_x=errors([found.end], scale.size),
            showlegend=False,
            **point_style("interval", "line-ns"),
        )


def _draw_breaks(figure: go.Figure, found: _Cascade, scale: ColumnScale) -> None:
    """Mark both totals as cut, near the beginning of the axis."""
    place = found.cut + 0.05 * (found.greatest - found.cut)
    figure.add_scatter(
        mode="markers",
        y=list(found.ends),
        x=[place / scale.size] * 2,
        showlegend=False,
        **point_style("page", "line-ne"),
    )


def _text_place(found: _Cascade, name: str) -> float:
    """Return where the text of a bar begins, in kg: behind the bar, and behind its interval."""
    end = sum(found.spans[name])
    return max(end, found.end.high or 0.0) if name == found.ends[1] else end


def _axis_title(found: _Cascade, unit: str, start: float, language: Language) -> str:
    parts = [unit]
    if start:
        parts.append(language.t("axe coupé : départ à %(start)s", start=language.plain(round(start, 6))))
    if found.end.low is not None:
        parts.append(language.t("trait : intervalle à 95 %% de la variation"))
    return "<br>".join(parts)


def _labels(found: _Cascade, language: Language) -> dict[str, str]:
    terms = {name: language.of(wording.TERMS, name) for name, _ in found.terms}
    return terms | {end: language.quarter(end) for end in found.ends}


def _cells(found: _Cascade) -> dict[str, Quantity | Changed]:
    terms = {name: Changed(Quantity(micrograms / MICROGRAMS_PER_KG, "kgCO2e")) for name, micrograms in found.terms}
    return terms | {end: Quantity(found.spans[end][1], "kgCO2e") for end in found.ends}
