"""The first page: what it leads with, what it asks, and what it must not leave unsaid."""

from __future__ import annotations

import dataclasses
import html
import re

import pytest

from ecoia.cli.formats import write_formats
from ecoia.impact.ledger_gaps import LedgerGap
from ecoia.report import DeclaredChange, Headline, Quantity, QuarterlyReport
from ecoia_dashboards.language import Language
from ecoia_dashboards.naming import report_name
from ecoia_dashboards.pages import Edition, render_edition
from ecoia_dashboards.pages.view import ReportView
from support.reports import SEAL

replace = dataclasses.replace


def view(report: QuarterlyReport) -> ReportView:
    return ReportView(report, Language("fr"), Edition.COMMITTEE)


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def first(report: QuarterlyReport) -> str:
    page = render_edition(report, "fr", Edition.COMMITTEE)
    body = page[page.index("<body") : page.index('id="engagement"')]
    return plain(html.unescape(re.sub(r"<[^>]+>", " ", body)))


@pytest.fixture(scope="module")
def words(large: QuarterlyReport) -> str:
    return first(large)


def test_it_leads_with_the_whole_co2e_its_parts_and_an_energy_that_reads(words: str) -> None:
    assert "2,00 tCO₂e et 23,9 MWh au T3 2026, sans tout ou partie de 8 services sur 30 ; énergie : hausse de 10,5 %" in words
    key = words.split("CO₂e total")[1].split("Services couverts")[0]
    for said in ("usage : 0,915 tCO₂e", "fabrication : 1,01 tCO₂e", "modèles externes : 0,073 tCO₂e", "23,9 MWh"):
        assert said in key, said


def test_a_part_that_is_not_known_makes_the_whole_a_lower_bound(large: QuarterlyReport) -> None:
    lacking = Headline(Quantity(915.0, "kgCO2e"), ("co2e_operational",), {"co2e_api": "calls-unmeasured"})
    unknown = Quantity(None, "kgCO2e", reason="calls-unmeasured")
    footprint = type(large.footprint)({**large.footprint, "co2e_api": unknown})
    text = first(replace(large, headline=lacking, footprint=footprint))
    assert "au moins 915 kgCO₂e" in text
    assert "modèles externes : non calculé : des modèles sans estimation" in text


def test_changes_are_in_words_with_their_own_interval(large: QuarterlyReport) -> None:
    found = view(large)
    assert plain(found.evolution(Quantity(0.105, "1", 0.046, 0.167))) == "hausse de 10,5 % (+ 4,6 % à + 16,7 %)"
    assert plain(found.evolution(Quantity(-0.2, "1", -0.3, -0.1))) == "baisse de 20,0 % (− 30,0 % à − 10,0 %)"
    assert plain(found.evolution(Quantity(0.02, "1", -0.03, 0.07))) == "évolution de + 2,0 % non établie (− 3,0 % à + 7,0 %)"


def test_the_services_that_matter_have_their_share_and_a_reason(large: QuarterlyReport) -> None:
    leading = view(large).leading
    assert [line.id for line, _ in leading][:2] == ["assistant-conseiller", "voix-3949"]
    shares = [line.share or 0.0 for line, _ in leading]
    assert shares == sorted(shares, reverse=True)
    assert "pour la fabrication des machines" in leading[0][1]
    assert "énergie en hausse de" in leading[0][1]
    assert "évitables" in leading[0][1]


def test_each_target_has_its_verdict_and_its_probability(words: str) -> None:
    table = words.split("Probabilité de manquer")[1].split("Demandé au comité interne")[0]
    assert "✗ dépassement quasi certain plus de 99,9 %" in table
    assert table.count("? non concluant") >= 2


def test_what_is_asked_has_choices_and_what_they_cost(large: QuarterlyReport, words: str) -> None:
    asked = words.split("Demandé au comité interne")[1]
    for said in (
        "adopter aujourd’hui",
        "écarter rien n’engage",
        "amender",
    ):
        assert said in asked, said
    decisions = view(large).decisions
    assert all(decision.options for decision in decisions)
    costs = [option.cost.replace("\xa0", " ") for decision in decisions for option in decision.options]
    assert any("kgCO₂e évitables ce trimestre, mais peut nuire à" in cost for cost in costs)
    free = [option.cost for decision in decisions for option in decision.options if "Comparer deux modèles" in option.cost]
    assert free, "an action that the organisation wrote is a choice"


