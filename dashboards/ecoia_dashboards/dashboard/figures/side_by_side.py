"""Draw services side by side: the energy of each, stacked by phase."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from ecoia.exploring import Selected
from ecoia.readable.scales import scale_of
from ecoia.report import Quantity
from ecoia_dashboards import wording
from ecoia_dashboards.figures.chart import Cell, Chart, category_axis, highest, ordered, value_axis, wrapped
from ecoia_dashboards.figures.roles import PHASE_STYLES, bar_style
from ecoia_dashboards.language import Language


def phases_side_by_side(services: Mapping[str, Mapping[str, Selected]], language: Language) -> Chart | None:
    """Draw the energy of some services by phase; those without any are left out. None where none has energy.

    Args:
        services: The figures of each phase, by the name of a service.
        language: Language of the texts.
    """
    energies = {name: {phase: found.energy.value or 0.0 for phase, found in phases.items()} for name, phases in services.items()}
    energies = {name: phases for name, phases in energies.items() if any(phases.values())}
    totals = {name: sum(phases.values()) for name, phases in energies.items()}
    if not totals:
        return None
    phases = ordered({phase for found in energies.values() for phase in found}, PHASE_STYLES)
    scale = scale_of(totals.values(), "kWh")
    figure = go.Figure(layout={"barmode": "stack"})
    order = [f"service-{place}" for place in range(len(energies))]
    for phase in phases:
        lengths = [found.get(phase, 0.0) / scale.size for found in energies.values()]
        figure.add_bar(orientation="h", y=order, x=lengths, name=language.of(wording.PHASES, phase), **bar_style(phase))
    ends = [Quantity(total, "kWh") for total in totals.values()]
    figure.add_scatter(
        mode="text",
        y=order,
        x=[total / scale.size for total in totals.values()],
        text=[language.amount(end) for end in ends],
        textposition="middle right",
        showlegend=False,
    )
    value_axis(figure, "x", highest(ends) / scale.size, language.unit(scale.unit), language, room=1.3)
    category_axis(figure, "y", order, [wrapped(name) for name in energies])
    headings = (language.t("Service"), language.t("Total"), *(language.of(wording.PHASES, phase) for phase in phases))
    cells: tuple[tuple[Cell, ...], ...] = tuple(
        (name, Quantity(totals[name], "kWh"), *(Quantity(found.get(phase, 0.0), "kWh") for phase in phases))
        for name, found in energies.items()
    )
    series = language.listed(f"{name} {language.amount(end)}" for name, end in zip(energies, ends, strict=True))
    alt = language.t("Barres horizontales empilées par phase, une par service : %(series)s.", series=series)
    return Chart("phases", _title(energies, language), alt, figure, headings, cells, language)


def _title(energies: Mapping[str, Mapping[str, float]], language: Language) -> str:
    """Name the phase that takes most of each service's energy."""
    said = []
    for name, phases in energies.items():
        total = sum(phases.values())
        if total:
            largest = max(phases, key=lambda phase: phases[phase])
            share = language.share(phases[largest] / total)
            said.append(f"{name} : {language.of(wording.PHASES, largest)} {share}")
    return language.t("Première phase de chaque service : %(phases)s", phases=language.t(" ; ").join(said))
