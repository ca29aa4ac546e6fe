"""The report's figures, each defined once in Plotly: what it found, what it shows in words, and its data as a table."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from ecoia.impact.embodied import MICROGRAMS_PER_KG
from ecoia.report import Frontier, PhaseResult, Quantity, QuarterlyReport, TrendPoint
from ecoia.semconv import DECLARED, ESTIMATED, MEASURED, MISSING, NOT_LACKING
from ecoia_dashboards import wording
from ecoia_dashboards.language import Language

# Colours that stay apart for colour-blind readers and in grey, each at 4.5:1 or more on white; a pattern goes with each.
PHASE_STYLES = {
    "training": ("#1f4e79", ""),
    "inference": ("#b8500c", "/"),
    "fine-tuning": ("#6f3b96", "\\"),
    "evaluation": ("#00706a", "x"),
    "data-preparation": ("#5d6614", "|"),
    "unspecified": ("#3d3d3d", "+"),
    "idle": ("#6b7280", "-"),
}
STATUS_STYLES = {MEASURED: ("#1f4e79", ""), ESTIMATED: ("#b8500c", "/"), DECLARED: ("#5d6614", "|")}
_TREND_COLOR = "#1f4e79"
CHANGE_STYLES = {"whole": ("#1f4e79", ""), "more": ("#b8500c", "/"), "less": ("#00706a", "\\")}
_INTERVAL_COLOR = "#14181d"
_CONSTANT_COLOR = "#00706a"
MOST_BARS = 12
"""How many services have a bar of their own."""
_OTHERS = ""  # the bar of the others, in the figures
MOST_FRONTS = 3
"""How many comparisons of runs are drawn."""
_NAME_WIDTH, _PHASE_WIDTH = 20, 30  # characters


@dataclass(frozen=True)
class Chart:
    """A figure with what stands beside it.

    ``title`` says the finding, ``alt`` the shape of the data; ``columns`` and ``rows`` are the data, as text; the first
    column names the row.
    """

    id: str
    title: str
    alt: str
    figure: go.Figure
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def charts(report: QuarterlyReport, language: Language) -> dict[str, Chart]:
    """Every figure that the report's data allows, by id.

    ``services``, ``statuses``, ``trend``, ``change``, ``constant``, and ``front-0``, ``front-1``... of runs that can be compared.
    """
    built = (
        services(report, language),
        statuses(report, language),
        trend(report, language),
        change(report, language),
        constant(report, language),
        *fronts(report, language),
    )
    return {chart.id: chart for chart in built if chart is not None}


def service_names(report: QuarterlyReport) -> dict[str, str]:
    """Service id to the name that readers know; two of one name keep their ids."""
    names = {entry.id: entry.name for entry in report.register}
    return {key: name if list(names.values()).count(name) == 1 else f"{name} ({key})" for key, name in names.items()}


def services(report: QuarterlyReport, language: Language) -> Chart | None:
    """Energy of each service, stacked by phase; None where no service has energy."""
    cells: dict[str, dict[str, float]] = {}
    simulated = set()
    for result in report.results:
        if result.measure.energy.value is not None:
            row = cells.setdefault(result.service, {})
            row[result.phase] = row.get(result.phase, 0.0) + result.measure.energy.value
            if result.simulated:
                simulated.add(result.service)
    for entry in report.register:
        if entry.idle_microjoules and entry.energy.value is not None and entry.energy_components_microjoules:
            idle = entry.energy.value * entry.idle_microjoules / entry.energy_components_microjoules
            cells.setdefault(entry.id, {})["idle"] = idle
    totals = {service: sum(row.values()) for service, row in cells.items()}
    everything = sum(totals.values())
    if not everything:
        return None
    order = sorted(totals, key=lambda service: (-totals[service], service))
    phases = _ordered({phase for row in cells.values() for phase in row}, PHASE_STYLES)
    names = {service: service_names(report).get(service, service) for service in order}
    labels = {service: _label(names[service], language, simulated=service in simulated) for service in order}
    unit, size = language.unit_of(totals.values(), "kWh")
    drawn, others = _most(order)
    parts = {bar: [bar] if bar else others for bar in drawn}
    lengths = {bar: sum(totals[service] for service in held) for bar, held in parts.items()}
    labels[_OTHERS] = _wrapped(_others(others, language))

    figure = go.Figure(layout={"barmode": "stack"})
    for phase in phases:
        figure.add_bar(
            orientation="h",
            y=drawn,
            x=[sum(cells[service].get(phase, 0.0) for service in parts[bar]) / size for bar in drawn],
            name=textwrap.shorten(language.of(wording.PHASES, phase), _PHASE_WIDTH, placeholder="…"),
            marker=_marker(PHASE_STYLES, phase),
        )
    figure.add_scatter(
        mode="text",
        y=drawn,
        x=[lengths[bar] / size for bar in drawn],
        text=[language.amount(Quantity(lengths[bar], "kWh")) for bar in drawn],
        textposition="middle right",
        showlegend=False,
    )
    _value_axis(figure, "x", max(lengths.values()) / size, unit, language, room=1.25)
    _category_axis(figure, "y", drawn, [labels[bar] for bar in drawn])

    first, amount = order[0], Quantity(totals[order[0]], "kWh")
    title = language.t(
        "%(service)s : %(share)s de l’énergie des services",
        service=names[first],
        share=language.share(totals[first] / everything),
    )
    alt = language.t(
        "Barres horizontales empilées par phase, %(count)s services du plus grand au plus petit : de %(first)s, %(most)s, "
        "à %(last)s, %(least)s.",
        count=language.whole(len(order)),
        first=names[first],
        most=language.amount(amount),
        last=names[order[-1]],
        least=language.amount(Quantity(totals[order[-1]], "kWh")),
    )
    if len(order) == 1:
        alt = language.t(
            "Barre horizontale empilée par phase, un seul service : %(first)s, %(most)s.",
            first=names[first],
            most=language.amount(amount),
        )
    alt += _beside(others, language)
    columns = (language.t("Service"), *(language.of(wording.PHASES, phase) for phase in phases), language.t("Total"))
    rows = tuple(
        (
            names[service] + (f" ({language.t('simulé')})" if service in simulated else ""),
            *(_cell(cells[service].get(phase), language) for phase in phases),
            language.amount(Quantity(totals[service], "kWh")),
        )
        for service in order
    )
    return Chart("services", title, alt, figure, columns, rows)


def statuses(report: QuarterlyReport, language: Language) -> Chart | None:
    """How much of the energy is measured, estimated or declared, in all and by service; None without energy."""
    whole = {status: share for status, share in report.energy_by_status.items() if share > 0}
    if not whole:
        return None
    names = service_names(report)
    everything = language.t("Ensemble")
    cells: dict[str, Mapping[str, float]] = {everything: whole}
    missing: dict[str, str] = {everything: ""}
    weights: dict[str, int] = {}
    for service in dict.fromkeys(result.service for result in report.results):
        results = [result for result in report.results if result.service == service]
        shares = _shares(results)
        if shares:
            label = names.get(service, service)
            # A service may be named like the whole; categories must differ.
            label = label if label not in cells else f"{label} ({service})"
            cells[label], missing[label] = shares, _missing(results, language)
            weights[label] = sum(result.measure.energy_components_microjoules for result in results)
    missing[everything] = _missing(report.results, language)
    order = list(cells)
    known = [status for status in STATUS_STYLES if any(status in row for row in cells.values())]
    greatest, others = _most(sorted(weights, key=lambda name: -weights[name]))
    drawn = [name for name in order if name == everything or name in greatest]

    figure = go.Figure(layout={"barmode": "stack"})
    for status in known:
        figure.add_bar(
            orientation="h",
            y=drawn,
            x=[100 * cells[name].get(status, 0.0) for name in drawn],
            name=language.of(wording.STATUSES, status),
            marker=_marker(STATUS_STYLES, status),
        )
    ticks = (0, 25, 50, 75, 100)
    figure.update_xaxes(range=[0, 100.5], tickvals=ticks, ticktext=[language.share(tick / 100) for tick in ticks])
    _category_axis(figure, "y", drawn, [_wrapped(name) for name in drawn])

    ranked = sorted(whole, key=lambda status: -whole[status])
    parts = [
        language.t("%(share)s %(status)s", share=language.share(whole[status]), status=language.of(wording.STATUSES, status))
        for status in ranked
    ]
    title = language.t("Origine de l’énergie : %(parts)s", parts=language.listed(parts))
    alt = language.t(
        "Barres horizontales à 100 %%, une pour l’ensemble et une par service. Ensemble : %(parts)s.",
        parts=language.listed(parts),
    )
    alt += _beside(others, language)
    columns = (
        language.t("Service"),
        *(language.of(wording.STATUSES, status) for status in known),
        language.of(wording.STATUSES, MISSING),
    )
    rows = tuple(
        (
            name,
            *(language.share(cells[name].get(status, 0.0)) for status in known),
            missing[name] or language.t("rien"),
        )
        for name in order
    )
    return Chart("statuses", title, alt, figure, columns, rows)


def trend(report: QuarterlyReport, language: Language) -> Chart | None:
    """Energy by quarter with its interval, simulated quarters hatched; None where no quarter has energy."""
    values = [point.energy.value for point in report.trend if point.energy.value is not None]
    if not values:
        return None
    unit, size = language.unit_of(values, "kWh")
    order = [point.quarter for point in report.trend]
    figure = go.Figure(layout={"barmode": "stack"})
    for simulated, name in ((False, language.t("enregistré")), (True, language.t("simulé"))):
        points = [point for point in report.trend if point.simulated is simulated]
        if points:
            figure.add_bar(
                x=[point.quarter for point in points],
                y=[(point.energy.value or 0.0) / size for point in points],
                name=name,
                marker={
                    "color": _TREND_COLOR,
                    "pattern": {"shape": "/" if simulated else "", "fillmode": "replace" if simulated else "overlay"},
                },
            )
    bounded = [point for point in report.trend if _bounds(point) is not None]
    if bounded:
        figure.add_scatter(
            mode="markers",
            x=[point.quarter for point in bounded],
            y=[(point.energy.value or 0.0) / size for point in bounded],
            error_y={
                "array": [(_bounds(point) or (0, 0))[1] / size for point in bounded],
                "arrayminus": [(_bounds(point) or (0, 0))[0] / size for point in bounded],
            },
            marker={"color": _INTERVAL_COLOR, "symbol": "diamond"},
            name=language.t("intervalle à 95 %%"),
        )
    tallest = max(max(values), max((point.energy.high or 0.0 for point in bounded), default=0.0))
    _value_axis(figure, "y", tallest / size, unit, language, room=1.05)
    labels = [
        language.quarter(point.quarter).replace("\N{NO-BREAK SPACE}", "<br>")
        + ("<br>" + language.t("simulé") if point.simulated else "")
        + ("<br>—" if point.energy.value is None else "")
        for point in report.trend
    ]
    figure.update_xaxes(tickvals=order, ticktext=labels)
    figure.update_layout(height=250)

    columns = (language.t("Trimestre"), language.t("Énergie"), language.t("Intervalle à 95 %%"), "CO₂e", language.t("Nature"))
    rows = tuple(
        (
            language.quarter(point.quarter),
            language.amount(point.energy) if point.energy.value is not None else language.of(wording.REASONS, _why(point.energy)),
            language.interval(point.energy) or "—",
            language.amount(point.co2e) if point.co2e.value is not None else language.of(wording.REASONS, _why(point.co2e)),
            language.t("simulé") if point.simulated else language.t("enregistré"),
        )
        for point in report.trend
    )
    series = language.listed(
        f"{row[0]} {row[1]}" + (f" ({row[4]})" if point.simulated else "") for row, point in _pairs(rows, report)
    )
    alt = language.t(
        "Barres verticales, une par trimestre, avec leur intervalle : %(series)s. %(trend)s",
        series=series,
        trend=_direction([(point.quarter, point.energy) for point in report.trend], language),
    )
    return Chart("trend", _trend_title(report, language), alt, figure, columns, rows)


def change(report: QuarterlyReport, language: Language) -> Chart | None:
    """From the CO2e of a reference to that of the quarter, term by term; of the same quarter a year before where it is known."""
    known = [each for each in report.changes if each.total is not None and each.total.explained.terms]
    if not known:
        return None
    found = min(known, key=lambda each: each.against != "year-before")
    whole = found.total.explained if found.total else None
    if whole is None:
        return None
    # What adds comes first, so that no bar begins below nothing.
    terms = sorted(whole.terms.items(), key=lambda term: (term[1] < 0, -abs(term[1])))
    ends = (found.reference, report.quarter)
    order = [ends[0], *(name for name, _ in terms), ends[1]]
    spans = {ends[0]: (0, whole.reference_micrograms), ends[1]: (0, whole.quarter_micrograms)}
    running = whole.reference_micrograms
    for name, micrograms in terms:
        spans[name] = (min(running, running + micrograms), abs(micrograms))
        running += micrograms
    kilograms = {name: (start / MICROGRAMS_PER_KG, length / MICROGRAMS_PER_KG) for name, (start, length) in spans.items()}
    largest = max(start + length for start, length in kilograms.values())
    unit, size = language.unit_of([largest], "kgCO2e")

    figure = go.Figure(layout={"barmode": "stack"})
    kinds = {"whole": list(ends), "more": [n for n, part in terms if part > 0], "less": [n for n, part in terms if part < 0]}
    labels = {"whole": language.t("total"), "more": language.t("en plus"), "less": language.t("en moins")}
    for kind, names in kinds.items():
        if names:
            figure.add_bar(
                orientation="h",
                y=names,
                x=[kilograms[name][1] / size for name in names],
                base=[kilograms[name][0] / size for name in names],
                name=labels[kind],
                marker=_marker(CHANGE_STYLES, kind),
            )
    signed = dict(terms)
    texts = {name: _mass(signed[name], language) for name in signed}
    texts |= {end: language.amount(Quantity(kilograms[end][1], "kgCO2e")) for end in ends}
    figure.add_scatter(
        mode="text",
        y=order,
        x=[sum(kilograms[name]) / size for name in order],
        text=[texts[name] for name in order],
        textposition="middle right",
        showlegend=False,
    )
    _value_axis(figure, "x", largest / size, unit, language, room=1.25)
    said = {name: language.of(wording.TERMS, name) for name in signed}
    said |= {ends[0]: language.quarter(ends[0]), ends[1]: language.quarter(ends[1])}
    _category_axis(figure, "y", order, [_wrapped(said[name]) for name in order])

    amounts = {"before": said[ends[0]], "now": said[ends[1]], "change": _mass(whole.micrograms, language)}
    greatest = max(terms, key=lambda term: abs(term[1]))[0]
    title = language.t("De %(before)s à %(now)s : %(change)s ; premier motif : %(term)s", **amounts, term=said[greatest])
    if found.simulated:
        title += f" ({language.t('simulé')})"
    alt = language.t(
        "Barres horizontales en cascade, de %(before)s à %(now)s : %(series)s.",
        series=language.listed(f"{said[name]} {texts[name]}" for name in order),
        before=amounts["before"],
        now=amounts["now"],
    )
    columns = (language.t("Motif"), "CO₂e")
    return Chart("change", title, alt, figure, columns, tuple((said[name], texts[name]) for name in order))


def constant(report: QuarterlyReport, language: Language) -> Chart | None:
    """CO2e of use by quarter at the grid factors of the reference year, beside that at each quarter's own; None without any."""
    values = [point.co2e_at_constant_factor.value for point in report.trend]
    known = [value for value in values if value is not None]
    if not any(known):
        return None
    current = [(point.quarter, point.co2e.value) for point in report.trend if point.co2e.value is not None]
    unit, size = language.unit_of([*known, *(value for _, value in current)], "kgCO2e")
    order = [point.quarter for point in report.trend]
    figure = go.Figure(layout={"barmode": "stack", "height": 250})
    for simulated, name in ((False, language.t("facteur constant")), (True, language.t("facteur constant, simulé"))):
        points = [point for point in report.trend if point.simulated is simulated]
        if points:
            figure.add_bar(
                x=[point.quarter for point in points],
                y=[(point.co2e_at_constant_factor.value or 0.0) / size for point in points],
                name=name,
                marker={
                    "color": _CONSTANT_COLOR,
                    "pattern": {"shape": "/" if simulated else "", "fillmode": "replace" if simulated else "overlay"},
                },
            )
    if current:
        figure.add_scatter(
            mode="markers",
            x=[quarter for quarter, _ in current],
            y=[value / size for _, value in current],
            marker={"color": _INTERVAL_COLOR, "symbol": "diamond"},
            name=language.t("facteur courant"),
        )
    _value_axis(figure, "y", max(*known, *(value for _, value in current), 0.0) / size, unit, language, room=1.05)
    figure.update_xaxes(tickvals=order, ticktext=[language.quarter(each).replace("\N{NO-BREAK SPACE}", "<br>") for each in order])
    columns = (
        language.t("Trimestre"),
        language.t("CO₂e d’usage à facteur constant"),
        language.t("Intervalle à 95 %%"),
        language.t("CO₂e d’usage au facteur courant"),
        language.t("Nature"),
    )
    rows = tuple(
        (
            language.quarter(point.quarter),
            _said(point.co2e_at_constant_factor, language),
            language.interval(point.co2e_at_constant_factor) or "—",
            _said(point.co2e, language),
            language.t("simulé") if point.simulated else language.t("enregistré"),
        )
        for point in report.trend
    )
    now = next((point for point in report.trend if point.quarter == report.quarter), None)
    title = language.t("À facteur constant, %(quarter)s n’est pas connu", quarter=language.quarter(report.quarter))
    if now is not None and now.co2e_at_constant_factor.value is not None:
        title = language.t(
            "%(quarter)s : %(constant)s à facteur constant, %(current)s au facteur courant",
            quarter=language.quarter(report.quarter),
            constant=language.amount(now.co2e_at_constant_factor),
            current=_said(now.co2e, language),
        )
    alt = language.t(
        "Barres verticales, une par trimestre, à facteur constant, avec un repère au facteur courant : %(series)s. %(trend)s",
        series=language.listed(f"{row[0]} {row[1]}" for row in rows),
        trend=_direction([(point.quarter, point.co2e_at_constant_factor) for point in report.trend], language),
    )
    return Chart("constant", title, alt, figure, columns, rows)


