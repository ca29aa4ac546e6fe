"""A service's page: its parts add up to the report, its sentence is true, and what is not known is said."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ecoia.exploring import Explorer
from ecoia.factors import FactorSet
from ecoia.report import Frontier, Quantity, QuarterlyReport, RunUsed
from ecoia_dashboards.dashboard.address import Address
from ecoia_dashboards.dashboard.app import create_app
from ecoia_dashboards.dashboard.figures.over_time import Step, over_time
from ecoia_dashboards.dashboard.marks import MISSING, NOT_EXPECTED, RECORDED
from ecoia_dashboards.dashboard.page import Figure, ForbiddenError, NotFoundError, Reading, Shown
from ecoia_dashboards.dashboard.pages.service import PAGE
from ecoia_dashboards.dashboard.pages.service.content import Rank, Service
from ecoia_dashboards.dashboard.pieces.parts import rest_line
from ecoia_dashboards.dashboard.tables import table_csv
from ecoia_dashboards.dashboard.templating import render
from ecoia_dashboards.dashboard.view import View
from ecoia_dashboards.language import NARROW_NBSP, NBSP, Language
from support.dashboard import ask
from support.factor_sets import half_hourly
from support.filled import filled_explorer
from support.records import kwh, record

ASSISTANT, UNDER_RECORDED = "assistant-conseiller", "vadore"
FRENCH = Language("fr")
HOSTILE = '"><script>alert(1)</script>\u202e\n=cmd'


def reading(explorer: Explorer, allowed: frozenset[str] | None = None, **parameters: str) -> Reading:
    return Reading(explorer, Address.parse(parameters), allowed)


def content(explorer: Explorer, service: str = ASSISTANT, **parameters: str) -> Service:
    return PAGE.read(reading(explorer, **parameters), service)  # type: ignore[no-any-return]


def shown(explorer: Explorer, found: Service, **parameters: str) -> Shown:
    return PAGE.show(found, reading(explorer, **parameters), FRENCH)


def plain(text: str) -> str:
    return text.replace(NBSP, " ").replace(NARROW_NBSP, " ")


def test_every_service_has_the_energy_of_the_report_and_parts_that_add_up_to_it(
    explorer: Explorer, large: QuarterlyReport
) -> None:
    for entry in large.register:
        found = content(explorer, entry.id)
        assert found.whole.microjoules == (entry.energy_components_microjoules or 0), entry.id
        assert found.whole.idle_microjoules == entry.idle_microjoules, entry.id
        for parts in (found.phases, found.instances, found.methods, found.sites, found.zones):
            assert sum(part.microjoules for part in parts.values()) == found.whole.microjoules, entry.id


def test_days_of_a_span_add_up_to_it(explorer: Explorer) -> None:
    found = content(explorer, period="2026-07-01..2026-08-15")
    assert len(found.course) == 46
    assert sum(moment.microjoules for moment in found.course) == found.whole.microjoules


def test_the_last_quarter_of_the_course_is_the_period(explorer: Explorer, large: QuarterlyReport) -> None:
    for entry in large.register:
        last = content(explorer, entry.id).course[-1]
        assert (last.period, last.microjoules) == ("2026Q3", entry.energy_components_microjoules or 0)


def test_a_quarter_under_another_name_says_which(explorer: Explorer) -> None:
    found = content(explorer)
    assert [moment.under for moment in found.course] == ["aide-redaction"] * 3 + [""] * 3
    chart = shown(explorer, found).figures["course"].chart
    assert [plain(row[1]) for row in chart.rows][:3] == ["relevé sous « Aide à la rédaction »"] * 3
    assert "?" in str(chart.figure)


def test_recorded_days_are_those_of_the_report(explorer: Explorer, large: QuarterlyReport) -> None:
    for entry in large.register:
        found = content(explorer, entry.id)
        if entry.counted_by == "declared":
            assert found.strips == ()
            continue
        for phase in ("inference", "training"):
            recorded = sum(days.recorded for days in entry.days_by_phase if days.phase == phase)
            assert sum(strip.phases.get(phase, 0) for strip in found.strips) == recorded, (entry.id, phase)


def test_days_that_the_register_expects_and_nobody_recorded_are_missing(explorer: Explorer) -> None:
    (strip,) = content(explorer, UNDER_RECORDED).strips
    assert strip.kinds == (RECORDED,) * 36 + (MISSING,) * 56
    (nowhere,) = content(explorer, "transcription").strips
    assert (nowhere.instance, nowhere.kinds) == ("", (MISSING,) * 92)
    trained = next(strip for strip in content(explorer).strips if strip.instance == "gpu-04")
    assert (trained.kinds.count(RECORDED), trained.kinds.count(NOT_EXPECTED)) == (11, 81)


def test_an_origin_of_energy_leaves_no_day_out(explorer: Explorer) -> None:
    """All of this service is estimated: a filter on what is measured narrows the energy, not the days on which it ran."""
    service = "acces-information"
    measured = content(explorer, service, method="measured")
    assert measured.whole.microjoules == 0
    assert measured.strips == content(explorer, service).strips


def test_days_not_begun_are_not_missing(explorer: Explorer) -> None:
    at = reading(explorer, period="2026-09-27..2026-09-30")
    at.state = replace(at.state, data_until_utc="2026-09-28T09:00:00Z")
    (strip,) = PAGE.read(at, UNDER_RECORDED).strips
    assert strip.kinds == (MISSING, MISSING, NOT_EXPECTED, NOT_EXPECTED)


def test_a_filter_drives_every_figure(explorer: Explorer) -> None:
    whole, trained = content(explorer), content(explorer, phase="training")
    assert trained.whole.microjoules == whole.phases["training"].microjoules > 0
    assert trained.course[-1].microjoules == trained.whole.microjoules
    assert {run.phase for run in trained.runs} == {"training"}
    assert trained.explained is None
    page = shown(explorer, trained, phase="training")
    assert "pour cette sélection" in page.sentence
    assert "sans filtre" in page.values["no_causes"]


def test_a_filter_without_result_says_so(app: Any) -> None:
    text = ask(app, f"/services/{ASSISTANT}?phase=evaluation").text
    assert "Les filtres ne laissent rien passer" in text
    assert "<figure" not in text


def test_runs_are_of_the_service_and_lost_ones_are_marked(explorer: Explorer, large: QuarterlyReport) -> None:
    found = content(explorer)
    lost = sum(run.microjoules for run in found.runs if run.outcome in ("failed", "abandoned"))
    assert lost == sum(result.waste_microjoules for result in large.results if result.service == ASSISTANT)
    table = shown(explorer, found).tables["runs"]
    assert sum(str(line[3]).startswith("✗") for line in table.lines) == 3
    assert plain(table.title) == "11 runs : 3 perdus, 22 % de leur énergie"
    assert {line[0].exact for line in table.lines} == {run.run_id for run in found.runs}  # type: ignore[union-attr]


def test_runs_sort_by_any_column(explorer: Explorer) -> None:
    found = content(explorer)
    energies = [line[5].value for line in shown(explorer, found, sort="energy").tables["runs"].lines]  # type: ignore[union-attr]
    assert energies == sorted(energies)  # type: ignore[type-var]
    down = [line[6] for line in shown(explorer, found, sort="-quality.accuracy").tables["runs"].lines]
    assert down == sorted(down, reverse=True)  # type: ignore[type-var]
    assert shown(explorer, found, sort="nothing").tables["runs"] == shown(explorer, found).tables["runs"]


def test_many_runs_leave_one_line_for_the_others(explorer: Explorer) -> None:
    found = content(explorer)
    many = replace(found, runs=tuple(replace(found.runs[0], run_id=f"run {number}") for number in range(10_000)))
    table = shown(explorer, many).tables["runs"]
    assert len(table.lines) == 20
    assert plain(table.foot[0][0].text) == "9 980 autres runs"  # type: ignore[union-attr]
    assert table.foot[1][5] == Quantity(pytest.approx(10_000 * found.runs[0].energy.value), "kWh")  # type: ignore[operator]


def test_a_change_that_must_not_be_read_as_one_is_not_stated(explorer: Explorer) -> None:
    page = shown(explorer, content(explorer, UNDER_RECORDED))
    said = plain(" ".join([page.lead, page.figures["change"].chart.title]))
    assert "pas enregistré sur autant de ses jours" in said
    assert "baisse" not in said.lower()
    assert all(key.change is None or key.change.value is None for key in page.values["keys"])


def test_equal_perimeters_have_equal_totals(explorer: Explorer, large: QuarterlyReport) -> None:
    """The waterfall and the key figure name the parts of the CO2e that they are of: the same words, the same sum."""
    compared = 0
    for entry in large.register:
        found = content(explorer, entry.id)
        page = shown(explorer, found)
        if found.explained is None or "change" not in page.figures:
            continue
        perimeter = page.figures["change"].subtitle.split(",")[0]
        equal = perimeter == page.values["keys"][1].name
        sums = found.explained.explained.quarter_micrograms / 1e9
        assert equal == (sums == pytest.approx(found.whole.headline.co2e.value)), entry.id
        compared += equal
    assert compared > 10


def test_a_cut_axis_is_said_in_the_subtitle(explorer: Explorer) -> None:
    assert "axe coupé" in shown(explorer, content(explorer)).figures["change"].subtitle
    assert "axe coupé" not in shown(explorer, content(explorer, UNDER_RECORDED)).figures["change"].subtitle


def test_quality_is_drawn_against_energy_with_the_front_else_the_page_says_why_not(explorer: Explorer) -> None:
    found = content(explorer)
    said = "le registre ne dit pas dans quel sens la qualité est meilleure"
    assert said in plain(shown(explorer, found).values["no_fronts"])
    runs = tuple(
        RunUsed(ASSISTANT, run.phase, run.run_id, "ok", run.energy, dict(run.quality))
        for run in found.runs
        if run.outcome == "ok"
    )
    best = max(runs, key=lambda run: run.quality["accuracy"])
    compared = Frontier(ASSISTANT, "fine-tuning", "accuracy", "higher", runs, (best.run_id,))
    page = shown(explorer, replace(found, frontiers=(compared,)))
    assert page.values["no_fronts"] == ""
    assert {row[-1] for row in page.figures["front-0"].chart.rows} == {"oui", "non"}


def test_the_rank_is_the_place_in_the_register(explorer: Explorer, large: QuarterlyReport) -> None:
    known = sorted((entry for entry in large.register if entry.energy.value), key=lambda entry: -(entry.energy.value or 0.0))
    for place, entry in enumerate(known, 1):
        rank = content(explorer, entry.id).rank
        assert rank is not None
        assert (rank.place, rank.of, rank.ties) == (place, len(known), 0), entry.id
    assert content(explorer, "transcription").rank is None


@pytest.mark.parametrize(
    ("rank", "said"),
    [
        (Rank(1, 1, 0, 1.0), "Seul service dont l’énergie est connue."),
        (Rank(1, 2, 0, 0.6), "Premier de 2 services par l’énergie : 60 % du total."),
        (Rank(1, 2, 1, 0.5), "Au rang 1 de 2 services par l’énergie, à égalité : 50 % du total."),
        (Rank(7, 22, 0, 0.04), "Au rang 7 de 22 services par l’énergie : 4 % du total."),
    ],
)
def test_the_rank_is_true_at_ties_and_of_one(explorer: Explorer, rank: Rank, said: str) -> None:
    assert said in plain(shown(explorer, replace(content(explorer), rank=rank)).lead)


def test_a_reader_of_some_services_learns_nothing_of_others(explorer: Explorer) -> None:
    own = frozenset({UNDER_RECORDED})
    assert PAGE.read(reading(explorer, own), UNDER_RECORDED).rank is None
    at = reading(explorer, own)
    assert "sélection" not in PAGE.show(PAGE.read(at, UNDER_RECORDED), at, FRENCH).sentence
    for other in (ASSISTANT, "nothing"):
        with pytest.raises(ForbiddenError):
            PAGE.read(reading(explorer, own), other)


def test_the_two_scores_of_sci_for_ai_stand_beside_the_amortised_figure(explorer: Explorer) -> None:
    found = content(explorer)
    footprint = found.intensities
    assert footprint is not None
    assert footprint.provider is not None
    names = {key.name: key.quantity for key in shown(explorer, found).values["keys"]}
    assert [name.split(",")[0] for name in names if "SCI" in name] == ["Score SCI du consommateur"], "no size is declared"
    (amortised,) = (quantity for name, quantity in names.items() if name.endswith("entraînement amorti"))
    assert amortised == footprint.sci
    sized = replace(footprint.provider, unit="parameter", count=7.0, values="effective")
    figures = type(footprint.intensities)({**footprint.intensities, "sci_provider": Quantity(29.5, "gCO2e")})
    both = replace(found, intensities=replace(footprint, provider=sized, intensities=figures))
    keys = {key.name: key for key in shown(explorer, both).values["keys"]}
    provider = keys["Score SCI du fournisseur, par milliard de paramètres"]
    assert provider.quantity.value == 29.5
    assert "partiel" in provider.note
    assert "valeur effective" in provider.note


def test_an_unknown_service_is_not_found_and_those_that_exist_are_listed(explorer: Explorer, app: Any) -> None:
    with pytest.raises(NotFoundError) as failed:
        content(explorer, "nothing")
    assert ASSISTANT in failed.value.known
    answer = ask(app, "/services/nothing")
    assert answer.status == 404
    assert ASSISTANT in answer.text


def test_a_service_without_data_says_why_and_which_line_measures_it(app: Any) -> None:
    text = ask(app, "/services/transcription").text
    assert "Ce n’est pas zéro" in plain(text)
    assert "ImpactMiddleware" in text
    assert "<figure" not in text
    retired = ask(app, "/services/aide-redaction").text
    assert "Ce service est retiré" in retired
    assert "<pre>" not in retired


def test_energy_that_is_declared_or_of_models_of_others_is_said_so(explorer: Explorer) -> None:
    assert "déclarés" in shown(explorer, content(explorer, "traduction")).sentence
    assert "énergie non mesurée" in shown(explorer, content(explorer, "synthese-entretien")).sentence


def test_what_parts_lack_is_the_last_line(explorer: Explorer) -> None:
    found = content(explorer)
    complete = rest_line(found.phases, found.whole, FRENCH)
    assert (complete[0], complete[3]) == ("Ensemble", found.whole.energy)
    partly = {name: part for name, part in found.phases.items() if name != "idle"}
    lacking = rest_line(partly, found.whole, FRENCH)
    assert lacking[0] == "Hors de ces lignes"
    assert lacking[3] == Quantity(pytest.approx(found.whole.idle_microjoules / 3.6e12), "kWh")


def test_a_run_leads_to_mlflow_where_its_server_is_known_else_its_id_can_be_copied(explorer: Explorer) -> None:
    found, at = content(explorer), reading(explorer)
    at.state = replace(at.state, source="ledger", source_uri="https://mlflow.example/base/")
    table = PAGE.show(found, at, FRENCH).tables["runs"]
    run = next(run for run in found.runs if run.run_id == table.lines[0][0].exact)  # type: ignore[union-attr]
    assert table.lines[0][-1].href == f"https://mlflow.example/base/#/runs/{run.run_id}"  # type: ignore[union-attr]
    at.state = replace(at.state, source="journal", source_uri="/home/somebody")
    table = PAGE.show(found, at, FRENCH).tables["runs"]
    assert table.headings[-1].text == "accuracy"
    assert table.lines[0][0].text == run.run_id  # type: ignore[union-attr]


@pytest.mark.parametrize("lang", ["fr", "en"])
def test_hostile_names_are_inert_in_page_drawing_and_csv(explorer: Explorer, lang: str) -> None:
    at, language = reading(explorer, lang=lang), Language(lang)
    found = content(explorer)
    entry = replace(found.entry, purpose=HOSTILE, owner_role=HOSTILE, functional_unit=HOSTILE)
    runs = tuple(replace(run, run_id=HOSTILE, quality={HOSTILE: 1.0}) for run in found.runs)
    found = replace(found, entry=entry, runs=runs, instances={HOSTILE: found.whole})
    at.__dict__["names"] = {ASSISTANT: HOSTILE, "aide-redaction": HOSTILE}
    page = PAGE.show(found, at, language)
    view = View(PAGE, {"service": ASSISTANT}, at, language, page)
    html = render("service.html", language, view=view, shown=page, **page.values)
    assert "<script>alert" not in html
    for figure in page.figures.values():
        assert "<script" not in view.drawing(Figure(figure.chart))
    for table in page.tables.values():
        assert not any(cell.startswith("=") for line in table_csv(table, language, []).splitlines() for cell in line.split(";"))


@pytest.mark.parametrize("lang", ["fr", "en"])
@pytest.mark.parametrize("query", ["", "&compare=year", "&compare=none", "&period=2026-07-01..2026-08-15", "&phase=inference"])
def test_the_page_answers_in_both_languages(app: Any, lang: str, query: str) -> None:
    for service in (ASSISTANT, UNDER_RECORDED, "transcription", "traduction", "synthese-entretien"):
        answer = ask(app, f"/services/{service}?lang={lang}{query}")
        assert answer.status == 200
        assert f'<html lang="{lang}"' in answer.text
        assert ask(app, f"/api/v1/services/{service}?lang={lang}{query}").status == 200


def test_a_course_without_any_value_is_not_drawn() -> None:
    nothing = Step("T3 2026", Quantity(None, "kWh", reason="no-data"))
    assert over_time("course", "", "", [nothing, nothing], FRENCH) is None


def test_days_without_a_value_interrupt_the_course() -> None:
    known, unknown = Quantity(2.0, "kWh", 1.0, 3.0), Quantity(None, "kWh", reason="no-data")
    steps = [Step(str(date(2026, 7, 1 + day)), unknown if day == 10 else known) for day in range(31)]
    chart = over_time("course", "", "Énergie", steps, FRENCH)
    assert chart is not None
    line = next(trace for trace in chart.figure.data if trace.meta == "series")
    assert [place for place, value in enumerate(line.y) if value is None] == [10]
    bands = [trace.x for trace in chart.figure.data if trace.meta == "band"]
    assert [(band[0], band[-1]) for band in bands] == [(0, 9), (0, 9), (11, 30), (11, 30)]


def test_versions_of_the_model_add_up_to_the_service(tmp_path: Path) -> None:
    served = [
        record("2026-08-03T10:00", 30, cpu=kwh(2), units_micro=3_000_000, model_version="models:/m/1"),
        record("2026-08-05T10:00", 30, cpu=kwh(1), units_micro=2_000_000, model_version="models:/m/2"),
        record("2026-08-04T10:00", 30, cpu=kwh(3), units_micro=4_000_000, model_version="models:/m/1"),
        record("2026-08-06T10:00", 30, phase="training", cpu=kwh(5)),
        record("2026-08-06T12:00", 30, cpu=kwh(1), model_version=HOSTILE),
        record("2026-08-06T10:00", 30, cpu=kwh(7), service="analyse-cv"),
    ]
    explorer = filled_explorer(tmp_path, served, "services:\n  - {id: vadore, name: VADORE, status: generalised}\n")
    found = content(explorer, UNDER_RECORDED)
    assert [(each.version, each.phase, each.microjoules, each.units) for each in found.versions] == [
        (HOSTILE.replace("\u202e", "\ufffd"), "inference", kwh(1), None),
        ("models:/m/2", "inference", kwh(1), 2.0),
        ("models:/m/1", "inference", kwh(5), 7.0),
        ("", "training", kwh(5), None),
    ]
    assert sum(each.microjoules for each in found.versions) == found.whole.microjoules
    oldest = found.versions[2]
    assert (oldest.first_day, oldest.last_day) == (date(2026, 8, 3), date(2026, 8, 4))
    page = ask(create_app(explorer), f"/services/{UNDER_RECORDED}").text
    assert "3 versions du modèle ont travaillé" in plain(page)
    assert "<script>alert" not in page
    assert "\u202e" not in page


def test_a_version_emits_what_its_own_half_hours_did(tmp_path: Path) -> None:
    """By the mean of the phase, each kWh would have 70 g; work without a version has what the versions leave of the phase."""
    served = [
        record("2026-08-03T10:00", 25, cpu=kwh(1), model_version="models:/m/1"),
        record("2026-08-03T10:30", 25, cpu=kwh(1), model_version="models:/m/2"),
        record("2026-08-03T10:30", 25, cpu=kwh(2), model_version="models:/m/2", run_id="served-1"),
        record("2026-08-03T11:00", 25, cpu=kwh(1)),
    ]
    factors = FactorSet(half_hourly("FRA", "2026-08-03T10:00", [10.0, 100.0, 40.0]))
    explorer = filled_explorer(tmp_path, served, "services:\n  - {id: vadore, name: VADORE, status: generalised}\n", factors)
    found = content(explorer, UNDER_RECORDED)
    emitted = {each.version: each.co2e.value for each in found.versions}
    assert emitted == pytest.approx({"models:/m/1": 0.01, "models:/m/2": 0.3, "": 0.04}, rel=1e-12)
    assert sum(each.microjoules for each in found.versions) == found.whole.microjoules
    assert sum(emitted.values()) == pytest.approx(found.whole.co2e_operational.value, rel=1e-12)


def test_a_service_without_versions_has_no_table_of_them(explorer: Explorer) -> None:
    found = content(explorer)
    assert found.versions == ()
    assert "versions" not in shown(explorer, found).tables


def test_a_change_with_and_without_hosted_models_is_said_in_one_sentence(app: Any) -> None:
    page = re.sub(r"\s+", " ", html.unescape(ask(app, "/services/chat-candidat?period=2026Q3").text))
    assert re.search(
        r"CO₂e avec les modèles externes : hausse de 24,2 % \(.{5,40}\) ; sans, comme dans ce graphique : évolution", page
    )
    assert "sans, comme dans ce graphique" not in ask(app, "/services/vadore?period=2026Q3").text