def test_nothing_impossible_is_asked(large: QuarterlyReport) -> None:
    """More than the year's budget is used: what is asked is not to be within it. A quarter that is over cannot be acted on."""
    costs = [plain(option.cost) for decision in view(large).decisions for option in decision.options if option.name == "agir"]
    assert "réduire un dépassement que rien n’efface plus : 66,1 MWh employés pour 54,5 MWh" in costs
    assert "7,92 MWh de trop, et l’échéance est passée : agir ne vaut que pour la suite" in costs


def test_what_is_not_measured_is_counted_the_same_everywhere(large: QuarterlyReport) -> None:
    """A service that was retired, and replaced, is in no denominator: it is not missing."""
    found, coverage = view(large), large.coverage
    assert len(found.not_measured) + coverage.unnamed == found.denominator - coverage.measured
    assert any(f"{len(found.not_measured)} services nommés" in decision.question for decision in found.decisions)
    assert "Aide à la rédaction" not in render_edition(large, "fr", Edition.COMMITTEE)


def test_days_that_were_not_recorded_are_no_change_and_are_named(large: QuarterlyReport, words: str) -> None:
    assert words.count("faussé par des jours non enregistrés : VADORE") == 1
    (line,) = (each for each in view(large).service_lines if each.id == "vadore")
    assert line.change is not None
    assert plain(view(large).established(line.change)) == "non comparable : pas enregistré sur autant de ses jours"
    register = tuple(replace(each, covered=0.8) if each.id == "analyse-cv" else each for each in large.register)
    page = plain(html.unescape(render_edition(replace(large, register=register), "fr", Edition.COMMITTEE)))
    assert "ce que les autres jours ont consommé manque aux totaux : Analyse automatique de CV (80 %)." in page


def test_a_service_that_calls_models_of_others_has_no_change_of_its_own_energy(large: QuarterlyReport) -> None:
    changes = {line.id: line.change for line in view(large).service_lines}
    assert changes["chat-candidat"] is None
    assert changes["gestion-mails"] is not None


def test_a_pue_that_was_declared_anew_does_not_hide_what_the_machines_used(words: str) -> None:
    assert "sans le bâtiment, dont le PUE a changé : hausse de 14,3 %" in words


def test_a_restated_quarter_says_so_in_its_title_its_file_and_on_the_first_page(large: QuarterlyReport) -> None:
    restated = replace(large, seal=replace(SEAL, name="2026Q3-r1"))
    assert report_name(restated) == "rapport-2026Q3-r1"
    assert report_name(replace(large, seal=replace(SEAL, name="2026Q3"))) == report_name(large) == "rapport-2026Q3"
    page = render_edition(restated, "fr", Edition.COMMITTEE)
    title = plain(re.findall("<title>(.*?)</title>", page)[0])
    assert title.startswith("Énergie et CO₂e des services d’IA, T3 2026, retraité (2026Q3-r1)")
    assert "⚠ Trimestre retraité : publié sous le nom 2026Q3-r1" in first(restated)
    assert "retraité" not in first(replace(large, seal=replace(SEAL, name="2026Q3")))


def test_days_that_the_ledger_lacks_are_counted_and_valued(large: QuarterlyReport, words: str) -> None:
    gaps = tuple(LedgerGap(f"2026-08-0{day}", "gpu-01", "missing", "run", 36 * 10**11) for day in (1, 2))
    assert "2 jours" in first(replace(large, ledger_gaps=gaps, notices=("ledger-incomplete",)))
    assert "2,00 kWh" in first(replace(large, ledger_gaps=gaps, notices=("ledger-incomplete",)))
    assert "Relevés incomplets" not in words