def fronts(report: QuarterlyReport, language: Language) -> list[Chart]:
    """Quality of runs against their energy, those that no other one equals for less apart; the costliest comparisons first."""
    comparable = [each for each in report.frontiers if len(each.runs) > 1]
    comparable.sort(key=lambda each: -sum(run.energy.value or 0.0 for run in each.runs))
    built = [_front(f"front-{place}", each, report, language) for place, each in enumerate(comparable[:MOST_FRONTS])]
    return [chart for chart in built if chart is not None]


def _front(id_: str, frontier: Frontier, report: QuarterlyReport, language: Language) -> Chart | None:
    runs = [run for run in frontier.runs if run.energy.value is not None]
    energies = {run.run_id: run.energy.value or 0.0 for run in runs}
    if not runs or not any(energies.values()):
        return None
    unit, size = language.unit_of(energies.values(), "kWh")
    best = [run for run in runs if run.run_id in frontier.front]
    rest = [run for run in runs if run.run_id not in frontier.front]
    figure = go.Figure(layout={"height": 260})
    kinds = (
        (best, language.t("sur le front"), _TREND_COLOR, "diamond"),
        (rest, language.t("égalé pour moins d’énergie"), CHANGE_STYLES["more"][0], "circle-open"),
    )
    for found, name, color, symbol in kinds:
        if found:
            figure.add_scatter(
                mode="markers",
                x=[energies[run.run_id] / size for run in found],
                y=[run.quality[frontier.metric] for run in found],
                name=name,
                marker={"color": color, "symbol": symbol},
            )
    _value_axis(figure, "x", max(energies.values()) / size, unit, language, room=1.08)
    _close_axis(figure, [run.quality[frontier.metric] for run in runs], frontier.metric, language)
    names = {
        "service": service_names(report).get(frontier.service, frontier.service),
        "phase": language.of(wording.PHASES, frontier.phase),
    }
    if rest:
        title = language.t(
            "%(service)s, %(phase)s : %(count)s runs sur %(all)s égalés par un autre pour moins d’énergie",
            count=language.whole(len(rest)),
            all=language.whole(len(runs)),
            **names,
        )
    else:
        title = language.t("%(service)s, %(phase)s : aucun run n’est égalé par un autre pour moins d’énergie", **names)
    ends = (best[0], best[-1]) if best else (runs[0], runs[-1])
    alt = language.t(
        "Nuage de points, un par run : énergie en abscisse, %(metric)s en ordonnée (%(better)s). Sur le front, %(metric)s va de "
        "%(low)s pour %(least)s à %(high)s pour %(most)s.",
        metric=frontier.metric,
        better=language.t("le plus haut est le meilleur")
        if frontier.better == "higher"
        else language.t("le plus bas est le meilleur"),
        low=language.number(ends[0].quality[frontier.metric]),
        least=language.amount(ends[0].energy),
        high=language.number(ends[1].quality[frontier.metric]),
        most=language.amount(ends[1].energy),
    )
    columns = (language.t("Run"), language.t("Énergie"), language.t("Intervalle à 95 %%"), frontier.metric, language.t("Front"))
    rows = tuple(
        (
            run.run_id,
            language.amount(run.energy),
            language.interval(run.energy) or "—",
            language.number(run.quality[frontier.metric]),
            language.t("oui") if run.run_id in frontier.front else language.t("non"),
        )
        for run in runs
    )
    return Chart(id_, title, alt, figure, columns, rows)


