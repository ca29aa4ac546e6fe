"""Draw why the CO2e of a service changed, and say it beside the change of everything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ecoia.report import Quantity
from ecoia_dashboards import wording
from ecoia_dashboards.dashboard.page import Figure, Reading
from ecoia_dashboards.dashboard.pages.service.content import Service
from ecoia_dashboards.figures.change import causes
from ecoia_dashboards.language import Language


def causes_figure(content: Service, reading: Reading, language: Language) -> dict[str, Figure]:
    """Draw the change of the CO2e by cause; nothing where it is not explained."""
    line = content.explained
    if line is None or reading.reference is None:
        return {}
    ends = (str(reading.reference), str(reading.period))
    chart = causes(ends, line.explained, line.relative, language, simulated=content.compared_simulated)
    if chart is None:
        return {}
    compared = [f"co2e_{part}" for part in content.compared_parts]
    held = [
        part for part in compared if part in content.whole.headline.parts or part.removeprefix("co2e_") in line.explained.terms
    ]
    perimeter = parts_words(held, language)
    if content.caution is not None:
        why = language.of(wording.REASONS, content.caution)
        title = language.t(
            "CO₂e du %(before)s au %(now)s : %(why)s", before=language.quarter(ends[0]), now=language.quarter(ends[1]), why=why
        )
        chart = replace(chart, title=title)
    subtitle = language.t(
        "CO₂e : %(parts)s, de %(before)s à %(now)s",
        parts=perimeter,
        before=language.quarter(ends[0]),
        now=language.quarter(ends[1]),
    )
    if chart.figure.layout.xaxis.range and chart.figure.layout.xaxis.range[0]:
        subtitle = language.t("%(subtitle)s · axe coupé", subtitle=subtitle)
    return {"change": Figure(chart, subtitle, _with_the_rest(content, line.relative, language))}


def _with_the_rest(content: Service, without: Quantity, language: Language) -> str:
    """Say the change with the parts that the causes leave out beside the one without; empty where they leave out none."""
    known = () if content.change is None else content.change.parts
    left_out = [f"co2e_{part}" for part in known if part not in content.compared_parts]
    if content.change is None or not left_out or content.caution is not None or content.change.co2e.value is None:
        return ""
    changes = (content.change.co2e, without)
    whole, rest = (
        language.direction(each) + (f" ({said})" if (said := language.change_interval(each)) else "") for each in changes
    )
    return language.t(
        "CO₂e avec les %(parts)s : %(whole)s ; sans, comme dans ce graphique : %(rest)s.",
        parts=parts_words(left_out, language),
        whole=whole,
        rest=rest,
    )


def parts_words(parts: Sequence[str], language: Language) -> str:
    """Name the parts that a CO2e is the sum of."""
    return language.listed(language.of(wording.CO2E_PARTS, part) for part in parts)


def changed(change: Quantity, content: Service) -> Quantity:
    """Return a change, or why it must not be read as one."""
    return change if content.caution is None else Quantity(None, change.unit, reason=content.caution)
