"""Draw origins: how much of the energy is measured, estimated or declared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import plotly.graph_objects as go

from ecoia.report import PhaseResult, QuarterlyReport
from ecoia.semconv import MISSING, NOT_LACKING
from ecoia_dashboards import wording
from ecoia_dashboards.figures.chart import Chart, category_axis, greatest, ordered, sentence_on_others, wrapped
from ecoia_dashboards.figures.roles import STATUS_STYLES, bar_style
from ecoia_dashboards.language import Language
from ecoia_dashboards.naming import service_names

_TICKS = (0, 25, 50, 75, 100)


@dataclass(frozen=True)
class _Origins:
    """Shares of the energy by status, of everything and of each service, under the label of each."""

    everything: str
    shares: Mapping[str, Mapping[str, float]]
    missing: Mapping[str, str]
    weights: Mapping[str, int]

    @cached_property
    def statuses(self) -> list[str]:
        return [status for status in STATUS_STYLES if any(status in row for row in self.shares.values())]

    @cached_property
    def bars(self) -> tuple[list[str], list[str]]:
        """The labels that have a bar, and the services that have none."""
        kept, others = greatest(sorted(self.weights, key=lambda name: -self.weights[name]))
        return [name for name in self.shares if name == self.everything or name in kept], others


def statuses(report: QuarterlyReport, language: Language) -> Chart | None:
    """Draw how much of the energy is measured, estimated or declared, in all and by service; None without energy."""
    whole = {status: share for status, share in report.energy_by_status.items() if share > 0}
    if not whole:
        return None
    data = _data(report, whole, language)
    ranked = sorted(whole, key=lambda status: -whole[status])
    parts = language.listed(
        language.t("%(share)s %(status)s", share=language.share(whole[status]), status=language.of(wording.STATUSES, status))
        for status in ranked
    )
    title = language.t("Comment l’énergie est connue : %(parts)s", parts=parts)
    alt = language.t("Barres horizontales à 100 %%, une pour l’ensemble et une par service. Ensemble : %(parts)s.", parts=parts)
    alt += sentence_on_others(data.bars[1], language)
    headings = (language.t("Service"), *(language.of(wording.STATUSES, status) for status in (*data.statuses, MISSING)))
    cells = tuple(
        (
            name,
            *(language.share(shares.get(status, 0.0)) for status in data.statuses),
            data.missing[name] or language.t("rien"),
        )
        for name, shares in data.shares.items()
    )
    return Chart("statuses", title, alt, _figure(data, language), headings, cells, language)


def _data(report: QuarterlyReport, whole: Mapping[str, float], language: Language) -> _Origins:
    names, everything = service_names(report), language.t("Ensemble")
    shares: dict[str, Mapping[str, float]] = {everything: whole}
    missing = {everything: _missing(report.results, language)}
    weights: dict[str, int] = {}
    for service in dict.fromkeys(result.service for result in report.results):
        results = [result for result in report.results if result.service == service]
        known = _shares(results)
        if known:
            label = names.get(service, service)
            # A service may be named like the whole; categories must differ.
            label = label if label not in shares else f"{label} ({service})"
            shares[label], missing[label] = known, _missing(results, language)
            weights[label] = sum(result.measure.energy_components_microjoules for result in results)
    return _Origins(everything, shares, missing, weights)


def _figure(data: _Origins, language: Language) -> go.Figure:
    drawn, _ = data.bars
    figure = go.Figure(layout={"barmode": "stack"})
    for status in data.statuses:
        figure.add_bar(
            orientation="h",
            y=drawn,
            x=[100 * data.shares[name].get(status, 0.0) for name in drawn],
            name=language.of(wording.STATUSES, status),
            **bar_style(status),
        )
    figure.update_xaxes(range=[0, 100.5], tickvals=_TICKS, ticktext=[language.share(tick / 100) for tick in _TICKS])
    category_axis(figure, "y", drawn, [wrapped(name) for name in drawn])
    return figure


def _shares(results: Sequence[PhaseResult]) -> dict[str, float]:
    sums: dict[str, int] = {}
    for result in results:
        for method in result.measure.methods:
            if method.microjoules:
                sums[method.status] = sums.get(method.status, 0) + method.microjoules
    whole = sum(sums.values())
    return {status: energy / whole for status, energy in sums.items()}


def _missing(results: Sequence[PhaseResult], language: Language) -> str:
    """List the components that lack a meter and a model somewhere; a device that does not exist is not missing."""
    components = {
        method.component
        for result in results
        for method in result.measure.methods
        if method.status == MISSING and method.name not in NOT_LACKING
    }
    return language.listed(language.of(wording.COMPONENTS, name) for name in ordered(components, wording.COMPONENTS))