def _most(order: Sequence[str]) -> tuple[list[str], list[str]]:
    """What is drawn of a long list, with a place for the others; and these."""
    if len(order) <= MOST_BARS + 1:
        return list(order), []
    return [*order[:MOST_BARS], _OTHERS], list(order[MOST_BARS:])


def _others(others: Sequence[str], language: Language) -> str:
    return language.n("%(count)s autre service", "%(count)s autres services", len(others))


def _beside(others: Sequence[str], language: Language) -> str:
    """What a text says of services that have no bar of their own."""
    if not others:
        return ""
    return " " + language.t("%(others)s : dans le tableau, sans barre à leur nom.", others=_others(others, language))


def _said(quantity: Quantity, language: Language) -> str:
    """A value, or why there is none."""
    return language.amount(quantity) if quantity.value is not None else language.of(wording.REASONS, _why(quantity))


def _direction(series: Sequence[tuple[str, Quantity]], language: Language) -> str:
    """Where a series goes, from the first quarter that is known to the last, and no more than the intervals can say."""
    known = [(quarter, quantity) for quarter, quantity in series if quantity.value]
    if len(known) < 2:
        return language.t("Un seul trimestre connu : aucune tendance.") if known else language.t("Aucun trimestre connu.")
    (start, before), (end, now) = known[0], known[-1]
    values: dict[str, str] = {"start": language.quarter(start), "end": language.quarter(end)}
    if _overlap(now, before):
        return language.t("De %(start)s à %(end)s, écart dans la marge d’incertitude.", **values)
    ratio = (now.value or math.nan) / (before.value or math.nan) - 1
    values["share"] = language.share(abs(ratio))
    if ratio < 0:
        return language.t("De %(start)s à %(end)s, %(share)s de moins.", **values)
    return language.t("De %(start)s à %(end)s, %(share)s de plus.", **values)


