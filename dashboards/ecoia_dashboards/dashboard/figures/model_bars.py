"""Draw hosted models: the estimated CO2e of each."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from ecoia.readable.scales import scale_of
from ecoia.report import Quantity
from ecoia_dashboards.figures.chart import Chart, category_axis, errors, highest, value_axis, wrapped
from ecoia_dashboards.figures.roles import bar_style, point_style
from ecoia_dashboards.language import Language


def model_bars(models: Sequence[tuple[str, Quantity]], language: Language) -> Chart | None:
    """Draw the CO2e of some models, estimated all of it; None where none emitted any.

    Args:
        models: Name and CO2e of each model.
        language: Language of the texts.
    """
    known = sorted(((name, co2e) for name, co2e in models if co2e.value), key=lambda each: -(each[1].value or 0.0))
    if not known:
        return None
    quantities = [co2e for _, co2e in known]
    values = [co2e.value or 0.0 for co2e in quantities]
    scale = scale_of(values, "kgCO2e")
    order = [f"model-{place}" for place in range(len(known))]
    figure = go.Figure(layout={"barmode": "stack"})
    lengths = [value / scale.size for value in values]
    figure.add_bar(orientation="h", y=order, x=lengths, name=language.t("estimé"), **bar_style("estimated"))
    figure.add_scatter(
        mode="markers",
        y=order,
        x=lengths,
        error_x=errors(quantities, scale.size),
        name=language.t("intervalle à 95 %%"),
        **point_style("interval", "line-ns"),
    )
    column = language.column(quantities)
    texts = [column.amount(each) for each in quantities]
    ends = [max(each.high or 0.0, each.value or 0.0) / scale.size for each in quantities]
    figure.add_scatter(mode="text", y=order, x=ends, text=texts, textposition="middle right", showlegend=False)
    value_axis(figure, "x", highest(quantities) / scale.size, language.unit(scale.unit), language, room=1.25)
    category_axis(figure, "y", order, [wrapped(name) for name, _ in known])
    series = language.listed(f"{name} {text}" for (name, _), text in zip(known, texts, strict=True))
    alt = language.t("Barres horizontales hachurées, une par modèle : %(series)s.", series=series)
    title = language.t("%(model)s : %(amount)s, le plus émetteur des modèles estimés", model=known[0][0], amount=texts[0])
    if len(known) == 1:
        title = language.t("%(model)s : %(amount)s", model=known[0][0], amount=texts[0])
    elif values[0] == values[1]:
        title = language.t("Les modèles estimés les plus émetteurs : %(amount)s chacun", amount=texts[0])
    return Chart("models", title, alt, figure, (language.t("Modèle"), language.t("CO₂e")), tuple(known), language)
