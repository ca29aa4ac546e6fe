"""Factors and method: everything that figures rest on is listed with its source, and hypotheses stand around the figure."""

from __future__ import annotations

import dataclasses
import html
import re
from pathlib import Path
from typing import Any

import pytest

from ecoia.exploring import Explorer
from ecoia.report import QuarterlyReport
from ecoia_dashboards.dashboard.address import Address
from ecoia_dashboards.dashboard.app import create_app
from ecoia_dashboards.dashboard.drawings import draw
from ecoia_dashboards.dashboard.figures.sensitivity import difference, known, sensitivity
from ecoia_dashboards.dashboard.page import Reading
from ecoia_dashboards.dashboard.pages import method
from ecoia_dashboards.language import Language
from support.changed_reports import ChangedReports
from support.dashboard import ask
from support.reports import full_report, poisoned

QUARTER = "2026Q3"


def text_of(answer: str) -> str:
    """Return the words of a page, its spaces plain."""
    return re.sub(r"\s+", " ", html.unescape(re.sub("<[^>]+>", " ", answer)))


def shown(explorer: Any, allowed: frozenset[str] | None = None, lang: str = "fr") -> tuple[method.Method, Any]:
    """Read and show the page."""
    reading = Reading(explorer, Address.parse({"period": QUARTER, "lang": lang}), allowed)
    content = method.read(reading)
    return content, method.show(content, reading, Language(lang))


def test_every_factor_site_and_machine_is_listed_with_its_source(explorer: Explorer) -> None:
    content, page = shown(explorer)
    report = explorer.report(QUARTER)
    tables = page.tables
    assert [line[0] for line in tables["factors"].lines] == ["Allemagne (DEU)", "France (FRA)"]
    assert len(tables["site_figures"].lines) == len(report.site_figures)
    assert len(tables["equipment"].lines) == len(report.equipment)
    assert len(tables["deviations"].lines) == len(report.deviations)
    assert all("Fiche carbone du fabricant" in line[-1] for line in tables["equipment"].lines)
    assert content.factors == report.factors_of_quarter


def test_the_making_in_the_title_is_the_sum_of_its_lines(explorer: Explorer) -> None:
    _, page = shown(explorer)
    whole = sum(line[5].value for line in page.tables["equipment"].lines)
    assert whole == pytest.approx(explorer.report(QUARTER).footprint.co2e_embodied.value)
    assert "1,01\u00a0tCO₂e" in page.tables["equipment"].title


def test_the_hypothesis_that_weighs_most_is_in_the_lead_and_the_title(explorer: Explorer) -> None:
    _, page = shown(explorer)
    report = explorer.report(QUARTER)
    most = max(report.sensitivities, key=lambda each: abs(each.value.value - report.footprint.co2e_operational.value))  # type: ignore[operator]
    assert known(report)[0] == most
    assert "de 0,915\u00a0tCO₂e à 1,24\u00a0tCO₂e" in page.lead
    assert "+\u202f35,5\u00a0%" in page.figures["sensitivity"].chart.title


def test_each_hypothesis_has_a_bar_from_the_figure_to_what_it_would_be(large: QuarterlyReport) -> None:
    chart = sensitivity(large, Language("fr"))
    assert chart is not None
    assert len(chart.cells) == 1 + len(large.sensitivities)
    now = large.footprint.co2e_operational.value
    bars = [trace for trace in chart.figure.data if trace.type == "bar" and trace.base[0]]
    ends = sorted(base + length for trace in bars for base, length in zip(trace.base, trace.x, strict=True))
    assert {round(base, 6) for trace in bars for base in trace.base} == {round(now or 0, 6)}
    assert ends == pytest.approx(sorted(each.value.value or 0 for each in large.sensitivities))
    assert "<svg" in draw(chart.figure, name=chart.title, description=chart.alt)


def test_without_co2e_of_use_there_is_no_hypothesis(large: QuarterlyReport) -> None:
    nothing = dataclasses.replace(large.footprint.co2e_operational, value=None, low=None, high=None, reason="no-zone")
    footprint = type(large.footprint)({**large.footprint, "co2e_operational": nothing})
    report = dataclasses.replace(large, footprint=footprint)
    assert sensitivity(report, Language("fr")) is None
    assert known(report) == []
    assert difference(large.sensitivities[0], report).value is None


def test_a_reader_of_one_service_sees_no_sum_of_the_whole(explorer: Explorer) -> None:
    content, page = shown(explorer, frozenset({"vadore"}))
    assert content.co2e_operational is None
    assert content.sensitivities == ()
    assert page.figures == {}
    assert "915" not in page.lead
    assert all(each.by_service_micrograms == {} for each in content.equipment)


def test_a_width_that_is_not_the_default_is_said_with_its_reason(explorer: Explorer) -> None:
    def widened(report: QuarterlyReport) -> QuarterlyReport:
        return dataclasses.replace(
            report,
            deviations=tuple(dataclasses.replace(each, gsd=1.9) if each.name == "own" else each for each in report.deviations),
            deviations_because="mesures de 2025",
        )

    _, page = shown(ChangedReports(explorer, widened))
    assert page.tables["deviations"].title == "Sources d’erreur\u00a0: 1 dispersion n’est pas celle de la méthode"
    assert "mesures de 2025" in page.tables["deviations"].note


def test_a_report_with_everything_shows_every_table(explorer: Explorer, tmp_path: Path) -> None:
    full = full_report(tmp_path)
    _, page = shown(ChangedReports(explorer, lambda report: full))
    for name, listed in (("calibrations", full.calibrations), ("contracts", full.contracts), ("equipment", full.equipment)):
        assert (name in page.tables) == bool(listed)


@pytest.mark.parametrize("lang", ["fr", "en"])
def test_hostile_declarations_are_inert(explorer: Explorer, lang: str) -> None:
    app = create_app(ChangedReports(explorer, poisoned))  # type: ignore[arg-type]
    answer = ask(app, f"/method?period={QUARTER}&lang={lang}")
    assert answer.status == 200
    assert "<script>alert" not in answer.text
    assert "\u202e" not in answer.text


def test_english_says_it_in_english(app: Any) -> None:
    text = text_of(ask(app, f"/method?period={QUARTER}&lang=en").text)
    assert "Each figure is a recorded energy" in text
    assert "Sources of error: all spreads are the method’s" in text
