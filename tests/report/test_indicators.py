"""The table of indicators: one definition from which the report's figures, its tables, page, targets and workbook follow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ecoia import catalogue, indicators
from ecoia.indicators import INDICATORS, Indicator, held_by, of_targets, parts_first
from ecoia.report import QuarterlyReport, ServiceFootprint
from support.reports import full_report


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> QuarterlyReport:
    return full_report(tmp_path_factory.mktemp("catalogue"))


def test_the_report_holds_the_figures_of_the_table_in_their_unit_and_order(full: QuarterlyReport) -> None:
    footprint, intensity = ([each.id for each in held_by(place)] for place in ("footprint", "intensity"))
    assert list(full.footprint) == footprint
    for service in full.services:
        assert (list(service.footprint), list(service.intensities)) == (footprint, intensity)
        for figures in (service.footprint, service.intensities):
            assert {id_: figure.unit for id_, figure in figures.items()} == {id_: INDICATORS[id_].unit for id_ in figures}


def test_figures_read_by_name_and_say_which_there_are(full: QuarterlyReport) -> None:
    service = full.services[0]
    assert full.footprint.co2e is full.footprint["co2e"]
    assert service.sci is service.intensities["sci"]
    with pytest.raises(AttributeError, match="no figure 'co2' here; there are: energy_it, co2e"):
        full.footprint.co2  # noqa: B018 - the error is the point
    with pytest.raises(AttributeError):
        ServiceFootprint.__new__(ServiceFootprint).sci  # noqa: B018 - a copy that is not filled in yet


def test_a_sum_stands_right_after_its_parts() -> None:
    ordered = [each.id for each in parts_first(held_by("footprint"))]
    assert ordered[:6] == ["energy_it", "co2e_operational", "co2e_embodied", "co2e_api", "co2e", "co2e_constant_factor"]
    assert sorted(ordered) == sorted(each.id for each in held_by("footprint"))


def test_a_sum_is_the_sum_of_its_parts(full: QuarterlyReport) -> None:
    sums = [each for each in INDICATORS.values() if each.sum_of]
    assert sums
    for each in sums:
        for footprint in (full.footprint, *(service.footprint for service in full.services)):
            whole = footprint[each.id].value
            if whole is not None:
                parts = [footprint[part] for part in each.sum_of]
                assert whole == pytest.approx(sum(part.value or 0.0 for part in parts))
                assert all(part.value is not None or part.reason == "no-calls" for part in parts)


def test_what_adds_up_is_a_sum_and_the_rest_has_no_trajectory() -> None:
    assert set(catalogue.INDICATORS) == {each.id for each in of_targets()}
    assert set(catalogue.ADDS_UP) == {each.id for each in of_targets() if each.unit in ("kWh", "kgCO2e", "L")}
    assert {each.id for each in INDICATORS.values() if each.target is None} == set()


@pytest.mark.parametrize(
    ("indicator", "message"),
    [
        (Indicator("co2e", "kgCO2e", "footprint"), "exists already"),
        (Indicator("Heat", "kWh", "footprint"), "lower case"),
        (Indicator("values", "kWh", "footprint"), "lower case"),
        (Indicator("heat", "kWh", "footprint", sum_of=("warmth",)), "warmth, which no indicator is"),
    ],
)
def test_a_wrong_definition_is_refused_with_its_remedy(indicator: Indicator, message: str) -> None:
    before = dict(INDICATORS)
    with pytest.raises(ValueError, match=message):
        indicators.register(indicator)
    assert before == INDICATORS


# Registers what a contributor would add, then looks for it everywhere. A process of its own: registration is for good.
ADDED = """
import sys
from pathlib import Path

from ecoia import indicators, sections

indicators.register(
    indicators.Indicator(
        "heat_reused", "kWh", "footprint", lambda parts: parts.energy_it.scaled(0.25), target="any", boundary="it"
    ),
    indicators.Indicator("waste_share", "1", "footprint", lambda parts: parts.rate(1, 4, "no-outcomes", "no-data"), target="any"),
    indicators.Indicator("heat_per_unit", "gCO2e", "intensity", lambda parts: parts.sci.scaled(0.5), target="service"),
)
pieces = (sections.Piece("evolution/ecarts"),)
sections.register(sections.Section("chaleur", "Chaleur réutilisée", pieces=pieces), before="annexes")

from ecoia_dashboards.wording import indicators as words

words.register("heat_reused", words.IndicatorWords("chaleur réutilisée", "Chaleur réutilisée", "Chaleur"))
words.register("waste_share", words.IndicatorWords("part inventée"))
words.register("heat_per_unit", words.IndicatorWords("chaleur par unité"))

import json
from ecoia_dashboards.fiches import render_fiches
from ecoia_dashboards.pages import render_report
from ecoia_dashboards.tables import tables
from ecoia_dashboards.workbook.sheets import COMMENTS
from ecoia_dashboards.workbook.sheets import TARGETS as TARGETS_SHEET
from support.organisation import CHARTER, SERVICES, TARGETS, write_catalogue
from support.reports import sample_rows
from support.settings import make_settings