def _mass(micrograms: int, language: Language) -> str:
    return language.change(Quantity(micrograms / MICROGRAMS_PER_KG, "kgCO2e"))


def _pairs(rows: Sequence[tuple[str, ...]], report: QuarterlyReport) -> Iterable[tuple[tuple[str, ...], TrendPoint]]:
    return zip(rows, report.trend, strict=True)


def _trend_title(report: QuarterlyReport, language: Language) -> str:
    """The change against the quarter before, and no more than the data can say."""
    points = {point.quarter: point for point in report.trend}
    now = points.get(report.quarter)
    earlier = [point for point in report.trend if point.quarter < report.quarter and point.energy.value]
    quarter = language.quarter(report.quarter)
    if now is None or now.energy.value is None:
        return language.t("%(quarter)s : aucune énergie connue, la tendance s’arrête avant", quarter=quarter)
    amount = language.amount(now.energy)
    if "partial-quarter" in report.notices:
        return language.t("%(quarter)s, inachevé : %(amount)s à ce jour", quarter=quarter, amount=amount)
    if not earlier:
        return language.t("%(quarter)s : %(amount)s, premier trimestre connu", quarter=quarter, amount=amount)
    before = earlier[-1]
    ratio = now.energy.value / (before.energy.value or math.nan) - 1
    values = {
        "quarter": quarter,
        "before": language.quarter(before.quarter) + (f" ({language.t('simulé')})" if before.simulated else ""),
        "share": language.share(abs(ratio)),
        "amount": amount,
    }
    if _overlap(now.energy, before.energy):
        return language.t("%(quarter)s : %(amount)s ; écart avec %(before)s dans la marge d’incertitude", **values)
    if ratio < 0:
        return language.t("%(quarter)s : %(share)s de moins qu’en %(before)s", **values)
    return language.t("%(quarter)s : %(share)s de plus qu’en %(before)s", **values)