def test_declarations_that_changed_are_told_with_what_they_do(large: QuarterlyReport, words: str) -> None:
    changes = (
        DeclaredChange("target", "t", "Plafond", "changed", "value", "<= 1", "<= 2", "loosened"),
        DeclaredChange("service", "s", "Transcription", "removed", effect="denominator-lowered"),
        DeclaredChange("site", "p", "Paris", "changed", "zone", "FRA", "DEU"),
    )
    told = first(replace(large, declared_since="2026Q2", declared_changes=changes))
    assert "Depuis la publication de T2 2026 : assoupli, ou supprimé (Plafond)" in told
    assert "la couverture en monte sans mesure de plus (Transcription) ; 1 autre changement (partie 9)." in told
    assert "Rien n’a changé dans les déclarations" in first(replace(large, declared_since="2026Q2"))
    assert "publication de" not in words


def test_a_restated_report_has_its_files_named_by_its_publication(
    large: QuarterlyReport, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("out")
    written, failed = write_formats(replace(large, seal=replace(SEAL, name="2026Q3-r1")), ["json"], "fr", folder)
    assert [path.name for path in written] == ["rapport-2026Q3-r1.json"]
    assert failed == []


def test_a_longer_quarter_is_said_where_quarters_are_compared(large: QuarterlyReport) -> None:
    assert plain(html.unescape(render_edition(large, "fr", Edition.COMMITTEE))).count("92 jours contre 91") == 1
    found = view(large)
    said = {change.reference: found.lengths(change) for change in large.changes}
    assert said == {"2026Q2": "92 jours contre 91", "2025Q3": ""}
    begun = view(replace(large, notices=(*large.notices, "partial-quarter")))
    assert [begun.lengths(change) for change in large.changes] == ["", ""]


def test_the_committee_reads_the_pue_of_each_site_that_holds_in_the_quarter(large: QuarterlyReport) -> None:
    text = plain(html.unescape(render_edition(large, "fr", Edition.COMMITTEE)))
    assert (
        "PUE par site : Centre de Montreuil 1,33 (mesuré), Salle de Lyon 1,6 (déclaré par l’exploitant) et "
        "Hébergeur de Francfort 1,2 (déclaré par l’exploitant)"
    ) in text
    during = tuple(
        replace(each, from_day="2026-08-01")
        if each.value == 1.33
        else replace(each, until_day="2026-08-01")
        if each.value == 1.38
        else each
        for each in large.site_figures
    )
    assert "Montreuil 1,38 (mesuré) puis 1,33 (mesuré)" in plain(view(replace(large, site_figures=during)).pue_said)


@pytest.mark.parametrize(
    ("aim", "marked"),
    [(0.7, True), (0.65, False)],  # 20 of 28 are measured; of the 30 of before, 67 %
)
def test_a_verdict_met_by_a_denominator_that_fell_is_marked(large: QuarterlyReport, aim: float, marked: bool) -> None:
    (target,) = (each for each in large.targets if each.indicator == "coverage_services")
    target = replace(target, value=aim, verdict="tenu", reason=None, observed=Quantity(20 / 28, "1"))
    fell = DeclaredChange("service", "", "", "changed", "denominator", "30", "28", "denominator-lowered")
    report = replace(large, targets=(target,), declared_changes=(fell,), declared_since="2026Q2")
    assert ("dénominateur ramené de 30 à 28" in first(report)) is marked
    assert ("moins de services sont comptés" in view(report).why(target)) is marked
    assert view(replace(report, declared_changes=())).judged(target) == "tenu"


def test_a_part_that_one_quarter_does_not_know_is_said_to_be_left_out_of_the_change(large: QuarterlyReport) -> None:
    """A call of the quarter before has no estimate, so hosted models are in the total and in no change against it."""
    found = view(large)
    said = [plain(found.changes_said(change)) for change in large.changes]
    left = "hors modèles externes, que l’un des deux trimestres ne connaît pas en entier"
    assert [left in text for text in said] == [True, False]
    assert left in plain(html.unescape(render_edition(large, "fr", Edition.EVIDENCE)))
