"""Draw the change: from the CO2e of a reference quarter to the report's, term by term."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import plotly.graph_objects as go

from ecoia.impact.change import ExplainedChange
from ecoia.impact.embodied import MICROGRAMS_PER_KG
from ecoia.report import Quantity, QuarterChange, QuarterlyReport
from ecoia.scales import scale_of
from ecoia_dashboards import wording
from ecoia_dashboards.figures.chart import CHANGE_STYLES, Chart, category_axis, marker, value_axis, wrapped
from ecoia_dashboards.language import Language


@dataclass(frozen=True)
class _Cascade:
    """Bars from one total to another. ``ends`` are the ids of the two totals; micrograms."""

    ends: tuple[str, str]
    whole: ExplainedChange
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


def change(report: QuarterlyReport, language: Language) -> Chart | None:
    """Draw the change of the CO2e against the same quarter a year before, else the quarter before; None where none is known."""
    found = _cascade(report)
    if found is None:
        return None
    labels, texts = _labels(found, language), _texts(found, language)
    start, end = found.ends
    largest_term = max(found.terms, key=lambda term: abs(term[1]))[0]
    title = language.t(
        "De %(before)s à %(now)s : %(change)s ; premier motif : %(term)s",
        before=labels[start],
        now=labels[end],
        change=_mass(found.whole.micrograms, language),
        term=labels[largest_term],
    )
    if found.simulated:
        title += f" ({language.t('simulé')})"
    alt = language.t(
        "Barres horizontales en cascade, de %(before)s à %(now)s : %(series)s.",
        series=language.listed(f"{labels[name]} {texts[name]}" for name in found.order),
        before=labels[start],
        now=labels[end],
    )
    columns = (language.t("Motif"), "CO₂e")
    rows = tuple((labels[name], texts[name]) for name in found.order)
    return Chart("change", title, alt, _figure(found, labels, texts, language), columns, rows)


def _cascade(report: QuarterlyReport) -> _Cascade | None:
    known: list[tuple[QuarterChange, ExplainedChange]] = [
        (each, each.total.explained) for each in report.changes if each.total is not None and each.total.explained.terms
    ]
    if not known:
        return None
    found, whole = min(known, key=lambda each: each[0].against != "year-before")
    return _Cascade((found.reference, report.quarter), whole, found.simulated)


def _figure(found: _Cascade, labels: dict[str, str], texts: dict[str, str], language: Language) -> go.Figure:
    spans, order = found.spans, found.order
    largest = max(start + length for start, length in spans.values())
    scale = scale_of([largest], "kgCO2e")
    figure = go.Figure(layout={"barmode": "stack"})
    kinds = (
        ("whole", language.t("total"), list(found.ends)),
        ("more", language.t("en plus"), [name for name, part in found.terms if part > 0]),
        ("less", language.t("en moins"), [name for name, part in found.terms if part < 0]),
    )
    for kind, label, names in kinds:
        if names:
            figure.add_bar(
                orientation="h",
                y=names,
                x=[spans[name][1] / scale.size for name in names],
                base=[spans[name][0] / scale.size for name in names],
                name=label,
                marker=marker(CHANGE_STYLES, kind),
            )
    figure.add_scatter(
        mode="text",
        y=order,
        x=[sum(spans[name]) / scale.size for name in order],
        text=[texts[name] for name in order],
        textposition="middle right",
        showlegend=False,
    )
    value_axis(figure, "x", largest / scale.size, language.unit(scale.unit), language, room=1.25)
    category_axis(figure, "y", order, [wrapped(labels[name]) for name in order])
    return figure


def _labels(found: _Cascade, language: Language) -> dict[str, str]:
    terms = {name: language.of(wording.TERMS, name) for name, _ in found.terms}
    return terms | {end: language.quarter(end) for end in found.ends}


def _texts(found: _Cascade, language: Language) -> dict[str, str]:
    terms = {name: _mass(micrograms, language) for name, micrograms in found.terms}
    return terms | {end: language.amount(Quantity(found.spans[end][1], "kgCO2e")) for end in found.ends}


def _mass(micrograms: int, language: Language) -> str:
    return language.change(Quantity(micrograms / MICROGRAMS_PER_KG, "kgCO2e"))