def _overlap(one: Quantity, other: Quantity) -> bool:
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return False
    return one.low <= other.high and other.low <= one.high


def _why(quantity: Quantity) -> str:
    return quantity.reason or "no-data"


def _bounds(point: TrendPoint) -> tuple[float, float] | None:
    """How far the interval goes below and above the value."""
    value, low, high = point.energy.value, point.energy.low, point.energy.high
    return None if value is None or low is None or high is None else (max(0.0, value - low), max(0.0, high - value))


def _shares(results: Sequence[PhaseResult]) -> dict[str, float]:
    sums: dict[str, int] = {}
    for result in results:
        for method in result.measure.methods:
            if method.microjoules:
                sums[method.status] = sums.get(method.status, 0) + method.microjoules
    whole = sum(sums.values())
    return {status: energy / whole for status, energy in sums.items()}


def _missing(results: Sequence[PhaseResult], language: Language) -> str:
    """The components that somewhere have neither meter nor model; a device that is not there is not missing."""
    components = {
        method.component
        for result in results
        for method in result.measure.methods
        if method.status == MISSING and method.name not in NOT_LACKING
    }
    return language.listed(language.of(wording.COMPONENTS, name) for name in _ordered(components, wording.COMPONENTS))


def _ordered(found: Iterable[str], known: Mapping[str, object]) -> list[str]:
    """What was found, in the known order; the unknown last."""
    rank = {name: place for place, name in enumerate(known)}
    return sorted(found, key=lambda name: (rank.get(name, len(rank)), name))