folder = Path(sys.argv[1])
targets = TARGETS + '''
  - {id: chaleur, indicator: heat_reused, op: "<=", value: 100, deadline: 2026Q4, status: proposed}
  - {id: chaleur-unite, indicator: heat_per_unit, service: vadore, op: "<=", value: 100, deadline: 2026Q4, status: proposed}
  - id: chaleur-trajectoire
    indicator: heat_reused
    baseline: {quarters: [2026Q4]}
    reduction: 0.3
    horizon: 2030
'''
committees = "comments:\\n  - {quarter: 2026Q4, section: chaleur, text: Le dire ici}\\n"
catalogue = write_catalogue(
    folder, services=SERVICES, charter=CHARTER, targets=targets, committees=committees
)
from ecoia.factors import default_factors
from ecoia.periods import Quarter
from ecoia.report import build_report

settings = make_settings(zone="FRA")
report = build_report(
    sample_rows(), Quarter(2026, 4), settings=settings, catalogue=catalogue, factors=default_factors()
)

# The data.
heat = report.footprint.energy_it.value * 0.25
assert abs(report.footprint.heat_reused.value - heat) < 1e-9 and report.footprint.heat_reused.unit == "kWh"
assert report.footprint.waste_share.value == 0.25
data = json.loads(report.to_json())
assert data["footprint"]["heat_reused"]["value"] == report.footprint.heat_reused.value
assert "heat_per_unit" in data["services"][0] and "intensities" not in data["services"][0]

# Targets: a threshold of all and of one service, and a trajectory.
judged = {target.id: target for target in report.targets}
assert judged["chaleur"].observed == report.footprint.heat_reused
vadore = next(each for each in report.services if each.service == "vadore")
assert judged["chaleur-unite"].observed == vadore.heat_per_unit
assert judged["chaleur-trajectoire"].observed.value == 0 and judged["chaleur-trajectoire"].unit == "kWh"

# The tables.
found = {table.id: table for table in tables(report)}
long = [dict(zip([column.id for column in found["indicators"].columns], row)) for row in found["indicators"].rows]
of_all = next(line for line in long if line["indicator"] == "heat_reused" and line["service"] is None)
assert (of_all["value"], of_all["unit"], of_all["boundary"]) == (report.footprint.heat_reused.value, "kWh", "it")
assert [line for line in long if line["indicator"] == "heat_per_unit" and line["service"] == "vadore"]
headings = {column.id: column.title for table in found.values() for column in table.columns}
assert headings["heat_reused_kwh"] == "Chaleur réutilisée" and headings["heat_per_unit_g"] == "chaleur par unité"
footprint = [column.id for column in found["footprint"].columns]
assert dict(zip(footprint, found["footprint"].rows[-1]))["heat_reused_kwh"] == report.footprint.heat_reused.value

# The page: the section with its comment, the columns, the verdicts by name.
page = render_report(report)
assert '<h2 id="chaleur">11. Chaleur réutilisée</h2>' in page and '<h2 id="annexes">12. ' in page
assert '<a href="#chaleur">' in page and "Le dire ici" in page
assert '<th scope="col" class="num">Chaleur</th>' in page and '<th scope="col" class="num">part inventée</th>' in page
assert f'<data value="{report.footprint.heat_reused.value}">' in page
assert "chaleur par unité" in page

# The workbook's choices.
assert next(column for column in TARGETS_SHEET.columns if column.path == "indicator").words["heat_reused"] == "chaleur réutilisée"
assert next(column for column in TARGETS_SHEET.columns if column.path == "indicator").units["heat_reused"] == "kWh"
assert next(column for column in COMMENTS.columns if column.path == "section").words["chaleur"] == "Chaleur réutilisée"
assert found["said"].rows[-1][4] == "chaleur"
print("seen everywhere")
"""


def test_a_new_indicator_and_section_show_everywhere_by_their_definition_alone(tmp_path: Path) -> None:
    script, tests = tmp_path / "added.py", Path(__file__).parents[1]
    script.write_text(f"import sys; sys.path.insert(0, {str(tests)!r})\n{ADDED}", encoding="utf-8")
    command = [sys.executable, str(script), str(tmp_path / "catalogue")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert (done.returncode, done.stdout) == (0, "seen everywhere\n"), done.stderr


def test_a_section_is_registered_once_and_before_a_known_one() -> None:
    from ecoia import sections

    before = list(sections.SECTIONS)
    with pytest.raises(ValueError, match="'synthese' exists already"):
        sections.register(sections.Section("synthese", "Encore"))
    with pytest.raises(ValueError, match="no section 'nulle-part' to stand before; there are: synthese, "):
        sections.register(sections.Section("eau", "Eau"), before="nulle-part")
    assert before == sections.SECTIONS
