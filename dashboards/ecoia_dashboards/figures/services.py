"""Draw services: the energy of each by phase."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import plotly.graph_objects as go

from ecoia.readable.scales import scale_of
from ecoia.report import Quantity, QuarterlyReport
from ecoia_dashboards import wording
from ecoia_dashboards.figures.chart import (
    OTHERS,
    Chart,
    category_axis,
    count_of_others,
    errors,
    greatest,
    highest,
    ordered,
    sentence_on_others,
    shortened,
    value_axis,
    wrapped,
)
from ecoia_dashboards.figures.roles import PHASE_STYLES, bar_style, point_style
from ecoia_dashboards.language import Language
from ecoia_dashboards.naming import service_names
from ecoia_dashboards.sums import added
from ecoia_dashboards.wording import N_

_NOT_METERED = {"models": N_("estimé"), "declared": N_("déclaré")}
"""Words for services whose energy is not counted by meters."""


@dataclass(frozen=True)
class _Services:
    """Energy in kWh by service and phase, the services from the largest to the smallest; ``whole`` has the intervals."""

    cells: Mapping[str, Mapping[str, float]]
    whole: Mapping[str, Quantity]
    names: Mapping[str, str]
    simulated: frozenset[str]
    known_by: Mapping[str, str]

    @cached_property
    def totals(self) -> dict[str, float]:
        return {service: sum(row.values()) for service, row in self.cells.items()}

    @cached_property
    def order(self) -> list[str]:
        totals = self.totals
        return sorted(totals, key=lambda service: (-totals[service], service))

    @cached_property
    def phases(self) -> list[str]:
        return ordered({phase for row in self.cells.values() for phase in row}, PHASE_STYLES)


def services(report: QuarterlyReport, language: Language) -> Chart | None:
    """Draw the energy of each service, stacked by phase; None where no service has energy."""
    data = _data(report)
    if not sum(data.totals.values()):
        return None
    headings = (language.t("Service"), language.t("Total"), *(language.of(wording.PHASES, phase) for phase in data.phases))
    cells = tuple(_line(data, service, language) for service in data.order)
    figure = _figure(data, language)
    return Chart("services", _title(data, language), _alt(data, language), figure, headings, cells, language)


def _data(report: QuarterlyReport) -> _Services:
    cells: dict[str, dict[str, float]] = {}
    for result in report.results:
        if result.measure.energy.value is not None:
            row = cells.setdefault(result.service, {})
            row[result.phase] = row.get(result.phase, 0.0) + result.measure.energy.value
    for entry in report.register:
        if entry.idle_microjoules and entry.energy.value is not None and entry.energy_components_microjoules:
            idle = entry.energy.value * entry.idle_microjoules / entry.energy_components_microjoules
            cells.setdefault(entry.id, {})["idle"] = idle
    names = service_names(report)
    simulated = {result.service for result in report.results if result.simulated and result.measure.energy.value is not None}
    whole = {entry.id: entry.energy for entry in report.register if entry.id in cells}
    known_by = {entry.id: entry.counted_by for entry in report.register}
    return _Services(cells, whole, {service: names.get(service, service) for service in cells}, frozenset(simulated), known_by)


def _figure(data: _Services, language: Language) -> go.Figure:
    totals, order = data.totals, data.order
    drawn, others = greatest(order)
    parts = {bar: [bar] if bar else others for bar in drawn}
    lengths = {bar: sum(totals[service] for service in held) for bar, held in parts.items()}
    scale = scale_of(totals.values(), "kWh")
    figure = go.Figure(layout={"barmode": "stack"})
    for phase in data.phases:
        figure.add_bar(
            orientation="h",
            y=drawn,
            x=[sum(data.cells[service].get(phase, 0.0) for service in parts[bar]) / scale.size for bar in drawn],
            name=shortened(language.of(wording.PHASES, phase)),
            **bar_style(phase),
        )
    ends = {bar: added([_total(data, service) for service in held], "kWh") for bar, held in parts.items()}
    bounded = [bar for bar in drawn if ends[bar].low is not None]
    if bounded:
        figure.add_scatter(
            mode="markers",
            y=bounded,
            x=[lengths[bar] / scale.size for bar in bounded],
            error_x=errors([ends[bar] for bar in bounded], scale.size),
            name=language.t("intervalle à 95 %%"),
            **point_style("interval", "line-ns"),
        )
    column = language.column(ends.values())
    figure.add_scatter(
        mode="text",
        y=drawn,
        x=[highest([ends[bar]]) / scale.size for bar in drawn],
        text=[column.amount(ends[bar]) for bar in drawn],
        textposition="middle right",
        showlegend=False,
    )
    value_axis(figure, "x", highest(ends.values()) / scale.size, language.unit(scale.unit), language, room=1.25)
    labels = {service: wrapped(data.names[service]) + _mark(data, service, "<br>", language) for service in order}
    labels[OTHERS] = wrapped(count_of_others(others, language))
    category_axis(figure, "y", drawn, [labels[bar] for bar in drawn])
    return figure


def _title(data: _Services, language: Language) -> str:
    first, totals = data.order[0], data.totals
    return language.t(
        "%(service)s : %(share)s de l’énergie des services",
        service=data.names[first],
        share=language.share(totals[first] / sum(totals.values())),
    )


def _alt(data: _Services, language: Language) -> str:
    order, totals = data.order, data.totals
    first, last = order[0], order[-1]
    most = _kwh(totals[first], language)
    _, others = greatest(order)
    if len(order) == 1:
        alt = language.t(
            "Barre horizontale empilée par phase, un seul service : %(first)s, %(most)s.", first=data.names[first], most=most
        )
    else:
        alt = language.t(
            "Barres horizontales empilées par phase, %(count)s services du plus grand au plus petit : « %(first)s » "
            "(%(most)s) en tête, « %(last)s » (%(least)s) en dernier.",
            count=language.whole(len(order)),
            first=data.names[first],
            most=most,
            last=data.names[last],
            least=_kwh(totals[last], language),
        )
    return alt + sentence_on_others(others, language)


def _line(data: _Services, service: str, language: Language) -> tuple[str | Quantity, ...]:
    cells = data.cells[service]
    return (
        data.names[service] + _mark(data, service, " ", language),
        _total(data, service),
        *(Quantity(cells[phase], "kWh") if phase in cells else "—" for phase in data.phases),
    )


def _total(data: _Services, service: str) -> Quantity:
    """Return the energy of a service, with its interval where it is known."""
    whole = data.whole.get(service, Quantity(None, "kWh"))
    return whole if whole.value is not None else Quantity(data.totals[service], "kWh")


def _mark(data: _Services, service: str, space: str, language: Language) -> str:
    """Mark a service that is simulated, or whose energy no meter counts."""
    marks = [language.t("simulé")] if service in data.simulated else []
    marks += [language.t(_NOT_METERED[by])] if (by := data.known_by.get(service, "")) in _NOT_METERED else []
    return f"{space}({', '.join(marks)})" if marks else ""


def _kwh(value: float, language: Language) -> str:
    return language.amount(Quantity(value, "kWh"))
