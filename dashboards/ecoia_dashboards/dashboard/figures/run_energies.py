"""Draw runs: the energy of some side by side, and the power of one over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from ecoia.periods import HALF_HOUR_NS
from ecoia.readable.scales import scale_of
from ecoia.report import Quantity
from ecoia_dashboards.figures.chart import Cell, Chart, category_axis, errors, highest, value_axis
from ecoia_dashboards.figures.roles import bar_style, line_style, point_style
from ecoia_dashboards.language import Language

_HOUR_NS = 2 * HALF_HOUR_NS


def run_energies(energies: Mapping[str, Quantity], language: Language) -> Chart | None:
    """Draw the energy of some runs; None where none has any.

    Args:
        energies: The energy of each run, by its name.
        language: Language of the texts.
    """
    values = [each.value or 0.0 for each in energies.values()]
    if not any(values):
        return None
    scale = scale_of(values, "kWh")
    order = [f"run-{place}" for place in range(len(energies))]
    figure = go.Figure(layout={"barmode": "stack"})
    figure.add_bar(orientation="h", y=order, x=[value / scale.size for value in values], showlegend=False, **bar_style("series"))
    bounded = [(place, each) for place, each in zip(order, energies.values(), strict=True) if each.low is not None]
    if bounded:
        figure.add_scatter(
            mode="markers",
            y=[place for place, _ in bounded],
            x=[(each.value or 0.0) / scale.size for _, each in bounded],
            error_x=errors([each for _, each in bounded], scale.size),
            name=language.t("intervalle à 95 %%"),
            **point_style("interval", "line-ns"),
        )
    column = language.column(energies.values())
    texts = [column.amount(each) if each.value is not None else "" for each in energies.values()]
    ends = [(each.high or each.value or 0.0) / scale.size for each in energies.values()]
    figure.add_scatter(mode="text", y=order, x=ends, text=texts, textposition="middle right", showlegend=False)
    value_axis(figure, "x", highest(energies.values()) / scale.size, language.unit(scale.unit), language, room=1.25)
    category_axis(figure, "y", order, list(energies))
    series = language.listed(f"{name} {text}" for name, text in zip(energies, texts, strict=True))
    alt = language.t("Barres horizontales, une par run : %(series)s.", series=series)
    cells = tuple((name, each) for name, each in energies.items())
    least, most = (
        language.amount(end([each for each in energies.values() if each.value is not None], key=_value)) for end in (min, max)
    )
    title = language.t("De %(least)s à %(most)s selon le run", least=least, most=most)
    if least == most:
        title = language.t("%(least)s pour chaque run", least=least)
    return Chart("energies", title, alt, figure, (language.t("Run"), language.t("Énergie")), cells, language)


def power(half_hours: Sequence[tuple[int, int]], language: Language) -> Chart | None:
    """Draw the mean power of a run in each half-hour in which it has a row; None where it has no energy.

    Args:
        half_hours: UTC start in nanoseconds, and exact energy in microjoules, in order of time.
        language: Language of the texts.
    """
    if not any(energy for _, energy in half_hours):
        return None
    start = half_hours[0][0]
    watts = {(at - start) / _HOUR_NS: energy / 1e6 / (HALF_HOUR_NS / 1e9) for at, energy in half_hours}
    greatest = max(watts.values())
    size, unit = (1000.0, "kW") if greatest >= 1000 else (1.0, "W")
    across: list[float] = []
    down: list[float | None] = []
    for hour, mean in watts.items():
        if across and across[-1] < hour:
            across.append(across[-1])
            down.append(None)  # no row in between: a gap, not zero
        across += [hour, hour + 0.5]
        down += [mean / size] * 2
    figure = go.Figure(layout={"height": 220})
    figure.add_scatter(mode="lines", x=across, y=down, showlegend=False, **line_style("series"))
    value_axis(figure, "x", max(across), language.t("heures depuis le début"), language, room=1.0)
    value_axis(figure, "y", greatest / size, unit, language, room=1.1)
    most = max(watts, key=lambda hour: watts[hour])
    highest_power = language.with_unit(language.number(greatest / size), unit)
    title = language.t(
        "Puissance moyenne d’une demi-heure : jusqu’à %(power)s, à %(hour)s h du début",
        power=highest_power,
        hour=language.plain(most),
    )
    if min(watts.values()) > 0.95 * greatest:
        title = language.t("Puissance moyenne presque constante : %(power)s", power=highest_power)
    alt = language.t("Courbe en escalier de la puissance moyenne de chaque demi-heure ; sans relevé, la ligne s’interrompt.")
    cells: tuple[tuple[Cell, ...], ...] = tuple((language.plain(hour), Quantity(mean, "W")) for hour, mean in watts.items())
    return Chart("power", title, alt, figure, (language.t("Heures depuis le début"), language.t("Puissance")), cells, language)


def _value(quantity: Quantity) -> float:
    return quantity.value or 0.0