def _marker(styles: Mapping[str, tuple[str, str]], key: str) -> dict[str, object]:
    color, shape = styles.get(key, ("#3d3d3d", "+"))
    return {"color": color, "pattern": {"shape": shape}}


def _cell(value: float | None, language: Language) -> str:
    return "—" if value is None else language.amount(Quantity(value, "kWh"))


def _wrapped(name: str) -> str:
    lines = textwrap.wrap(name, _NAME_WIDTH, max_lines=3, placeholder="…") or [name]
    return "<br>".join(lines)


def _label(name: str, language: Language, *, simulated: bool) -> str:
    return _wrapped(name) + (f"<br>({language.t('simulé')})" if simulated else "")


def _value_axis(figure: go.Figure, axis: str, largest: float, unit: str, language: Language, *, room: float) -> None:
    """Round ticks written in the language, so that the interactive and the static figure say the same."""
    step = 10.0 ** math.floor(math.log10(largest))
    for factor in (0.2, 0.25, 0.5, 1, 2):
        if largest / (step * factor) <= 5:
            step *= factor
            break
    ticks = [step * index for index in range(int(largest * room / step) + 1)]
    digits = max(0, -math.floor(math.log10(step) + 1e-9) + (1 if f"{step:e}".startswith("2.5") else 0))
    figure.update_layout(
        {
            f"{axis}axis": {
                "range": [0, largest * room],
                "tickvals": ticks,
                "ticktext": [language.fixed(tick, digits) for tick in ticks],
                "title": {"text": unit},
            }
        }
    )


def _close_axis(figure: go.Figure, values: Sequence[float], title: str, language: Language) -> None:
    """An upright axis that holds some values closely, with round ticks: it need not begin at nothing."""
    low, high = min(values), max(values)
    span = (high - low) or abs(high) or 1.0
    step = 10.0 ** math.floor(math.log10(span))
    step = next(step * factor for factor in (0.2, 0.5, 1, 2, 5) if span / (step * factor) <= 5)
    first, last = math.floor(low / step), math.ceil(high / step)
    ticks = [step * place for place in range(first, last + 1)]
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    figure.update_yaxes(
        range=[step * (first - 0.3), step * (last + 0.3)],
        tickvals=ticks,
        ticktext=[language.fixed(tick, digits) for tick in ticks],
        title={"text": textwrap.shorten(title, _PHASE_WIDTH, placeholder="…")},
    )


def _category_axis(figure: go.Figure, axis: str, order: Sequence[str], labels: Sequence[str]) -> None:
    figure.update_layout(
        {f"{axis}axis": {"tickvals": list(order), "ticktext": list(labels), "autorange": "reversed"}},
        height=48 + sum(18 + 15 * (1 + label.count("<br>")) for label in labels),
    )
